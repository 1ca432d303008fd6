"""Blending heat over a frame, and the views made of the two."""

from __future__ import annotations

import cv2
import numpy as np

from vidcam.errors import UsageError
from vidcam.render.colormap import colorize
from vidcam.render.heat import heat_of, peak_of
from vidcam.render.look import Look, Opacity, View
from vidcam.types import Array, Placement


def overlay(
    frame: Array,
    map: Array,
    *,
    placement: Placement | None = None,
    colormap: str = "jet",
    alpha: float = 0.4,
    opacity: Opacity = "uniform",
    peak: float | None = None,
) -> Array:
    """Blends a raw map over a frame.

    Args:
        frame: RGB uint8 (H, W, 3); not written to.
        map: raw map (h, w), signed; what is negative is cold. Without any positive value, or with one that is not
            finite, the frame stays as it is.
        placement: which part of the frame the map covers; None for all of it.
        colormap: an OpenCV name.
        alpha: 0 to 1, the share of the colours.
        opacity: `uniform` everywhere, or `heat`: in proportion to the heat, so that cold parts stay clear.
        peak: the raw value that is hottest; None for the map's own maximum.

    Returns:
        RGB uint8 (H, W, 3).

    Raises:
        UsageError: the frame or the map has another form, or an option is unknown or out of range.
    """
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise UsageError(f"a frame is RGB uint8 (height, width, 3); this one is {frame.dtype} {frame.shape}")
    if map.ndim != 2 or 0 in map.shape:
        raise UsageError(f"a map is (h, w); this one is {map.shape}")
    Look(colormap, alpha, opacity)  # checks them
    peak = peak_of(map) if peak is None else peak
    if placement is None:
        size = (frame.shape[1], frame.shape[0])
        whole = (0.0, 0.0, float(size[0]), float(size[1]))
        placement = Placement(size, size, whole, whole)
    if alpha == 0.0 or not has_evidence(map, peak):
        return frame.copy()
    return blend(frame, heat_of(map, placement, peak), placement, colormap=colormap, alpha=alpha, opacity=opacity)


def has_evidence(raw: Array, peak: float) -> bool:
    """Tells whether a map has anything to show: finite, with a positive value, against a positive peak."""
    return peak > 0.0 and peak_of(raw) > 0.0


def blend(frame: Array, heat: Array, placement: Placement, *, colormap: str, alpha: float, opacity: Opacity) -> Array:
    """Blends heat over the part of a frame that the model saw.

    Args:
        frame: RGB uint8 (H, W, 3); not written to.
        heat: uint8, as large as `placement.source`.
        placement: where it belongs.
        colormap: an OpenCV name.
        alpha: 0 to 1.
        opacity: `uniform` or `heat`.

    Returns:
        RGB uint8 (H, W, 3).
    """
    x0, y0, x1, y1 = (int(v) for v in placement.source)
    out = np.empty_like(frame) if (x0, y0, x1, y1) == (0, 0, frame.shape[1], frame.shape[0]) else frame.copy()
    seen, target = frame[y0:y1, x0:x1], out[y0:y1, x0:x1]
    colors = colorize(heat, colormap)
    if opacity == "uniform":
        mixed = cv2.addWeighted(seen, 1.0 - alpha, colors, alpha, 0.0)
    else:
        weight = heat.astype(np.float32) * np.float32(alpha / 255.0)
        mixed = cv2.blendLinear(np.ascontiguousarray(seen), colors, 1.0 - weight, weight)
    target[:] = mixed
    return out


def compose(
    frame: Array,
    raw: Array,
    placement: Placement,
    peak: float,
    *,
    view: View,
    colormap: str,
    alpha: float,
    opacity: Opacity,
) -> Array:
    """Makes one picture of a frame and its map.

    Args:
        frame: RGB uint8 (H, W, 3); not written to.
        raw: raw map (h, w).
        placement: which part of the frame the map covers.
        peak: the raw value that is hottest.
        view: `overlay` (also of `timeline`, which goes under the picture later); `heatmap`, the colours alone (what the
            model did not see is black); `side-by-side`, the frame and the overlay.
        colormap: an OpenCV name.
        alpha: 0 to 1.
        opacity: `uniform` or `heat`.

    Returns:
        RGB uint8 (H, W, 3), twice as wide for `side-by-side`.
    """
    evident = has_evidence(raw, peak)
    if view == "heatmap":
        x0, y0, x1, y1 = (int(v) for v in placement.source)
        heat = heat_of(raw, placement, peak) if evident else np.zeros((y1 - y0, x1 - x0), np.uint8)
        canvas = np.zeros_like(frame)
        canvas[y0:y1, x0:x1] = colorize(heat, colormap)
        return canvas
    if evident and alpha > 0.0:
        blended = blend(
            frame, heat_of(raw, placement, peak), placement, colormap=colormap, alpha=alpha, opacity=opacity
        )
    else:
        blended = frame.copy()
    return np.hstack([frame, blended]) if view == "side-by-side" else blended
