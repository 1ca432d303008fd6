"""The command line: parse, call one function, print. Nothing is computed here.

A command is a file of this package that imports click only and the rest inside its function, so that `--help` is quick.
Errors become one line on standard error and an exit code: 2 for usage, 1 for failure, 130 for Ctrl-C.
"""

from __future__ import annotations

import errno
import gc
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from vidcam._version import __version__
from vidcam.errors import UsageError, VidcamError

COMMANDS = ("run", "live", "batch", "train", "evaluate", "inspect", "export")
INTERRUPTED = 130


class _Commands(click.Group):
    """Loads a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"vidcam.cli.{cmd_name}"), cmd_name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vidcam")
def cli() -> None:
    """See what an image classifier looks at while a video plays."""


def main(args: Sequence[str] | None = None) -> None:
    """Runs the command line and exits.

    Args:
        args: the arguments, None for those of the process.
    """
    arguments = list(sys.argv[1:] if args is None else args)
    # NumPy's BLAS keeps its threads spinning for a while after each product, on the cores that the network needs next.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    code = _run(arguments, debug="--debug" in arguments)
    if args is None:
        # What is left goes with the process: collecting it first would take a tenth of a second.
        gc.freeze()
    sys.exit(code)


def _run(arguments: list[str], *, debug: bool) -> int:
    try:
        result: Any = cli.main(arguments, prog_name="vidcam", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except BaseException as error:
        if debug and not isinstance(error, click.ClickException | SystemExit):
            raise
        message, code = _explain(error)
        if message:
            say(message)
        return code


def _explain(error: BaseException) -> tuple[str, int]:
    """Returns what is said about an error, and the exit code."""
    said = {click.Abort: ("interrupted", INTERRUPTED), KeyboardInterrupt: ("interrupted", INTERRUPTED)}.get(type(error))
    if isinstance(error, SystemExit):
        # Click ends so where whoever read standard output has gone.
        said = "standard output: cannot be written: the pipe is closed" if error.code == 1 else "", int(error.code or 0)
    elif isinstance(error, click.ClickException):
        said = error.format_message(), error.exit_code
    elif isinstance(error, OSError) and error.errno in (errno.EPIPE, errno.EBADF, errno.ENOSPC):
        # Python would flush standard output once more at exit and fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        said = f"standard output: cannot be written: {error.strerror}", 1
    elif isinstance(error, VidcamError):
        said = str(error), 2 if isinstance(error, UsageError) else 1
    elif isinstance(error, ImportError):
        said = _missing_library(error), 1
    if said is None:
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        said = f"internal error ({text}); --debug shows where, please report it", 1
    return said


def printable(text: str) -> str:
    """Returns a text with every control character escaped, for names that come from files."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def count(number: int, thing: str) -> str:
    """Returns a number of things in words: `1 frame`, `2 frames`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def say(message: str) -> None:
    """Prints one line on standard error, whatever is in it."""
    click.echo(f"vidcam: {printable(' '.join(message.split()))}", err=True)


def _missing_library(error: ImportError) -> str:
    text = str(error).splitlines()[0]
    if "cannot open shared object" in text:
        return (
            f"a system library is missing ({text}); `apt install libgl1 libglib2.0-0` brings those of OpenCV "
            "(Debian, Ubuntu), or use opencv-python-headless in its place"
        )
    return f"a library cannot be imported ({text})"
