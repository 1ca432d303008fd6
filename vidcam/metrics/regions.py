"""How much of a clip's heat lies on the thing, over time: boxes that move, or masks, that the user gives.

A share means little alone: beside it stand the region's share of the picture, which evenly spread heat would have, and
the share that a map of the picture's centre has. Boxes of many pictures are in `boxes`.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from vidcam.errors import UsageError, VidcamError
from vidcam.metrics.controls import centred_map
from vidcam.render import lay_over, moved
from vidcam.types import Array, Box, Placement, Track

SIDES = (("x0", "y0", "x1", "y1"), ("xmin", "ymin", "xmax", "ymax"))
WHEN = ("time", "frame")
SIDE = 256
"""Longer side in pixels of the picture on which heat is added up."""
ROUNDING = 0.02
"""By which share a mask's aspect may be off the frames'."""
SAME_TIME = 1e-3
"""Seconds by which a box's time may be off a frame's."""


class Region(Protocol):
    """Where the thing is in each frame.

    Attributes:
        by: what says which frame is meant, `time` or `frame`.
    """

    @property
    def by(self) -> str: ...

    def mask(self, index: int, time: float, frame: tuple[int, int], size: tuple[int, int]) -> Array | None:
        """Returns where the thing is in a frame.

        Args:
            index: the frame's number in the source, from 0.
            time: its time in seconds.
            frame: (width, height) of the frame in pixels.
            size: (width, height) of the mask wanted; a pixel counts where its centre is inside.

        Returns:
            bool (h, w); None where nobody says.
        """


@dataclass(frozen=True, slots=True)
class Boxes:
    """Boxes that move evenly between the times at which they are given.

    Attributes:
        by: `time` in seconds, or `frame`, the number in the source.
        tracks: for each label what is given of it, in order: (time or number, box in pixels of the frame). What is
            given once is there throughout, what is given several times from the first to the last.
    """

    by: str
    tracks: Mapping[str, Sequence[tuple[float, Box]]]

    def at(self, when: float) -> list[Box]:
        """Returns the boxes that are there at a time or a frame's number."""
        found = (_between(track, when) for track in self.tracks.values())
        return [box for box in found if box is not None]

    def mask(self, index: int, time: float, frame: tuple[int, int], size: tuple[int, int]) -> Array | None:
        """See `Region`."""
        boxes = self.at(time if self.by == "time" else index)
        if not boxes:
            return None
        x = (np.arange(size[0]) + 0.5) * frame[0] / size[0]
        y = ((np.arange(size[1]) + 0.5) * frame[1] / size[1])[:, np.newaxis]
        inside = np.zeros((size[1], size[0]), bool)
        for x0, y0, x1, y1 in boxes:
            inside |= (x > x0) & (x < x1) & (y > y0) & (y < y1)
        return inside


def _between(track: Sequence[tuple[float, Box]], when: float) -> Box | None:
    if len(track) == 1:
        return track[0][1]
    if not track[0][0] - SAME_TIME <= when <= track[-1][0] + SAME_TIME:
        return None
    known = [at for at, _ in track]
    x0, y0, x1, y1 = (float(np.interp(when, known, [box[i] for _, box in track])) for i in range(4))
    return x0, y0, x1, y1


@dataclass(frozen=True, slots=True)
class Masks:
    """A picture for each frame that is not black where the thing is.

    Attributes:
        files: by the frame's number in the source.
    """

    files: Mapping[int, Path]

    @property
    def by(self) -> str:
        """Masks are numbered."""
        return "frame"

    def mask(self, index: int, time: float, frame: tuple[int, int], size: tuple[int, int]) -> Array | None:
        """See `Region`."""
        file = self.files.get(index)
        if file is None:
            return None
        return read_mask(file, frame, size)


def read_mask(file: Path, frame: tuple[int, int], size: tuple[int, int]) -> Array:
    """Reads a mask.

    Args:
        file: a picture that is not black where the thing is.
        frame: (width, height) in pixels of the frame that it is of, whose shape it has.
        size: (width, height) of the mask wanted.

    Returns:
        bool (h, w).

    Raises:
        VidcamError: it cannot be read, or has another shape.
    """
    try:
        # OpenCV reads no path with letters that the system's code page lacks.
        picture = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_GRAYSCALE)
    except OSError as error:
        raise VidcamError(f"{file}: cannot be read ({error.strerror})") from error
    if picture is None:
        raise VidcamError(f"{file}: not a picture; a mask is black where the thing is not")
    if abs(picture.shape[1] * frame[1] / (picture.shape[0] * frame[0]) - 1) > ROUNDING:
        shown = f"{picture.shape[1]}x{picture.shape[0]}"
        raise VidcamError(f"{file}: {shown}, which has another shape than the frames, {frame[0]}x{frame[1]}")
    inside: Array = cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST) > 0
    return inside


