"""`Contrast`: classes that a map explains rather than others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Contrast(tuple[int, ...]):
    """The classes that a map explains, as any target is given, and those in contrast to which it explains them.

    It is a tuple of the classes explained; two are the same only where the others are, too, so that no map is averaged
    with one that shows another difference.

    Args:
        classes: the indices of the classes explained.
        rival: those of the others.
    """

    rival: tuple[int, ...]

    def __new__(cls, classes: Sequence[int], rival: Sequence[int]) -> Contrast:
        made = super().__new__(cls, classes)
        made.rival = tuple(rival)
        return made

    def __eq__(self, other: object) -> bool:
        return tuple.__eq__(self, other) is True and self.rival == rival_of(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((tuple(self), self.rival))

    def __reduce__(self) -> tuple[Any, ...]:
        return Contrast, (tuple(self), self.rival)

    def __repr__(self) -> str:
        return f"Contrast({tuple(self)}, {self.rival})"


def rival_of(target: object) -> tuple[int, ...]:
    """Returns the classes in contrast to which a target is explained; none for a plain one."""
    return target.rival if isinstance(target, Contrast) else ()
