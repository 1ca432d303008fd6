"""Where the picture's parts have moved from one frame to the next: dense optical flow, and carrying arrays along it.

Nothing here knows of maps over time; `scale` and `vidcam.metrics` use it. A *motion* is a flow on the few cells of a
map, small enough to keep: float16 (h, w, 3), how far to the right and how far down each cell's part was one frame
earlier, in shares of the width and height, and how far that holds, 0 to 1.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from vidcam.types import Array

TRUST = 50.0
"""How quickly trust in the flow falls with the squared difference of the values it brings together (of 1)."""
SIDE = 192
"""Longer side of the pictures that motion is found in, in pixels."""
BELIEVED = 0.5
"""Trust from which on a pixel's motion is taken to hold: less comes of noise and of what lies between pixels. Of a cell
it holds for the share of its pixels that were in sight."""
SEEN = 0.5
"""Share of a cell from which on its motion is that of the part that was in sight before."""
SMALLEST_SIDE = 32
"""Pixels that the shorter side of a picture keeps where it is long and thin. Below that OpenCV's DIS reads beyond the
memory of some pictures, and crashes."""
_LOCAL = threading.local()


def thumbnail(picture: Array, side: int) -> Array:
    """Makes what flow is computed from of a picture.

    Args:
        picture: uint8 (H, W, C), RGB or one grey channel.
        side: the longer side to bring it to, in pixels; smaller pictures stay as they are.

    Returns:
        Grey, uint8 (h, w).
    """
    height, width = picture.shape[:2]
    share = side / max(height, width)
    if share < 1.0:
        size = (
            max(round(width * share), min(width, SMALLEST_SIDE)),
            max(round(height * share), min(height, SMALLEST_SIDE)),
        )
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    if picture.ndim == 3 and picture.shape[2] == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return np.ascontiguousarray(picture.reshape(picture.shape[:2]))


def flow_between(before: Array, after: Array) -> Array:
    """Finds where each part of a picture was in the one before (DIS, Kroeger et al., ECCV 2016).

    Args:
        before: grey, uint8 (h, w), see `thumbnail`.
        after: the picture that followed, of the same size.

    Returns:
        float32 (h, w, 2): what is at (x, y) in `after` was at (x + flow[..., 0], y + flow[..., 1]) in `before`.
        Pictures too small for DIS are taken not to move.
    """
    if min(after.shape) < SMALLEST_SIDE:
        return np.zeros((*after.shape, 2), np.float32)
    finder: Any
    shape, finder = getattr(_LOCAL, "finder", (None, None))
    if (
        shape != after.shape
    ):  # one a thread, as it keeps buffers, and a size: small pictures change its settings for good
        finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        _LOCAL.finder = after.shape, finder
    pictures = np.ascontiguousarray(after), np.ascontiguousarray(before)
    found: Array = finder.calc(*pictures, None)
    return found


def warp(before: Array, flow: Array) -> Array:
    """Carries an array along a flow.

    Args:
        before: (h, w), float32 or uint8.
        flow: (h, w, 2), see `flow_between`.

    Returns:
        float32 (h, w), bilinear between pixels. What comes from beyond the edge is the edge's value, see `inside`.
    """
    y, x = _places(before.shape)
    found: Array = cv2.remap(
        before.astype(np.float32), x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return found


def inside(flow: Array) -> Array:
    """Returns which pixels come from within the picture before, bool (h, w)."""
    height, width = flow.shape[:2]
    y, x = _places((height, width))
    x, y = x + flow[..., 0], y + flow[..., 1]
    found: Array = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return found


def trust(before: Array, after: Array, flow: Array) -> Array:
    """Says where a flow holds: V = exp(-50 d^2), d the difference of the values (0 to 1) that it brings together.

    Args:
        before: grey, uint8 (h, w).
        after: the picture that followed.
        flow: between the two, (h, w, 2).

    Returns:
        float32 (h, w), 0 to 1; 0 where the flow comes from beyond the edge.
    """
    apart = (after.astype(np.float32) - warp(before, flow)) / np.float32(255.0)
    found: Array = np.exp(-np.float32(TRUST) * apart * apart) * inside(flow)
    return found


class Motions:
    """The motion from each picture of a clip to the next, picture after picture."""

    def __init__(self) -> None:
        self._last: Array | None = None

    def __call__(self, picture: Array) -> Motion:
        """Takes the next picture, uint8 (H, W, C), and returns the motion from the one before."""
        small = thumbnail(picture, SIDE)
        before, self._last = self._last, small
        return Motion(before if before is not None and before.shape == small.shape else None, small)


class Motion:
    """Two pictures between which something moves; the flow is found when it is first asked for.

    Args:
        before: see `thumbnail`; None where there is none, or none of the same size.
        after: the picture that followed.
    """

    def __init__(self, before: Array | None, after: Array) -> None:
        self._pictures = (before, after)
        self._field: tuple[Array, Array] | None = None
        self.shape = after.shape

    def field(self) -> tuple[Array, Array] | None:
        """Returns the flow (h, w, 2) and the trust in it (h, w), pixel by pixel; None without a picture before."""
        before, after = self._pictures
        if self._field is None and before is not None:
            flow = flow_between(before, after)
            self._field = flow, trust(before, after, flow)
        return self._field

    def on(self, shape: tuple[int, ...]) -> Array:
        """Returns the motion on a map's grid, float16 (h, w, 3); without a picture before it holds nowhere."""
        found = np.zeros((*shape, 3), np.float16)
        field = self.field()
        if field is not None:
            flow, trusted = field
            size, whole = (shape[1], shape[0]), np.array([flow.shape[1], flow.shape[0]], np.float32)
            found[..., :2] = cv2.resize(flow, size, interpolation=cv2.INTER_AREA) / whole
            holds = cv2.resize(np.minimum(1.0, trusted / BELIEVED), size, interpolation=cv2.INTER_AREA)
            # Where all of the picture pans, a cell at its edge goes on from what was in sight of it. A thing alone that
            # moves away from the edge leaves nothing to go on from.
            pan = np.broadcast_to(np.median(flow[::4, ::4].reshape(-1, 2), axis=0), flow.shape)
            seen = cv2.resize(inside(pan).astype(np.float32), size, interpolation=cv2.INTER_AREA)
            found[..., 2] = np.minimum(1.0, holds / np.maximum(seen, SEEN))
        return found


def carried(raw: Array, motion: Array) -> Array:
    """Carries a map along a motion, float32 (h, w); what comes from beyond the edge is the edge's value.

    Args:
        raw: (h, w), of the frame before.
        motion: (h', w', 3); of another grid it is resized.
    """
    shares = _on_grid(motion, raw.shape)[..., :2]
    return warp(raw, shares * np.array([raw.shape[1], raw.shape[0]], np.float32))


def held(motion: Array, shape: tuple[int, ...]) -> Array:
    """Returns how far a motion holds on a map's grid, float32 (h, w)."""
    return _on_grid(motion, shape)[..., 2]


def _on_grid(motion: Array, shape: tuple[int, ...]) -> Array:
    full = motion.astype(np.float32)
    if full.shape[:2] == shape:
        return full
    resized: Array = cv2.resize(full, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
    return resized


@lru_cache(maxsize=16)
def _places(shape: tuple[int, ...]) -> tuple[Array, Array]:
    y, x = np.indices(shape, np.float32)
    return y, x