def read_moving_boxes(file: Path) -> Boxes:
    """Reads boxes over time.

    Args:
        file: a CSV with the columns `time` (seconds) or `frame` (number, from 0), x0, y0, x1, y1 (or xmin, ymin, xmax,
            ymax) in pixels of the frame, and maybe `label`: a line for each box that is known.

    Raises:
        VidcamError: the file cannot be read, or a line holds no box.
    """
    tracks: dict[str, dict[float, Box]] = {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines, skipinitialspace=True)
            header = {(name or "").strip() for name in rows.fieldnames or ()}
            rows.fieldnames = [(name or "").strip() for name in rows.fieldnames or ()]
            by = next((name for name in WHEN if name in header), None)
            sides = next((names for names in SIDES if set(names) <= header), None)
            if by is None or sides is None:
                raise ValueError(f"it has {', '.join(sorted(header - {''})) or 'none'}")
            for row in rows:
                when = float(row[by])
                x0, y0, x1, y1 = (float(row[name]) for name in sides)
                if not (math.isfinite(when) and x0 < x1 and y0 < y1):
                    raise ValueError(f"line {rows.line_num}: box {x0:g} {y0:g} {x1:g} {y1:g} at {when:g} is empty")
                known = tracks.setdefault((row.get("label") or "").strip(), {})
                if when in known:
                    raise ValueError(f"line {rows.line_num}: a second box at {by} {when:g}; give each its own label")
                known[when] = (x0, y0, x1, y1)
            if not tracks:
                raise ValueError("it has no line")
    except (OSError, UnicodeDecodeError) as error:
        raise VidcamError(f"{file}: cannot be read ({error})") from error
    except (TypeError, ValueError, csv.Error) as error:
        raise VidcamError(
            f"{file}: not a CSV of boxes over time with the columns time or frame, x0, y0, x1, y1 ({error})"
        ) from error
    return Boxes(by, {label: sorted(known.items()) for label, known in tracks.items()})


def find_masks(folder: Path) -> Masks:
    """Finds a clip's masks.

    Args:
        folder: with pictures whose names end in the frame's number, from 0 (`mask_00012.png`).

    Raises:
        VidcamError: there is none, or a number is there twice or not at all.
    """
    if not folder.is_dir():
        raise VidcamError(f"{folder}: no such folder")
    files: dict[int, Path] = {}
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() not in (".png", ".jpg", ".jpeg", ".bmp", ".webp") or file.name.startswith("."):
            continue
        number = re.search(r"\d+$", file.stem)
        if number is None:
            raise VidcamError(f"{file}: which frame is it of? A mask's name ends in the frame's number, mask_00012.png")
        if int(number[0]) in files:
            raise VidcamError(f"{file}: {files[int(number[0])].name} is of the same frame")
        files[int(number[0])] = file
    if not files:
        raise VidcamError(f"{folder}: no masks in it")
    return Masks(files)


def region_of(boxes: str | Path | None, masks: str | Path | None, start: float | None = None) -> Region | None:
    """Reads where the thing is.

    Args:
        boxes: see `read_moving_boxes`.
        masks: see `find_masks`; one of the two at most.
        start: where reading begins in seconds, None for the beginning.

    Raises:
        UsageError: both are given, or frames are numbered that cannot be counted.
        VidcamError: they cannot be read.
    """
    if boxes is not None and masks is not None:
        raise UsageError("--boxes and --masks both say where the thing is; give one of them")
    region: Region | None = None
    if boxes is not None:
        region = read_moving_boxes(Path(boxes))
    elif masks is not None:
        region = find_masks(Path(masks))
    if region is not None and region.by == "frame" and start:
        raise UsageError(
            f"{boxes or masks}: frames are numbered from the file's beginning, which --start leaves out; "
            "give times, or all of the file"
        )
    return region


@dataclass(frozen=True, slots=True)
class Shares:
    """Of each frame of a clip the share that lies in a region, 0 to 1; NaN where nobody says where the thing is.

    Attributes:
        heat: of the heat; NaN also where there is none.
        even: of the picture that the model saw, and so of evenly spread heat.
        centre: of a map of the picture's centre.
    """

    heat: Array
    even: Array
    centre: Array

    @property
    def frames(self) -> int:
        """How many frames are measured."""
        return int(np.isfinite(self.heat).sum())

    def means(self) -> tuple[float, float, float]:
        """Returns the means of the three over the frames that are measured; NaN where there is none."""
        known = np.isfinite(self.heat)
        if not known.any():
            return math.nan, math.nan, math.nan
        return float(self.heat[known].mean()), float(self.even[known].mean()), float(self.centre[known].mean())


def shares_of(track: Track, region: Region) -> Shares:
    """Measures how much of a clip's heat lies in a region: of each map's positive part, as it is computed.

    Args:
        track: the clip's maps.
        region: where the thing is.
    """
    small = smaller(track.placement, SIDE)
    grid = (track.maps.shape[1], track.maps.shape[2])
    even, centre = lay_over(np.ones(grid, np.float32), small), lay_over(centred_map(grid), small)
    found = np.full((3, len(track)), math.nan)
    for i, (index, time, raw) in enumerate(zip(track.indices.tolist(), track.times.tolist(), track.maps, strict=True)):
        inside = region.mask(index, time, track.placement.frame, small.frame)
        if inside is None:
            continue
        maps = (lay_over(raw, small) if np.isfinite(raw).all() else np.zeros_like(even), even, centre)
        sums = [(float(m[inside].sum(dtype=np.float64)), float(m.sum(dtype=np.float64))) for m in maps]
        found[:, i] = [part / whole if whole > 0 else math.nan for part, whole in sums]
    return Shares(*found)


def smaller(placement: Placement, side: int) -> Placement:
    """Returns the same placement of a smaller picture, its longer side of so many pixels at most."""
    width, height = placement.frame
    share = min(1.0, side / max(width, height))
    frame = (max(1, round(width * share)), max(1, round(height * share)))
    return moved(placement, frame)
