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
    """

    name: str
    frames: int
    probability: float
    asked: str

    @property
    def forced(self) -> bool:
        """Whether the class was chosen by the user, not by the model."""
        return self.asked not in ("top", "clip-top")


class Count:
    """Counts what is explained, frame after frame.

    Args:
        asked: what each cell was asked to explain.

    Attributes:
        frames: drawn so far.
        asked: those of them that were explained themselves.
    """

    def __init__(self, asked: Sequence[str]) -> None:
        self.frames = self.asked = 0
        self._asked = asked
        # Cells of other methods with the same target have the same answers.
        self._cells = [asked.index(target) for target in dict.fromkeys(asked)]
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

    def tallies(self, labels: Sequence[str]) -> tuple[Tally, ...]:
        """Returns a tally for each class and target asked for, in the order of the targets, most frequent first."""
        ordered = sorted(self._seen.items(), key=lambda item: (item[0][0], -len(item[1])))
        return tuple(
            Tally(target_name(target, labels), len(seen), sum(seen) / len(seen), self._asked[cell])
            for (cell, target), seen in ordered
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
        tallies: what was explained: for each target asked for (one, but for a grid) its classes, most frequent first.
        damaged: frames of the source that could not be read.
        interrupted: the run was stopped before the source's end.
        notes: one-line things to tell the user.
        track: the raw maps, where they were asked for.
        steadiness: E, see `vidcam.metrics.steadiness`, of the heat that is shown, where the track was asked for; NaN
            where it is not known, as of a picture, or where fewer frames are explained than shown.
        shares: how much of the heat lies where boxes or masks say that the thing is, where there were some.
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
    track: Track | None = None
    steadiness: float = math.nan
    shares: Shares | None = None
    timings: Timings | None = None

    @property
    def classes(self) -> Mapping[str, int]:
        """The explained classes and the frames of each, most frequent first; in a grid those of its first target."""
        return {t.name: t.frames for t in self.tallies if t.asked == self.tallies[0].asked}

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
