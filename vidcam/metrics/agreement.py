"""Whether models that see the same clip say the same and look at the same place, frame by frame.

Classes are compared where the models know the same ones, maps always: by the rank correlation of the heat on a common
grid over the part of the picture that all of them saw, and by how far apart the hottest points are. Of each map the
positive part counts, as it is computed. Arrays only; no model and no picture.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations

import numpy as np

from vidcam.metrics.randomization import rank_correlation
from vidcam.metrics.regions import smaller
from vidcam.render import lay_over
from vidcam.types import Array, Explanation, Placement, Track

FIFTH = 0.2
"""Of the picture's width or height, by how much hottest points may be apart and still count as one place."""
SIDE = 32
"""Longer side of the common grid, in cells."""
GAP = 0.25
"""Seconds of agreement below which two stretches of disagreement are one."""
SHORTEST = 0.1
"""Seconds that a stretch lasts at least."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two models on one clip.

    Attributes:
        first: which of the models.
        second: the other.
        same: whether both give the same class the greatest probability, bool (N,); None where they know other classes.
        correlation: rank correlation of the two maps, (N,), -1 to 1; NaN where one of them shows no heat.
        apart: how far apart the hottest points are in shares of the picture's width or height, whichever is more, (N,);
            NaN where a map shows no heat.
    """

    first: int
    second: int
    same: Array | None
    correlation: Array
    apart: Array

    @property
    def agreement(self) -> float:
        """The share of frames in which both say the same; NaN where they know other classes."""
        return math.nan if self.same is None else float(self.same.mean())

    @property
    def mean_correlation(self) -> float:
        """The mean rank correlation; NaN where no frame shows the heat of both."""
        known = self.correlation[np.isfinite(self.correlation)]
        return float(known.mean()) if len(known) else math.nan

    @property
    def far(self) -> Array:
        """Whether the hottest points are more than a fifth of the picture apart, bool (N,)."""
        found: Array = self.apart > FIFTH
        return found

    @property
    def far_share(self) -> float:
        """The share of the frames that show the heat of both in which it is; NaN where there is none."""
        known = np.isfinite(self.apart)
        return float(self.far[known].mean()) if known.any() else math.nan

    @property
    def compared(self) -> Array:
        """Whether there is something to compare: what both say, or the heat of both, bool (N,)."""
        found: Array = np.isfinite(self.apart) if self.same is None else np.ones(len(self.same), bool)
        return found

    @property
    def differs(self) -> Array:
        """Whether the two disagree, in what they say or in where they look, bool (N,)."""
        found: Array = self.far if self.same is None else self.far | ~self.same
        return found


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which two models disagree.

    Attributes:
        first: which of the models.
        second: the other.
        begin: the first frame's number in the comparison.
        stop: that of the first frame after it.
        start: when it begins, in seconds from the start of the source.
        end: when it ends.
        classes: what the two say there most often when they do not say the same; None where they do, or cannot.
        far: the share of its frames whose hottest points are apart.
    """

    first: int
    second: int
    begin: int
    stop: int
    start: float
    end: float
    classes: tuple[str, str] | None
    far: float

    def why(self) -> str:
        """Says in a few words how they disagree."""
        said = [f"{self.classes[0]} against {self.classes[1]}"] if self.classes else []
        return ", ".join([*said, *(["they look at different places"] if self.far >= 0.5 or not said else [])])


@dataclass(frozen=True, slots=True)
class Comparison:
    """Several models on one clip.

    Attributes:
        names: of the models.
        labels: of each, a name for each class.
        times: of the frames, in seconds from the start of the source, (N,).
        tops: for each model the class with the greatest probability, (models, N).
        pairs: every two of the models.
        tracks: of each model, where they are kept.
    """

    names: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    times: Array
    tops: Array
    pairs: tuple[Pair, ...]
    tracks: tuple[Track, ...] = ()

    def __len__(self) -> int:
        return len(self.times)

    @property
    def disagreement(self) -> float:
        """The share of frames in which any two of the models disagree, in what they say or in where they look, of those
        in which two can be compared; NaN where there is none."""
        known = np.any([pair.compared for pair in self.pairs], axis=0)
        return float(np.any([pair.differs for pair in self.pairs], axis=0)[known].mean()) if known.any() else math.nan

    def first(self, count: int) -> Comparison:
        """Returns the comparison of the first so many frames."""
        pairs = tuple(
            replace(
                p,
                same=None if p.same is None else p.same[:count],
                correlation=p.correlation[:count],
                apart=p.apart[:count],
            )
            for p in self.pairs
        )
        return replace(self, times=self.times[:count], tops=self.tops[:, :count], pairs=pairs)

    def unlike(self, pair: Pair) -> str:
        """Says of two models that know different classes that they do, and what to do where only the names differ."""
        counts = [len(self.labels[model]) for model in (pair.first, pair.second)]
        # One of them may have a class more, for none of the others.
        hint = " (if they are the same, say with --labels what they are called)"
        return f"they know different classes{hint if abs(counts[0] - counts[1]) <= 1 else ''}"

    def stretches(self) -> list[Stretch]:
        """Returns the times in which two models disagree, pair by pair, in order.

        Those with less than a quarter of a second between them are one, and none is shorter than a tenth.
        """
        return [stretch for pair in self.pairs for stretch in self._stretches(pair)]

    def _stretches(self, pair: Pair) -> Iterator[Stretch]:
        step = float(np.median(np.diff(self.times))) if len(self) > 1 else 0.0
        ends = np.append(self.times[1:], self.times[-1] + step)
        runs: list[list[int]] = []
        for i in np.flatnonzero(pair.differs).tolist():
            if runs and (i == runs[-1][1] or self.times[i] - ends[runs[-1][1] - 1] < GAP):
                runs[-1][1] = i + 1
            else:
                runs.append([i, i + 1])
        for begin, stop in runs:
            start, end = float(self.times[begin]), float(ends[stop - 1])
            if end - start >= SHORTEST - 1e-3:
                part = slice(begin, stop)
                classes = self._said(pair, part)
                yield Stretch(pair.first, pair.second, begin, stop, start, end, classes, float(pair.far[part].mean()))

    def _said(self, pair: Pair, part: slice) -> tuple[str, str] | None:
        if pair.same is None or pair.same[part].all():
            return None
        both = self.tops[[pair.first, pair.second], part][:, ~pair.same[part]]
        (a, b), _ = Counter(zip(*both.tolist(), strict=True)).most_common(1)[0]
        return self.labels[pair.first][a], self.labels[pair.second][b]

    def lines(self) -> list[str]:
        """Says in a sentence for each pair how far they agree, and when they do not."""
        return [self._line(pair) for pair in self.pairs]

    def _line(self, pair: Pair) -> str:
        frames = f"{len(self)} frame{'' if len(self) == 1 else 's'}"
        said = f"the same class in {100 * pair.agreement:.1f} % of {frames}"
        if pair.same is None:
            said = f"{self.unlike(pair)}, so that maps alone are compared, over {frames}"
        where = "no frame shows heat of both"
        if math.isfinite(pair.mean_correlation):
            where = (
                f"rank correlation of the maps {pair.mean_correlation:.2f}, hottest points more than a fifth of the "
                f"picture apart in {100 * pair.far_share:.1f} %"
            )
        found = list(self._stretches(pair)) if len(self) > 1 else []
        longest = sorted(sorted(found, key=lambda s: s.start - s.end)[:SAID], key=lambda s: s.start)
        when = ", ".join(f"{s.start:.2f} to {s.end:.2f} s" for s in longest)
        more = f" and {len(found) - len(longest)} shorter" if len(found) > len(longest) else ""
        names = f"{self.names[pair.first]} and {self.names[pair.second]}"
        return f"{names}: {said}; {where}{f'; they disagree from {when}{more}' if found else ''}"

    def __repr__(self) -> str:
        return f"Comparison({', '.join(self.names)}\n  " + "\n  ".join(self.lines()) + ")"


SAID = 4
"""Stretches that a sentence names."""


class Agreement:
    """Gathers what models say and where they look, batch after batch.

    Args:
        names: of the models.
        labels: of each, a name for each class.
        neither: of each, the class that stands for none of the others, None where there is no such.
        silent: of each, the target of which no heat is shown, None where every one has some.
    """

    def __init__(
        self,
        names: Sequence[str],
        labels: Sequence[tuple[str, ...]],
        neither: Sequence[str | None],
        silent: Sequence[tuple[int, ...] | None],
    ) -> None:
        self._names, self._labels, self._silent = tuple(names), tuple(labels), silent
        self._pairs = list(combinations(range(len(names)), 2))
        self._known = [_alike(self._labels[i], self._labels[j], (neither[i], neither[j])) for i, j in self._pairs]
        self._times: list[float] = []
        self._tops: list[Array] = []
        self._found: list[list[tuple[float, float]]] = [[] for _ in self._pairs]

    @property
    def models(self) -> int:
        """How many there are."""
        return len(self._names)

    def add(self, times: Iterable[float], explanations: Sequence[Explanation]) -> None:
        """Takes a batch.

        Args:
            times: of its frames, in seconds.
            explanations: by each model.
        """
        for i, time in enumerate(times):
            self._times.append(time)
            seen = [self._heat(model, e, i) for model, e in enumerate(explanations)]
            points = [
                None if raw is None else hottest(raw, e.placement) for raw, e in zip(seen, explanations, strict=True)
            ]
            inside, small = _common(tuple(e.placement for e in explanations))
            laid = [None if r is None else lay_over(r, p)[inside] for r, p in zip(seen, small, strict=True)]
            for found, (a, b) in zip(self._found, self._pairs, strict=True):
                one, other, here, there = laid[a], laid[b], points[a], points[b]
                if one is None or other is None or here is None or there is None:
                    found.append((math.nan, math.nan))
                else:
                    apart = max(abs(here[0] - there[0]), abs(here[1] - there[1]))
                    found.append((rank_correlation(one, other), apart))
        self._tops.append(np.stack([e.probabilities.argmax(axis=1) for e in explanations]))

    def _heat(self, model: int, explanation: Explanation, i: int) -> Array | None:
        """Returns a map that shows heat, None for one that does not."""
        raw: Array = explanation.maps[i]
        shown = explanation.targets[i] != self._silent[model] and np.isfinite(raw).all() and raw.max() > 0.0
        return raw if shown else None

    def comparison(self, count: int | None = None, tracks: Sequence[Track] = ()) -> Comparison:
        """Returns the comparison of what was taken, of one frame at least.

        Args:
            count: of the first so many frames; None for all.
            tracks: of each model, to keep with it.
        """
        tops = np.concatenate(self._tops, axis=1)
        pairs = []
        for (a, b), known, found in zip(self._pairs, self._known, self._found, strict=True):
            correlation, apart = np.array(found).reshape(-1, 2).T
            same = None if known is None else known[0][tops[a]] == known[1][tops[b]]
            pairs.append(Pair(a, b, same, correlation, apart))
        whole = Comparison(self._names, self._labels, np.array(self._times), tops, tuple(pairs), tuple(tracks))
        return whole if count is None else whole.first(count)


def hottest(raw: Array, placement: Placement) -> tuple[float, float]:
    """Returns where a map is hottest, the middle of that cell, as x and y in shares of the frame.

    Args:
        raw: (h, w).
        placement: how the frame was fitted to the input.
    """
    row, column = np.unravel_index(int(raw.argmax()), raw.shape)
    ends = (placement.source, placement.target)
    found = []
    for axis, (at, cells) in enumerate(((column, raw.shape[1]), (row, raw.shape[0]))):
        (s0, s1), (t0, t1) = ((box[axis], box[axis + 2]) for box in ends)
        share = ((float(at) + 0.5) / cells * placement.input[axis] - t0) / (t1 - t0)
        found.append((s0 + min(1.0, max(0.0, share)) * (s1 - s0)) / placement.frame[axis])
    return found[0], found[1]


def _alike(a: Sequence[str], b: Sequence[str], neither: tuple[str | None, str | None]) -> tuple[Array, Array] | None:
    """Numbers two models' classes alike, None where they know other ones but for a class for none of the others.

    Upper and lower case, blanks and underscores are alike. Names that several classes share are alike where the lists
    of classes are.
    """
    one, other = ([" ".join(label.casefold().replace("_", " ").split()) for label in labels] for labels in (a, b))
    if one == other:
        return np.arange(len(one)), np.arange(len(one))
    own = [
        {w for w, label in zip(words, labels, strict=True) if label != n}
        for words, labels, n in ((one, a, neither[0]), (other, b, neither[1]))
    ]
    if own[0] != own[1] or any(len(set(words)) < len(words) for words in (one, other)):
        return None
    numbers = {word: i for i, word in enumerate(dict.fromkeys([*one, *other]))}
    return np.array([numbers[w] for w in one]), np.array([numbers[w] for w in other])


@lru_cache(maxsize=16)
def _common(placements: tuple[Placement, ...]) -> tuple[Array, tuple[Placement, ...]]:
    """Returns which cells of the common grid all models saw, bool (h, w), and the placements on it."""
    small = tuple(smaller(placement, SIDE) for placement in placements)
    seen = [lay_over(np.ones((1, 1), np.float32), placement) > 0.0 for placement in small]
    return np.logical_and.reduce(seen), small
