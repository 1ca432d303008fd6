"""What a run has made: `Result`, which shows itself in a notebook."""

from __future__ import annotations

import base64
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from vidcam.cam import target_name
from vidcam.metrics.agreement import Comparison
from vidcam.metrics.regions import Shares
from vidcam.pipeline.draw import Answer
from vidcam.pipeline.meter import Timings
from vidcam.types import Track

_EMBED_LIMIT = 64 * 2**20
_MIME = {
    ".mp4": "video/mp4",
    ".mov": "video/mp4",
    ".mkv": "video/x-matroska",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
}


@dataclass(frozen=True, slots=True)
class Tally:
    """How often a class was explained, and how probable it was then.

    Attributes:
        name: the class, or several that were explained together.
        frames: in which it was.
        probability: their mean, 0 to 1; of several classes together the sum's.
        asked: what was asked for: `top`, `clip-top`, or the class itself, which then says nothing of the model.
        model: whose answer it is, where there are several.
    """

    name: str
    frames: int
    probability: float
    asked: str
    model: str = ""

    @property
    def forced(self) -> bool:
        """Whether the class was chosen by the user, not by the model."""
        return self.asked not in ("top", "clip-top")


class Count:
    """Counts what is explained, frame after frame.

    Args:
        asked: what each cell was asked to explain.
        models: a name for each model where there are several, which take turns in the cells.

    Attributes:
        frames: drawn so far.
        asked: those of them that were explained themselves.
    """

    def __init__(self, asked: Sequence[str], models: Sequence[str] = ()) -> None:
        self.frames = self.asked = 0
        self._asked = [(models[i % len(models)] if models else "", target) for i, target in enumerate(asked)]
        # Cells of other methods with the same target have the same answers.
        first = sorted(dict.fromkeys(self._asked), key=lambda pair: models.index(pair[0]) if models else 0)
        self._cells = [self._asked.index(pair) for pair in first]
        self._seen: dict[tuple[int, tuple[int, ...]], list[float]] = defaultdict(list)

    def add(self, answers: Sequence[Answer], asked: bool) -> None:
        """Counts a frame, by its answers for each cell, where it was asked for."""
        self.frames += 1
        if not asked:
            return
        self.asked += 1
        for cell in self._cells:
            target = answers[cell].target
            self._seen[cell, target].append(float(answers[cell].probabilities[list(target)].sum()))

    def tallies(self, labels: Sequence[Sequence[str]]) -> tuple[Tally, ...]:
        """Returns a tally for each class and target asked for, by model, by target, most frequent first.

        Args:
            labels: of each cell, a name for each class.
        """
        order = self._cells.index
        ordered = sorted(self._seen.items(), key=lambda item: (order(item[0][0]), -len(item[1])))
        return tuple(
            Tally(
                target_name(t, labels[cell]),
                len(seen),
                sum(seen) / len(seen),
                self._asked[cell][1],
                self._asked[cell][0],
            )
            for (cell, t), seen in ordered
        )


@dataclass(frozen=True, slots=True)
class Result:
    """What a run has made.

    Attributes:
        path: the picture or video file.
        frames: pictures in it.
        read: frames of the source that were looked at.
        explained: frames that have a map of their own.
        size: (width, height) in pixels.
        seconds: how long the run took.
        tallies: what was explained: for each model and target asked for (one, but for a grid) its classes, most
            frequent first.
        damaged: frames of the source that could not be read.
        interrupted: the run was stopped before the source's end.
        notes: one-line things to tell the user.
        tracks: the raw maps, one track for each model, where they were asked for.
        steadinesses: of each model E, see `vidcam.metrics.steadiness`, of the heat that is shown, where the tracks were
            asked for; NaN where it is not known, as of a picture, or where fewer frames are explained than shown.
        model_shares: for each model how much of the heat lies where boxes or masks say that the thing is, where there
            were some.
        comparison: of several models, how often they agree and look at the same place.
        timings: what each stage took, where it was asked for.
    """

    path: Path
    frames: int
    read: int
    explained: int
    size: tuple[int, int]
    seconds: float
    tallies: tuple[Tally, ...]
    damaged: int = 0
    interrupted: bool = False
    notes: tuple[str, ...] = ()
    tracks: tuple[Track, ...] = ()
    steadinesses: tuple[float, ...] = ()
    model_shares: tuple[Shares, ...] = ()
    comparison: Comparison | None = None
    timings: Timings | None = None

    @property
    def track(self) -> Track | None:
        """The raw maps, where they were asked for; of several models those of the first."""
        return self.tracks[0] if self.tracks else None

    @property
    def steadiness(self) -> float:
        """E of the heat that is shown, NaN where it is not known; of several models that of the first."""
        return self.steadinesses[0] if self.steadinesses else math.nan

    @property
    def shares(self) -> Shares | None:
        """How much of the heat lies where the thing is; of several models the first one's."""
        return self.model_shares[0] if self.model_shares else None

    @property
    def classes(self) -> Mapping[str, int]:
        """The explained classes and the frames of each, most frequent first; in a grid those of its first cell."""
        first = self.tallies[0]
        return {t.name: t.frames for t in self.tallies if (t.asked, t.model) == (first.asked, first.model)}

    def __repr__(self) -> str:
        seen = [f"{t.name} {100 * t.probability:.0f} % in {t.frames}" for t in self.tallies]
        words = ", ".join(seen[:3]) + (", ..." if len(seen) > 3 else "")
        made = f"{self.path}: {self.frames} of {self.read} frames, {self.size[0]}x{self.size[1]}, {self.seconds:.1f} s"
        return f"Result({made}{', interrupted' if self.interrupted else ''}\n  {words})"

    def _repr_html_(self) -> str:
        mime = _MIME.get(self.path.suffix.lower(), "")
        if not self.path.is_file() or self.path.stat().st_size > _EMBED_LIMIT:
            return f"<code>{escape(str(self.path))}</code>"
        data = f"data:{mime};base64,{base64.b64encode(self.path.read_bytes()).decode()}"
        if mime.startswith("video/"):
            return f'<video controls loop muted style="max-width:100%" src="{data}"></video>'
        return f'<img alt="{escape(self.path.name)}" style="max-width:100%" src="{data}">'
