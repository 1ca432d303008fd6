"""A long clip that is done in parts, as a value: where it is cut, and which file says that a step of a part is done.

What the steps do is in `parts`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

from vidcam.cam.options import MapOptions
from vidcam.cam.targets import CLIP_TOP
from vidcam.media import Info
from vidcam.media.info import VIDEO_SUFFIXES
from vidcam.media.options import MediaOptions
from vidcam.media.read.segments import cut_points
from vidcam.media.times import exact
from vidcam.metrics.regions import Region
from vidcam.render import Look

LENGTH = Fraction(30)
"""Seconds of a part at least. A clip of less than two such is not cut."""
WHOLE = ("stride", "fps", "loop")
"""Options under which the pictures that are written depend on all those before."""


@dataclass(frozen=True)
class Film:
    """A clip in parts.

    Attributes:
        source: the file.
        folder: where steps leave what others need.
        points: where it is cut, in seconds from the start of the stream.
        maps: how its maps are made.
        look: how its pictures are drawn.
        media: how it is read and written.
        measured: whether it is measured how steady the heat is that is shown.
        region: where the thing is, where its outline is drawn.
    """

    source: Path
    folder: Path
    points: tuple[Fraction, ...]
    maps: MapOptions
    look: Look
    media: MediaOptions
    measured: bool = False
    region: Region | None = None

    @cached_property
    def parts(self) -> list[tuple[Fraction, Fraction | None]]:
        """The beginning and the end of each part."""
        start = exact(self.media.start or 0)
        end = None if self.media.end is None else exact(self.media.end)
        return list(zip((start, *self.points), (*self.points, end), strict=True))

    @property
    def steps(self) -> tuple[str, ...]:
        """What is done with every part, in this order."""
        return ("predict", "explain", "draw") if CLIP_TOP in str(self.maps.target).split("/") else ("explain", "draw")

    def needs(self, step: str, part: int) -> list[tuple[str, int]]:
        """Returns the steps of parts that a step of a part takes something from."""
        if step == "predict":
            return []
        if step == "explain":
            before, of = "predict", range(len(self.parts))
        elif self.look.normalize == "clip":
            before, of = "explain", range(len(self.parts))
        else:
            before, of = "explain", range(max(0, part - 1), part + 1)
        return [(before, p) for p in of] if before in self.steps else []

    def file(self, step: str, part: int) -> Path:
        """Returns the file that is there when a step of a part is done."""
        return self.folder / f"{part:05}.{'mp4' if step == 'draw' else f'{step}.json'}"

    def track(self, part: int, cell: int) -> Path:
        """Returns the file of a part's maps, of a cell of the pictures."""
        return self.folder / f"{part:05}.{cell}.npz"

    def sums(self, part: int) -> Path:
        """Returns the file of what a part adds to the steadiness of the whole."""
        return self.folder / f"{part:05}.steadiness.json"

    def facts(self, step: str, part: int = 0) -> Any:
        """Returns what a step has left about a part beside its files."""
        return json.loads(self.file(step, part).read_text("utf-8"))


def points_of(source: Info, output: Path, maps: MapOptions, look: Look, media: MediaOptions) -> tuple[Fraction, ...]:
    """Finds where a clip may be cut into parts.

    Args:
        source: what is read.
        output: what is written.
        maps: how its maps are made.
        look: how its pictures are drawn.
        media: how it is read and written.

    Returns:
        Times in seconds, increasing; none where the clip is too short, or is drawn or written in a way that cannot be
        divided: no video, a timeline of the whole, fewer frames than there are.
    """
    plain = MediaOptions()
    if source.kind != "video" or output.suffix.lower() not in VIDEO_SUFFIXES or Path(source.path).is_dir():
        return ()
    if (
        look.view == "timeline"
        or maps.explain_fps is not None
        or any(getattr(media, name) != getattr(plain, name) for name in WHOLE)
    ):
        return ()
    start, end = exact(media.start or 0), None if media.end is None else exact(media.end)
    length = source.duration if end is None else float(end)
    if length is not None and length - float(start) < 2 * LENGTH:
        return ()
    return cut_points(source, start=start, end=end, length=LENGTH)
