"""When the pictures of a GIF or WebP are shown: whole ticks whose rounding does not add up."""

from __future__ import annotations

import math
from fractions import Fraction

from vidcam.media.info import Info


class Pace:
    """Decides which pictures an animation keeps and for how many ticks each is shown.

    Args:
        source: what the pictures come from; a GIF written as a GIF keeps every picture and delay.
        tick: the format's unit of time in seconds: 1/100 for GIF, 1/1000 for WebP.
        shortest: the fewest ticks that players keep to.
        fps: at most so many pictures a second, None for all.
    """

    def __init__(self, source: Info, tick: Fraction, shortest: int, fps: float | Fraction | None) -> None:
        self._tick = tick
        self._exact = fps is None and source.format == "GIF" and tick == Fraction(1, 100)
        self._shortest = shortest
        self._fps = None if fps is None else Fraction(fps).limit_denominator(1_000_000)
        self._usual = 1 / source.fps if source.fps else Fraction(1, 10)
        self._slot: int | None = None
        self._zero = Fraction(0)
        self._end = Fraction(0)
        self.starts: list[int] = []
        """Of the pictures kept so far, the ticks at which they appear."""

    def keep(self, time: Fraction, duration: Fraction | None) -> bool:
        """Returns whether a picture is kept; its time in seconds is later than that of the one before."""
        if not self.starts:
            self._zero = time
        self._end = time - self._zero + (self._usual if duration is None else duration)
        start = _round((time - self._zero) / self._tick)
        if not self._exact and self.starts:
            if start - self.starts[-1] < self._shortest:
                return False
            if self._fps and math.floor((time - self._zero) * self._fps) == self._slot:
                return False
        if self._fps:
            self._slot = math.floor((time - self._zero) * self._fps)
        self.starts.append(start)
        return True

    def delays(self) -> list[int]:
        """Returns the ticks that each kept picture is shown, once all are known."""
        if not self.starts:
            return []
        shortest = 0 if self._exact else self._shortest
        end = max(_round(self._end / self._tick), self.starts[-1] + shortest)
        return [b - a for a, b in zip(self.starts, [*self.starts[1:], end], strict=True)]


def _round(value: Fraction) -> int:
    return math.floor(value + Fraction(1, 2))
