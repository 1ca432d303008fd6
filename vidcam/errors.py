"""The errors that vidcam raises on purpose, each a message for the user.

A message is one line: it names the file or option, says what is wrong and what to do. The command line prints it
without a traceback. Bugs are not errors of these kinds.
"""

from __future__ import annotations

from collections.abc import Sequence


class VidcamError(Exception):
    """Something could not be done: a damaged file, a missing weight, a full disk. Exit code 1."""


class Interrupted(VidcamError):  # noqa: N818 - nothing went wrong
    """A run was stopped early and has left nothing. Exit code 130 or 143."""


class UsageError(VidcamError):
    """Something was asked for that makes no sense: an unknown option value, label or layer. Exit code 2."""


class Unsaid(UsageError):  # noqa: N818 - what is wrong stands in the message
    """A model file leaves something open that an option has to say.

    Attributes:
        option: the argument of `vidcam.load_model` that says it.
        guess: a value with which the rest of the model can be looked at; it may be wrong.
    """

    def __init__(self, message: str, option: str, guess: object) -> None:
        super().__init__(message)
        self.option = option
        self.guess = guess


class NoClassifier(UsageError):  # noqa: N818 - what is wrong stands in the message
    """A model file holds a network that vidcam does not explain; what it is can be looked at.

    Attributes:
        kind: the format of its file.
        inputs: the name and shape of each, in words.
        outputs: the same.
    """

    def __init__(self, message: str, kind: str, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        super().__init__(message)
        self.kind = kind
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
