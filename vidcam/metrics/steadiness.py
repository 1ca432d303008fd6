"""How steady heat is with the motion taken out: the flow-warped error E of maps over a clip.

With M_t the heat that is shown, W the warp along the optical flow from frame t - 1 to frame t, and V how far that flow
holds (`vidcam.render.flow.trust`):

    E = sum over t of V |M_t - W(M_(t-1))| / sum over t of V M_t

over all pixels of the flow's grid. Heat that moves exactly with the picture scores 0, also where it is fast; what is
left is heat that changes although the picture does not: flicker of the classifier, of the scaling, and trails. Heat
that is dimmer by a factor is not steadier. Smoothing lowers E and makes heat late, so E belongs beside the lag
(`vidcam.metrics.flicker.lag`) and the insertion score.

Arrays only; no model. Which pictures and which heat are the caller's choice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import chain, repeat

import cv2
import numpy as np

from vidcam.render.flow import Motion, Motions, warp
from vidcam.types import Array


def warped_change(before: Array, after: Array, flow: Array, holds: Array) -> tuple[float, float]:
    """Compares the heat of two frames along the flow between them.

    Args:
        before: (h, w), 0 or more.
        after: the heat that followed.
        flow: (h, w, 2), see `vidcam.render.flow.flow_between`.
        holds: V, (h, w), 0 to 1.

    Returns:
        E's two sums for this pair: V |M_t - W(M_(t-1))| and V M_t.
    """
    moved = warp(before, flow)
    change = float((holds * np.abs(after - moved)).sum(dtype=np.float64))
    return change, float((holds * after).sum(dtype=np.float64))


class Steadiness:
    """E of a clip's heat, frame after frame; several kinds of heat share the flow.

    Pictures and heat cover the same thing: the model's input, or the frame.

    Args:
        kinds: how many kinds of heat each frame has.
    """

    def __init__(self, kinds: int = 1) -> None:
        self._sums = np.zeros((kinds, 2))
        self._heat: list[Array] = []

    def add(self, motion: Motion, heat: Sequence[Array], cut: bool = False) -> None:
        """Takes the next frame.

        Args:
            motion: from the frame before to this one.
            heat: of each kind (h, w), 0 or more; of any size, resized to the flow's grid (half-pixel centres). Heat
                that is not finite counts as none.
            cut: a scene begins here: nothing is compared across.
        """
        height, width = motion.shape
        laid = [cv2.resize(_clean(h), (width, height), interpolation=cv2.INTER_LINEAR) for h in heat]
        before, self._heat = self._heat, laid
        field = motion.field()
        if before and field is not None and not cut:
            self._sums += [warped_change(one, other, *field) for one, other in zip(before, laid, strict=True)]

    def errors(self) -> list[float]:
        """Returns E of each kind so far; NaN where there was no heat, or no two frames to compare."""
        return [error_of(*self.sums(kind)) for kind in range(len(self._sums))]

    def sums(self, kind: int) -> tuple[float, float]:
        """Returns E's two sums of one kind of heat, the change and the heat; those of a clip's parts add up."""
        change, heat = self._sums[kind].tolist()
        return change, heat


def error_of(change: float, heat: float) -> float:
    """Returns E of its two sums; NaN where there is no heat."""
    return change / heat if heat > 0 else math.nan


def warped_error(pictures: Iterable[Array], heat: Iterable[Array], cuts: Iterable[bool] = ()) -> float:
    """Returns E of a clip.

    Args:
        pictures: uint8 (H, W, C) each.
        heat: (h, w) each, as it is shown: the positive part, scaled to 0 to 1.
        cuts: for each frame whether a scene begins with it; none for no cuts.
    """
    steadiness, motions = Steadiness(), Motions()
    for picture, one, cut in zip(pictures, heat, chain(cuts, repeat(False)), strict=False):
        steadiness.add(motions(picture), [one], bool(cut))
    return steadiness.errors()[0]


def _clean(heat: Array) -> Array:
    shown = heat.astype(np.float32)
    return np.maximum(shown, 0.0) if np.isfinite(shown).all() else np.zeros_like(shown)
