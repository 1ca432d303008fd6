"""Blending on the planes that video stores (Y, U, V), without a way through RGB.

Conversion and blending are linear, so both ways give the same picture, but for rounding and for colours that RGB cuts
off. What is drawn in RGB (captions, the colour bar) is drawn on a small part of the picture, converted for it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np

from vidcam.render.blend import has_evidence
from vidcam.render.colormap import colormap_table
from vidcam.render.heat import heat_of
from vidcam.render.look import Opacity
from vidcam.types import Array, Matrix, Placement, Planes

Picture = Array | Planes
_WEIGHTS: dict[Matrix, tuple[float, float]] = {"bt709": (0.2126, 0.0722), "bt601": (0.299, 0.114)}
"""The luma's shares of red and of blue, Kr and Kb (ITU-R BT.709 and BT.601)."""
_STEP = 4
"""Every so many-th sample of U and V, both ways, is looked at for colours that RGB does not have."""
_SHARE = 0.001
"""Of the pixels, how many may be off by more than two levels for such colours before they are cut off here, too."""
_BAND = 2**15
"""Pixels that are corrected at once: floats of a whole picture would not stay in the processor's cache."""
_SMOOTH = 24
"""Pixels for each cell of a map from which on the mean of four colours is the colour of their mean heat."""


def suits_planes(placement: Placement) -> bool:
    """Tells whether the part of a frame that the model saw begins and ends between two samples of U and V."""
    return not any(int(v) % 2 for v in placement.source)


