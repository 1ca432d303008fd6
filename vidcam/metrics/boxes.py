"""Whether heat lies on the thing: the pointing game and the energy inside, and the files that boxes come in."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vidcam.errors import VidcamError
from vidcam.types import Array, Box

Thing = Sequence[Box] | Array
"""Where the thing is in a picture: boxes in pixels, or a mask, bool (H, W) of the picture's size."""
BOX_COLUMNS = ("file", "xmin", "ymin", "xmax", "ymax")


def pointing(heat: Array, thing: Thing) -> float:
    """Plays the pointing game: does the hottest pixel lie on the thing? (Zhang et al., IJCV 2018; no tolerance.)

    Args:
        heat: (H, W) of the picture's size, 0 or more.
        thing: where it is, one box at least.

    Returns:
        1 or 0; where several pixels are hottest, the share of them inside; 0 without heat.
    """
    peak = float(heat.max())
    if not peak > 0:
        return 0.0
    hottest = heat == peak
    return float(hottest[_inside(heat.shape, thing)].sum() / hottest.sum())


def energy(heat: Array, thing: Thing) -> float:
    """Returns the share of the heat on the thing, 0 to 1: the energy-based pointing game (Wang et al. 2020).

    Args:
        heat: (H, W) of the picture's size, 0 or more.
        thing: where it is, one box at least.
    """
    total = float(heat.sum())
    return float(heat[_inside(heat.shape, thing)].sum()) / total if total > 0 else 0.0


def box_area(shape: tuple[int, ...], thing: Thing) -> float:
    """Returns the share of a picture that the thing is, 0 to 1: the energy of evenly spread heat.

    Args:
        shape: (H, W) of the picture.
        thing: where it is, one box at least.
    """
    return float(_inside(shape, thing).mean())


def _inside(shape: tuple[int, ...], thing: Thing) -> Array:
    """Returns which pixels are in the mask or have their centre in a box, bool (H, W)."""
    if isinstance(thing, np.ndarray):
        return thing
    y, x = np.arange(shape[0])[:, np.newaxis] + 0.5, np.arange(shape[1]) + 0.5
    inside = np.zeros(shape, bool)
    for x0, y0, x1, y1 in thing:
        inside |= (x > x0) & (x < x1) & (y > y0) & (y < y1)
    return inside


def read_boxes(file: Path) -> dict[str, list[Box]]:
    """Reads a CSV of boxes.

    Args:
        file: with the columns file, xmin, ymin, xmax, ymax in pixels, and any others; a picture may have several lines.

    Returns:
        The boxes of each picture, by the file's name as it is written there.

    Raises:
        VidcamError: the file cannot be read, or a line holds no box.
    """
    found: dict[str, list[Box]] = {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            for row in csv.DictReader(lines):
                x0, y0, x1, y1 = (float(row[name]) for name in BOX_COLUMNS[1:])
                if not (x0 < x1 and y0 < y1):
                    raise ValueError(f"box {x0:g} {y0:g} {x1:g} {y1:g} is empty")
                found.setdefault(row["file"], []).append((x0, y0, x1, y1))
    except (OSError, UnicodeDecodeError) as error:
        raise VidcamError(f"{file}: cannot be read ({error})") from error
    except (KeyError, TypeError, ValueError) as error:
        raise VidcamError(f"{file}: not a CSV of boxes with the columns {', '.join(BOX_COLUMNS)} ({error})") from error
    return found


def find_boxes(folder: Path) -> Path | None:
    """Returns the CSV of boxes in a folder, the first by name whose header has the columns, or None."""
    for file in sorted(folder.glob("*.csv")):
        try:
            with file.open(encoding="utf-8-sig", newline="") as lines:
                header = next(csv.reader(lines), [])
        except (OSError, UnicodeDecodeError):
            continue
        if set(BOX_COLUMNS) <= set(header):
            return file
    return None
