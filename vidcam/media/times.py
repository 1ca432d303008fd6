"""Times as people give them, made exact."""

from __future__ import annotations

import math
from fractions import Fraction

from vidcam.errors import UsageError

Seconds = float | Fraction


def exact(seconds: Seconds) -> Fraction:
    """Returns the time that a person means: 0.8 is 8/10, not the float a little above it."""
    return Fraction(seconds).limit_denominator(1_000_000)


def parse_time(text: str) -> float:
    """Reads a time as people write it.

    Args:
        text: seconds, `mm:ss` or `hh:mm:ss`, with decimals.

    Returns:
        Seconds, 0 or more.

    Raises:
        UsageError: it is no time.
    """
    parts = text.split(":")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    # Written so that NaN is refused, too.
    if not (1 <= len(numbers) <= 3 and all(0 <= n < math.inf for n in numbers) and all(n < 60 for n in numbers[1:])):
        raise UsageError(f"{text!r} is no time; give seconds such as 12.5, or mm:ss")
    return float(sum(n * 60**i for i, n in enumerate(reversed(numbers))))