def compose_planes(
    frame: Planes,
    raw: Array,
    placement: Placement,
    peak: float,
    *,
    colormap: str,
    alpha: float,
    opacity: Opacity,
) -> Planes:
    """Makes the overlay of a frame and its map, as `vidcam.render.compose` does in RGB.

    Args:
        frame: the picture; not written to.
        raw: raw map (h, w).
        placement: which part of the frame the map covers; one that `suits_planes`.
        peak: the raw value that is hottest.
        colormap: an OpenCV name.
        alpha: 0 to 1.
        opacity: `uniform` or `heat`.

    Returns:
        A new picture.
    """
    height, width = frame.y.shape
    evident = alpha > 0.0 and has_evidence(raw, peak)
    x0, y0, x1, y1 = (int(v) for v in placement.source)
    out = Planes.empty((width, height), frame.matrix)
    if not evident or (x0, y0, x1, y1) != (0, 0, width, height):
        for whole, source in zip(out.all, frame.all, strict=True):
            whole[:] = source
    if evident:
        heat = heat_of(raw, placement, peak)
        seen = frame.part(x0, y0, x1, y1)
        if alpha < 1.0:
            seen = in_gamut(seen, alpha if opacity == "uniform" else 0.0)
        smooth = min(heat.shape[0] // raw.shape[0], heat.shape[1] // raw.shape[1]) >= _SMOOTH
        levels, tables = _levels(heat, smooth), _tables(colormap, frame.matrix)
        for source, target, level, table in zip(seen.all, out.part(x0, y0, x1, y1).all, levels, tables, strict=True):
            colors = cv2.LUT(level, table)
            if colors.shape != source.shape:
                colors = _halved(colors)
                level = _halved(level)  # noqa: PLW2901
            if opacity == "uniform":
                cv2.addWeighted(source, 1.0 - alpha, colors, alpha, 0.0, dst=target)
            else:
                weight = level.astype(np.float32) * np.float32(alpha / 255.0)
                cv2.blendLinear(np.ascontiguousarray(source), colors, 1.0 - weight, weight, dst=target)
    return out


def shrunk_to_rgb(frame: Planes, size: tuple[int, int]) -> Array:
    """Brings a picture to a smaller size and finds RGB then, which is far less work than the other way round.

    Args:
        frame: the picture.
        size: (width, height) in pixels, no larger than the picture's and in its proportions.

    Returns:
        RGB uint8 (height, width, 3); but for rounding, what the picture in RGB gives when it is averaged over areas.
    """
    # U and V may have to be enlarged, and averaging over areas would repeat their samples then.
    ways = [cv2.INTER_AREA if size[0] <= p.shape[1] and size[1] <= p.shape[0] else cv2.INTER_LINEAR for p in frame.all]
    small = [cv2.resize(p, size, interpolation=way) for p, way in zip(frame.all, ways, strict=True)]
    return cv2.transform(cv2.merge(small), _to_rgb(frame.matrix))


def in_gamut(frame: Planes, alpha: float) -> Planes:
    """Cuts off what RGB has no numbers for, where it is so much that a blended picture would show it.

    Video stores whites above white and colours that no screen has; a conversion to RGB cuts them off.

    Args:
        frame: the picture; not written to.
        alpha: 0 to 1 exclusive, the least share of the colours that will be laid over it.

    Returns:
        The picture, or a corrected copy.
    """
    sparse = slice(None, None, _STEP), slice(None, None, _STEP)
    few = (frame.y[:: 2 * _STEP, :: 2 * _STEP], frame.u[sparse], frame.v[sparse])
    most = np.abs(_excess(few, frame.matrix)) > 2.0 / (1.0 - alpha)
    off = most[..., 0] | most[..., 1] | most[..., 2]
    if np.count_nonzero(off) <= _SHARE * off.size:
        return frame
    height, width = frame.y.shape
    out = Planes.empty((width, height), frame.matrix)
    rows = max(2, _BAND // width * 2)
    for top in range(0, height, rows):
        bottom = min(height, top + rows)
        _cut(frame.part(0, top, width, bottom), out.part(0, top, width, bottom))
    return out


def _cut(frame: Planes, out: Planes) -> None:
    """Writes a picture without the colours that RGB does not have into another."""
    excess = _excess((_halved(frame.y), frame.u, frame.v), frame.matrix)
    wide = cv2.resize(excess[..., 0], frame.y.shape[::-1], interpolation=cv2.INTER_NEAREST)
    for source, over, target in zip(frame.all, (wide, excess[..., 1], excess[..., 2]), out.all, strict=True):
        cv2.subtract(source, over, dst=target, dtype=cv2.CV_8U)


def shape_of(picture: Picture) -> tuple[int, int]:
    """Returns a picture's (height, width) in pixels."""
    height, width = (picture.y if isinstance(picture, Planes) else picture).shape[:2]
    return height, width


def paint(picture: Picture, box: tuple[int, int, int, int], draw: Callable[[Array], None]) -> None:
    """Draws in RGB on a part of a picture.

    Args:
        picture: RGB uint8 (H, W, 3), or planes; written to.
        box: x0, y0, x1, y1 in pixels, inside the picture.
        draw: takes the part as RGB uint8 (h, w, 3) and writes to it.
    """
    x0, y0, x1, y1 = box
    if not isinstance(picture, Planes):
        draw(picture[y0:y1, x0:x1])
        return
    left, top = x0 % 2, y0 % 2
    part = picture.part(x0 - left, y0 - top, x1 + x1 % 2, y1 + y1 % 2)
    size = (part.y.shape[1], part.y.shape[0])
    wide = [cv2.resize(p, size, interpolation=cv2.INTER_NEAREST) for p in (part.u, part.v)]
    rgb = cv2.transform(cv2.merge([part.y, *wide]), _to_rgb(part.matrix))
    draw(rgb[top : top + y1 - y0, left : left + x1 - x0])
    yuv = cv2.split(cv2.transform(rgb, _from_rgb(part.matrix)))
    part.y[:] = yuv[0]
    part.u[:], part.v[:] = _halved(yuv[1]), _halved(yuv[2])


def _levels(heat: Array, smooth: bool) -> tuple[Array, Array, Array]:
    """Returns the heat that colours Y, U and V: at half the size for the latter two, where that changes no colour."""
    small = _halved(heat) if smooth else heat
    return heat, small, small


def _halved(plane: Array) -> Array:
    half: Array = cv2.resize(plane, (plane.shape[1] // 2, plane.shape[0] // 2), interpolation=cv2.INTER_AREA)
    return half


def _excess(planes: tuple[Array, Array, Array], matrix: Matrix) -> Array:
    """Returns by how much Y, U and V of one size are beyond what RGB can say, float32 (h, w, 3)."""
    samples = cv2.merge([np.ascontiguousarray(p, np.float32) for p in planes])
    rgb = cv2.transform(samples, _to_rgb(matrix))
    excess: Array = cv2.transform(rgb - np.clip(rgb, 0.0, 255.0), _from_rgb(matrix)[:, :3])
    return excess


@lru_cache(maxsize=2)
def _from_rgb(matrix: Matrix) -> Array:
    """Returns the (3, 4) matrix from (R, G, B, 1), 0..255, to limited-range (Y, U, V)."""
    kr, kb = _WEIGHTS[matrix]
    luma = np.array([kr, 1.0 - kr - kb, kb])
    red, blue = np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])
    rows = np.stack([219.0 * luma, 112.0 * (blue - luma) / (1.0 - kb), 112.0 * (red - luma) / (1.0 - kr)])
    return np.hstack([rows / 255.0, [[16.0], [128.0], [128.0]]])


@lru_cache(maxsize=2)
def _to_rgb(matrix: Matrix) -> Array:
    """Returns the (3, 4) matrix from limited-range (Y, U, V, 1) to (R, G, B), 0..255."""
    inverse = np.linalg.inv(_from_rgb(matrix)[:, :3])
    return np.hstack([inverse, -inverse @ _from_rgb(matrix)[:, 3:]])


@lru_cache(maxsize=64)
def _tables(colormap: str, matrix: Matrix) -> tuple[Array, Array, Array]:
    """Returns a colour map's Y, U and V, uint8 (256,) each."""
    colors = cv2.transform(colormap_table(colormap), _from_rgb(matrix))[:, 0]
    y, u, v = (np.ascontiguousarray(colors[:, i]) for i in range(3))
    return y, u, v
