"""A measured process that waits for questions: lines of JSON on its standard input and output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}


def threads(count: int) -> dict[str, str]:
    """Returns the environment that gives the libraries so many threads."""
    names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    return dict.fromkeys(names, str(count))


class Process:
    """Runs a module of the benchmarks that calls `serve`.

    Args:
        name: for messages.
        command: the interpreter, `-m`, the module and its arguments.
        log: where what it prints goes.
        environment: variables beside this process' own.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path, environment: dict[str, str] | None = None) -> None:
        self.name = name
        self._log = log.open("w")
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            cwd=ROOT,
            env=os.environ | QUIET | (environment or {}),
        )

    def hello(self) -> dict[str, Any]:
        """Waits until it is ready; with a key `missing` it is not, and says why."""
        line = self._process.stdout.readline()
        return json.loads(line) if line else {"missing": f"ended with exit code {self._process.wait()}"}

    def ask(self, **question: Any) -> dict[str, Any]:
        """Asks and waits for the answer."""
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        reply = self.hello()
        if "missing" in reply:
            raise SystemExit(f"{self.name}: {reply['missing']}\n{Path(self._log.name).read_text()[-2000:]}")
        return reply

    def close(self) -> None:
        """Ends it."""
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._log.close()


def serve(prepare: Callable[[], tuple[dict[str, Any], Callable[[dict[str, Any]], dict[str, Any]]]]) -> None:
    """Answers questions until the asking process is done.

    Args:
        prepare: returns what to say once ready, and the function that answers a question. If it fails, that is said.
    """
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer
    try:
        hello, answer = prepare()
    except Exception as error:  # whatever keeps a peer from running is said in the table, and the others run
        first = f"{type(error).__name__}: {error}".splitlines()[0]
        print(json.dumps({"missing": first}), file=replies)
        return
    print(json.dumps(hello), file=replies)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=replies)
