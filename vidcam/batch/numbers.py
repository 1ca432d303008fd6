"""A clip in numbers: what the model saw in it, how sure it was, and where its heat lay."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vidcam.cam import target_name
from vidcam.metrics.extent import border_share, spread
from vidcam.metrics.flicker import flicker, switches
from vidcam.metrics.regions import Shares
from vidcam.pipeline import Result
from vidcam.types import Array, Track

LEADING = 4
"""Classes whose probability over time is kept."""
POINTS = 60
"""Of such a curve, at most."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """A clip in numbers, plain JSON; see `vidcam.report.gallery.ClipCard` for those that are not said here.

    Attributes:
        explained: frames that were explained; the output may show fewer.
        border: see `vidcam.metrics.extent.border_share`.
        spread: see `vidcam.metrics.extent.spread`.
        flicker: `vidcam.metrics.flicker.flicker` of the maps' positive part as it is computed, before the scaling and
            smoothing over time that the output shows.
        steadiness: E, see `vidcam.metrics.steadiness`, of the heat that the output shows; None where it is not known.
        neither: the label of the class that stands for none of the others; "" where there is no such.
        heat_inside: of the heat, the share where the thing is, see `vidcam.metrics.regions`; the mean over the frames
            of which somebody says so, None where there is none.
        box_share: the same of the picture.
        centre_inside: the same of a map of the picture's centre.
    """

    explained: int
    seconds: float
    target: str
    confidence: float
    lowest: float
    switches: int
    border: float
    spread: float
    flicker: float
    steadiness: float | None
    classes: dict[str, int]
    times: tuple[float, ...]
    curves: dict[str, tuple[float, ...]]
    neither: str
    heat_inside: float | None
    box_share: float | None
    centre_inside: float | None


def numbers_of(track: Track, steadiness: float = math.nan, shares: Shares | None = None) -> Numbers:
    """Measures a clip.

    Args:
        track: its maps and predictions, of one frame at least.
        steadiness: E of its output, NaN where it is not known.
        shares: how much of its heat lies where the thing is, where somebody says so.

    Returns:
        The numbers. Where probabilities are not finite, neither are those made of them.
    """
    explained = np.array([row[list(t)].sum() for row, t in zip(track.probabilities, track.targets, strict=True)])
    names = [target_name(t, track.labels) for t in track.targets]
    order = sorted(set(names), key=lambda n: (-names.count(n), names.index(n)))
    heat = np.maximum(np.nan_to_num(track.maps, nan=0.0, posinf=0.0, neginf=0.0), 0.0)
    inside = [None] * 3 if shares is None or not shares.frames else shares.means()
    kept = np.unique(np.linspace(0, len(track) - 1, POINTS).round().astype(int))
    return Numbers(
        explained=len(track),
        seconds=_length(track.times),
        target=order[0],
        confidence=float(explained.mean()),
        lowest=float(explained.min()),
        switches=switches(track.targets, track.cuts),
        border=border_share(heat, track.placement),
        spread=spread(heat, track.placement),
        flicker=flicker(heat, track.cuts),
        steadiness=steadiness if math.isfinite(steadiness) else None,
        classes={name: names.count(name) for name in order},
        times=tuple(round(float(t), 3) for t in track.times[kept]),
        curves={
            track.labels[c]: tuple(round(float(p), 4) for p in track.probabilities[kept, c]) for c in _leading(track)
        },
        neither=track.meta.get("neither", ""),
        heat_inside=inside[0],
        box_share=inside[1],
        centre_inside=inside[2],
    )


def numbers_in(result: Result) -> dict[str, Any]:
    """Measures what a run has made.

    Args:
        result: with its tracks.

    Returns:
        `Numbers` as plain JSON, of several models those of the first. Then there are besides `models`, each one's with
        its `name`, and of the comparison `disagreement`, the share of frames in which any two disagree, None where
        nothing can be compared, and of the two that are the least alike `agreement`, None where they know different
        classes, `correlation`, None where nothing shows the heat of both, and `apart`, the share of frames whose
        hottest points are (`vidcam.metrics.agreement`).
    """
    steadinesses = result.steadinesses or (math.nan,) * len(result.tracks)
    shares = result.model_shares or (None,) * len(result.tracks)
    each = [asdict(numbers_of(*own)) for own in zip(result.tracks, steadinesses, shares, strict=True)]
    found, comparison = each[0], result.comparison
    if comparison is None:
        return found
    named = [{"name": name, **own} for name, own in zip(comparison.names, each, strict=True)]
    pairs = comparison.pairs
    known = {
        "agreement": [1 - p.agreement for p in pairs],
        "correlation": [-p.mean_correlation for p in pairs],
        "apart": [p.far_share for p in pairs],
    }
    worst = {name: max((v for v in values if math.isfinite(v)), default=None) for name, values in known.items()}
    agreement, correlation = worst["agreement"], worst["correlation"]
    return {
        **found,
        "models": named,
        "disagreement": comparison.disagreement if math.isfinite(comparison.disagreement) else None,
        "agreement": None if agreement is None else 1 - agreement,
        "correlation": None if correlation is None else -correlation,
        "apart": worst["apart"],
    }


def _leading(track: Track) -> list[int]:
    """Returns the classes with the greatest mean probability, of several with one label the first."""
    order = np.argsort(-track.probabilities.mean(axis=0), kind="stable")
    found: dict[str, int] = {}
    for c in order[: 4 * LEADING]:
        found.setdefault(track.labels[c], int(c))
    return list(found.values())[:LEADING]


def _length(times: Array) -> float:
    """Returns how long frames at these times last together, in seconds; the last as long as the one before it."""
    if len(times) < 2:
        return 0.0
    return float(times[-1] - times[0] + times[-1] - times[-2])
