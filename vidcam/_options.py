"""What can be asked for, as values: every option is a field of a frozen dataclass, written down once.

From the field follow its check, the keyword of the Python functions, the option of the commands (`vidcam.cli.options`)
and its part in the fingerprint that tells whether two outputs were made alike. The dataclasses are in the rooms that
their options are about: `cam.options`, `render.look`, `media.options`. Standard library only, as `--help` reads them.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from vidcam.errors import UsageError

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
WIDTH = 116


@dataclass(frozen=True, slots=True)
class Number:
    """A number within bounds, both included; with `above` the least itself is not."""

    least: float
    most: float | None = None
    above: bool = False
    whole: bool = True

    def check(self, name: str, value: Any) -> None:
        """Raises a UsageError where a value is no such number."""
        bounds = f"above {self.least:g}" if self.above else f"at least {self.least:g}"
        if self.most is not None:
            bounds = f"from {self.least:g} to {self.most:g}"
        try:
            good = self.least < value if self.above else self.least <= value
            good = good and (self.most is None or value <= self.most) and value != float("inf")
            whole = not self.whole or value == int(value)
        except (TypeError, ValueError):
            good = whole = False
        if not (good and whole):
            raise UsageError(f"--{name.replace('_', '-')} {value}: must be {bounds if not good else 'a whole number'}")


OptionKind = Number | tuple[str, ...] | str | None


def option(
    default: Any, help: str, *, kind: OptionKind = None, metavar: str | None = None, decides: bool = True
) -> Any:
    """Makes the field of an option.

    Args:
        default: what it is where nobody says; None for what follows from other things.
        help: what it does, in a sentence or two.
        kind: what values it takes: a `Number`, one of several texts, or a name that the command line knows (`seconds`,
            `color`); None for a text, or with a default that is true or false, for a flag.
        metavar: how the command line calls its value.
        decides: whether the output depends on it.
    """
    return field(default=default, metadata={"help": help, "kind": kind, "metavar": metavar, "decides": decides})


class Options:
    """What several options have in common. A dataclass made of it checks itself when it is made.

    Raises:
        UsageError: a value makes no sense.
    """

    __slots__ = ()

    def __post_init__(self) -> None:
        for f in fields(self):  # type: ignore[arg-type]
            value, kind = getattr(self, f.name), f.metadata["kind"]
            if value is None and f.default is not None:  # as commands and tables leave out what nobody has given
                object.__setattr__(self, f.name, f.default)
            elif value is not None and isinstance(kind, Number):
                kind.check(f.name, value)
            elif value is not None and isinstance(kind, tuple) and value not in kind:
                name = f.name.replace("_", "-")
                raise UsageError(f"--{name} {value}: is unknown; choose one of {', '.join(kind)}")
        self.check()

    def check(self) -> None:
        """Checks what no field can know of itself."""

    def fingerprint(self) -> dict[str, Any]:
        """Returns the options that decide what an output is, by name, plain as JSON is."""
        decisive = [f.name for f in fields(self) if f.metadata["decides"]]  # type: ignore[arg-type]
        values = ((name, getattr(self, name)) for name in decisive)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values}


def names_of(*kinds: type) -> tuple[str, ...]:
    """Returns the names of the options of several dataclasses."""
    return tuple(f.name for kind in kinds for f in fields(kind))


def take(kind: type[T], options: dict[str, Any]) -> T:
    """Takes those of the options out that a dataclass has, and returns it."""
    return kind(**{name: options.pop(name) for name in names_of(kind) if name in options})


def refuse(options: dict[str, Any], function: str, known: Sequence[str]) -> None:
    """Refuses what is left when everything known has been taken out.

    Raises:
        TypeError: as Python itself raises for a keyword that a function does not have, with the name that was meant.
    """
    for name in options:
        import difflib

        close = difflib.get_close_matches(name, known, n=1)
        meant = f"; did you mean {close[0]!r}?" if close else ""
        raise TypeError(f"{function}() got an unexpected keyword argument {name!r}{meant}")


def accepts(*kinds: type, without: Sequence[str] = ()) -> Callable[[F], F]:
    """Gives a function that takes `**options` the signature and the documentation of these options."""

    def decorate(function: F) -> F:
        known = [f for kind in kinds for f in fields(kind) if f.name not in without]
        signature = inspect.signature(function)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        more = [inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default) for f in known]
        function.__signature__ = signature.replace(parameters=[*own, *more])  # type: ignore[attr-defined]
        lines = [textwrap.fill(f"{f.name}: {f.metadata['help']}", WIDTH, subsequent_indent="    ") for f in known]
        options = textwrap.indent("\n".join(lines), "    ")
        function.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n\nOptions:\n{options}\n"
        return function

    return decorate
