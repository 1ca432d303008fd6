"""The page of a batch: every clip at a glance, flagged ones first. It opens from disk and needs no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Entry:
    """A clip on the page.

    Attributes:
        source: the input's name as it is shown, a relative POSIX path.
        output: the output relative to the page's folder, POSIX; "" where there is none.
        poster: a still JPEG relative to the page's folder; "" where there is none.
        failed: the reason in one line; "" where it is done.
        frames: pictures in the output.
        seconds: how long it plays.
        size: (width, height) of the output in pixels.
        target: the target that is explained most often.
        confidence: mean probability of the explained target, 0 to 1.
        lowest: its least probability, 0 to 1.
        switches: how often the explained target changes.
        border: share of the heat in the outermost cells, 0 to 1.
        spread: share of the picture that holds most of the heat, 0 to 1.
        flicker: see `vidcam.metrics.flicker.flicker`.
        classes: the explained targets and the number of frames of each, most frequent first.
        times: seconds from the start, thinned to 60 points at most.
        curves: the leading classes' probabilities at these times, 0 to 1.
    """

    source: str
    output: str = ""
    poster: str = ""
    failed: str = ""
    frames: int = 0
    seconds: float = 0.0
    size: tuple[int, int] = (0, 0)
    target: str = ""
    confidence: float = 0.0
    lowest: float = 0.0
    switches: int = 0
    border: float = 0.0
    spread: float = 0.0
    flicker: float = 0.0
    classes: Mapping[str, int] = field(default_factory=dict)
    times: tuple[float, ...] = ()
    curves: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


def write_gallery(path: Path, entries: Sequence[Entry], title: str) -> None:
    """Writes the page; it appears only when complete and replaces an older one.

    Args:
        path: the HTML file. Outputs and posters are linked relative to its folder.
        entries: the clips, in any order.
        title: what stands above them.

    Raises:
        VidcamError: the page cannot be written.
    """
    raise NotImplementedError
