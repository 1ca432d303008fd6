"""The newest of something, handed from one thread to others. What the things are is no matter here."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Item(Generic[T]):
    """A thing in a slot.

    Attributes:
        number: counts the things put into the slot, from 1.
        time: seconds of `time.monotonic` when it was taken.
        value: the thing.
    """

    number: int
    time: float
    value: T


class Slot(Generic[T]):
    """Holds the newest thing; what was there before is gone.

    Args:
        wake: notified with every new thing; several slots may share it, so that one wait serves all.
    """

    def __init__(self, wake: threading.Condition) -> None:
        self.wake = wake
        self._item: Item[T] | None = None
        self._taken = 0
        self._dropped = 0
        self._interval = float("inf")

    def put(self, value: T, time: float) -> None:
        """Replaces what is there."""
        with self.wake:
            number = self._item.number + 1 if self._item else 1
            if self._item:
                between = time - self._item.time
                known = self._interval < float("inf")
                self._interval = 0.8 * self._interval + 0.2 * between if known else between
            if number - 1 > self._taken:
                self._dropped += 1
            self._item = Item(number, time, value)
            self.wake.notify_all()

    def newest(self) -> Item[T] | None:
        """Returns the newest thing, None before the first; it stays in the slot."""
        return self._item

    def take(self) -> Item[T] | None:
        """Returns the newest thing and counts it as seen."""
        with self.wake:
            if self._item:
                self._taken = self._item.number
            return self._item

    def worth_waiting(self, now: float, since: float, cost: float) -> bool:
        """Tells whether to wait for the next thing instead of taking the one that is there.

        Args:
            now: seconds of `time.monotonic`.
            since: what was taken then or later is young enough.
            cost: the longest wait, in seconds, that is worth it.

        Returns:
            True while the thing there is older, things come often enough, and the next one is not overdue.
        """
        item = self._item
        return (
            item is not None and item.time < since and self._interval <= cost and now < item.time + 2 * self._interval
        )

    @property
    def number(self) -> int:
        """How many things have been put in."""
        item = self._item
        return item.number if item else 0

    @property
    def dropped(self) -> int:
        """How many of them were replaced before anybody took them."""
        return self._dropped
