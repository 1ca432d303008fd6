"""The page of a batch: every clip at a glance, flagged ones first. It opens from disk and needs no network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from vidcam._files import written
from vidcam.media.info import STILL_SUFFIXES, VIDEO_SUFFIXES
from vidcam.metrics.extent import EVEN
from vidcam.report.html import link, write_page

LOW = 0.3
"""Mean probability of the explained target below which a clip is flagged."""
LOW_OF_TWO = 0.7
"""The same where the network knows two classes, of which one always has at least half."""
MUCH = 0.25
"""Share of the frames in which models disagree from which on a clip is flagged."""
FEW_SWITCHES = 3
STEADY_SECONDS = 2.0
"""A clip is flagged for more switches than these, and than one in so many seconds."""

FLAGS = (
    (
        "confidence",
        "Low confidence",
        f"the explained class has less than {100 * LOW:.0f} % on average, or less than {100 * LOW_OF_TWO:.0f} % "
        "where the network knows two classes.",
    ),
    (
        "switches",
        "Many switches",
        f"the explained class changes more than {FEW_SWITCHES} times, and more than once in {STEADY_SECONDS:g} "
        "seconds.",
    ),
    (
        "border",
        "Heat at the border",
        f"the outer tenth of the picture holds more than {100 * EVEN:.0f} % of the heat, as much as it would if heat "
        "were spread evenly: the network may look at the background, a watermark or a frame.",
    ),
    (
        "beside",
        "Heat beside the thing",
        "less of the heat lies where the boxes or masks say that the thing is than if it were spread evenly.",
    ),
    (
        "disagreement",
        "Models disagree",
        f"in more than {100 * MUCH:.0f} % of the frames two models give other classes, or their hottest points are "
        "more than a fifth of the picture apart.",
    ),
)
"""What a clip can be flagged for: name, title, rule."""


@dataclass(frozen=True, slots=True)
class ClipCard:
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
        border: see `vidcam.metrics.extent.border_share`.
        spread: see `vidcam.metrics.extent.spread`.
        flicker: see `vidcam.metrics.flicker.flicker`.
        classes: the explained targets and the number of frames of each, most frequent first.
        times: seconds from the start, thinned to 60 points at most.
        curves: the leading classes' probabilities at these times, 0 to 1.
        steadiness: E of the heat that is shown, see `vidcam.metrics.steadiness`; None where it is not known.
        page: the page of the clip, as `output`; "" where there is none.
        neither: the label of the class that stands for none of the others, which is grey; "" where there is no such.
        heat_inside: of the heat, the mean share where the thing is, 0 to 1; None where nobody says where it is.
        box_share: the same of the picture, and so of evenly spread heat.
        centre_inside: the same of a map of the picture's centre.
        models: of several models a card each, its source the model's name; what is not said of the comparison here is
            the first one's, and the curves are those of all, called `MODEL: CLASS`.
        disagreement: the share of frames in which any two models disagree, in what they say or in where they look
            (`vidcam.metrics.agreement`), 0 to 1; None where there is one model, or nothing to compare.
        agreement: the share in which they say the same, of the two that do so least; None where classes differ.
        correlation: the mean rank correlation of the maps, of the two that are least alike; None without heat.
        apart: the share of frames whose hottest points are more than a fifth of the picture apart, of the two with the
            most; None without heat.
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
    steadiness: float | None = None
    page: str = ""
    neither: str = ""
    heat_inside: float | None = None
    box_share: float | None = None
    centre_inside: float | None = None
    models: tuple[ClipCard, ...] = ()
    disagreement: float | None = None
    agreement: float | None = None
    correlation: float | None = None
    apart: float | None = None


def flags(entry: ClipCard) -> list[tuple[str, str]]:
    """Says why somebody should look at a clip.

    Args:
        entry: a clip that is done.

    Returns:
        The kind (the first of `FLAGS`) and the reason in a few words, for each.
    """
    if entry.models:
        found = [(kind, f"{own.source}: {said}") for own in entry.models for kind, said in flags(own)]
        if entry.disagreement is not None and entry.disagreement > MUCH:
            found.insert(0, ("disagreement", f"models disagree in {_percent(entry.disagreement)} of the frames"))
        return found
    found = []
    if entry.confidence < (LOW_OF_TWO if _two_classes(entry) else LOW):
        found.append(("confidence", f"unsure: {_percent(entry.confidence)} on average"))
    if entry.switches > max(FEW_SWITCHES, entry.seconds / STEADY_SECONDS):
        found.append(("switches", f"{entry.switches} switches in {entry.seconds:.1f} s"))
    if entry.border > EVEN:
        found.append(("border", f"{_percent(entry.border)} of the heat at the border"))
    if entry.heat_inside is not None and entry.box_share is not None and entry.heat_inside < entry.box_share:
        found.append(
            (
                "beside",
                f"{_percent(entry.heat_inside)} of the heat on the thing, {_percent(entry.box_share)} of the picture",
            )
        )
    return found


def write_gallery(path: Path, entries: Sequence[ClipCard], title: str) -> None:
    """Writes the page; it appears only when complete and replaces an older one.

    Args:
        path: the HTML file. Outputs and posters are linked relative to its folder.
        entries: the clips, in any order.
        title: what stands above them.

    Raises:
        VidcamError: the page cannot be written.
    """
    unknown = {
        "beside": all(entry.heat_inside is None for entry in entries),
        "disagreement": all(entry.disagreement is None for entry in entries),
    }
    kinds = [kind for kind in FLAGS if not unknown.get(kind[0])]
    data = {
        "clips": [_record(entry) for entry in entries],
        "kinds": [{"name": name, "title": said, "rule": rule} for name, said, rule in kinds],
    }
    with written(path) as temporary:
        write_page(temporary, "gallery", title, data)


def _record(entry: ClipCard) -> dict[str, Any]:
    """Returns an entry as the page's script takes it: links as URLs, probabilities of curves in thousandths."""
    if entry.failed:
        return {"source": entry.source, "failed": entry.failed}
    return {
        "source": entry.source,
        "failed": "",
        "output": link(entry.output),
        "poster": link(entry.poster),
        "page": link(entry.page),
        "kind": _kind(entry.output),
        "frames": entry.frames,
        "seconds": round(entry.seconds, 3),
        "size": entry.size,
        "target": entry.target,
        "confidence": round(entry.confidence, 4),
        "lowest": round(entry.lowest, 4),
        "switches": entry.switches,
        "border": round(entry.border, 4),
        "spread": round(entry.spread, 4),
        "flicker": round(entry.flicker, 4),
        "steadiness": _rounded(entry.steadiness),
        "neither": entry.neither,
        "inside": [_rounded(share) for share in (entry.heat_inside, entry.box_share, entry.centre_inside)],
        # Pairs, as a script's objects put names that look like numbers first.
        "classes": list(entry.classes.items()),
        "times": [round(t, 2) for t in entry.times],
        "curves": [[name, [_thousandths(p) for p in curve]] for name, curve in entry.curves.items()],
        "flags": flags(entry),
        "models": [[own.source, own.target, round(own.confidence, 4), list(own.classes)] for own in entry.models],
        "compared": [_rounded(n) for n in (entry.disagreement, entry.agreement, entry.correlation, entry.apart)],
    }


def _kind(output: str) -> str:
    """Tells how the browser shows an output: as a `video`, as an `animation` in an image, as a `still`."""
    suffix = PurePosixPath(output).suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        return "video"
    return "still" if suffix in STILL_SUFFIXES else "animation"


def _two_classes(entry: ClipCard) -> bool:
    """Tells whether the network knows two classes only: their probabilities make 1 at any time."""
    return len(entry.curves) == 2 and all(
        abs(sum(pair) - 1) < 0.01 for pair in zip(*entry.curves.values(), strict=True)
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _thousandths(probability: float) -> int | None:
    return round(1000 * probability) if math.isfinite(probability) else None


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
