"""Whether one of two classifiers is right more often than the other on the same pictures, or by chance only.

Pictures that both get right, or both wrong, say nothing about which is better. If neither is, each of the others is as
likely to be right by the one as by the other. McNemar's test asks how probable a split as uneven as the one seen, or
more, is then: exactly, by the binomial distribution, where such pictures are few, else by a chi-square distribution
with one degree of freedom, with Edwards's correction for continuity.

- Q. McNemar, Note on the sampling error of the difference between correlated proportions or percentages,
  Psychometrika 12, 1947.
- A. L. Edwards, Note on the "correction for continuity" in testing the significance of the difference between
  correlated proportions, Psychometrika 13, 1948.
- S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6, 1979.

It speaks of these very networks on such pictures, not of how they were trained: another training may turn it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from vidcam.types import Array

EXACT_BELOW = 25
"""Pictures that one alone gets right, below which the test is exact."""
LEVEL = 0.05
"""Probability below which a difference is not put down to chance."""


@dataclass(frozen=True, slots=True)
class McNemar:
    """McNemar's test of two classifiers on the same pictures.

    Attributes:
        first: the name of the one.
        second: that of the other.
        both: pictures that both get right.
        first_only: that the first alone does.
        second_only: that the second alone does.
        neither: that none of them does.
        p: the probability of a split as uneven by chance, 0 to 1.
        adjusted: the same where several pairs were tested, by Holm's method; with one pair it is p.
    """

    first: str
    second: str
    both: int
    first_only: int
    second_only: int
    neither: int
    p: float
    adjusted: float

    @property
    def exact(self) -> bool:
        """Whether p is the binomial distribution's."""
        return self.first_only + self.second_only < EXACT_BELOW

    @property
    def count(self) -> int:
        """The number of pictures."""
        return self.both + self.first_only + self.second_only + self.neither

    @property
    def difference(self) -> float:
        """By how much the first's accuracy is above the second's."""
        return (self.first_only - self.second_only) / self.count

    @property
    def error(self) -> float:
        """The standard error of the difference; as the pictures are the same, not that of two accuracies apart."""
        apart = self.first_only + self.second_only
        return math.sqrt(apart - (self.first_only - self.second_only) ** 2 / self.count) / self.count

    def verdict(self) -> str:
        """Says in a few words which is better, if either is."""
        if self.adjusted >= LEVEL:
            return "the difference may be chance"
        return f"{self.first if self.first_only > self.second_only else self.second} is right more often"

    def as_json(self) -> dict[str, Any]:
        """Returns the figures as plain JSON types."""
        return {
            "first": self.first,
            "second": self.second,
            "both_right": self.both,
            "only_first_right": self.first_only,
            "only_second_right": self.second_only,
            "neither_right": self.neither,
            "difference": self.difference,
            "difference_standard_error": self.error,
            "test": "exact binomial" if self.exact else "chi-square with continuity correction",
            "p": self.p,
            "p_adjusted": self.adjusted,
            "verdict": self.verdict(),
        }


def mcnemar_tests(right: Mapping[str, Array]) -> list[McNemar]:
    """Tests every two classifiers.

    Args:
        right: of each by name whether it gets each picture right, bool (N,), of the same pictures in the same order.

    Returns:
        The pairs, in order.
    """
    found = [_test(a, b, right[a], right[b]) for a, b in combinations(right, 2)]
    return [replace(t, adjusted=p) for t, p in zip(found, holm([t.p for t in found]), strict=True)]


def _test(first: str, second: str, a: Array, b: Array) -> McNemar:
    both, first_only, second_only, neither = (int(which.sum()) for which in (a & b, a & ~b, ~a & b, ~a & ~b))
    p = mcnemar_p(first_only, second_only)
    return McNemar(first, second, both, first_only, second_only, neither, p, p)


def mcnemar_p(first_only: int, second_only: int) -> float:
    """Returns how probable it is that a split is so uneven, or more, by chance.

    Args:
        first_only: pictures that the first alone gets right.
        second_only: that the second alone does.
    """
    apart = first_only + second_only
    if apart < EXACT_BELOW:
        tail = sum(math.comb(apart, k) for k in range(min(first_only, second_only) + 1))
        return min(1.0, 2.0 * tail / float(2**apart))
    square = max(0, abs(first_only - second_only) - 1) ** 2 / apart
    return math.erfc(math.sqrt(square / 2))


def holm(values: Sequence[float]) -> list[float]:
    """Returns the probabilities of several tests such that one in twenty below 0.05 holds for all of them together.

    Args:
        values: of each test by itself.
    """
    adjusted, highest = [0.0] * len(values), 0.0
    for rank, i in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        highest = max(highest, min(1.0, (len(values) - rank) * values[i]))
        adjusted[i] = highest
    return adjusted
