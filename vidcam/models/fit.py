"""The one resize: a frame of any shape to a model's input, and the record of what was done.

Training, evaluation and explanation all come through here, so a model sees at work what it saw when it learned.
"""

from __future__ import annotations

import cv2
import numpy as np

from vidcam.errors import UsageError
from vidcam.types import FITS, Array, Fit, Matrix, Placement, Planes

KEEP_MULTIPLE = 32
"""Backbones halve the picture five times; at multiples of 32 their padding is the one they were trained with."""
KEEP_ASPECT = 4
"""How many times its height a picture's width may be, or the reverse, before `keep` fills it up to that with black:
networks have seen nothing longer, and what they cost grows with it."""


def place(frame: tuple[int, int], input_size: tuple[int, int], fit: Fit) -> Placement:
    """Says how a frame is fitted to a model's input.

    Args:
        frame: (width, height) of the frame in pixels.
        input_size: (width, height) of the model's input in pixels; `keep` takes the smaller as the short side.
        fit: `squash` scales both sides freely; `keep` keeps the aspect, both sides rounded to multiples of 32,
            up to 4:1, above which it is `pad` to that; `pad` keeps the aspect and fills with black; `crop` takes the
            centre.

    Returns:
        The placement.

    Raises:
        UsageError: the fit is unknown.
    """
    width, height = frame
    in_w, in_h = input_size
    whole = (0.0, 0.0, float(width), float(height))
    if fit == "squash":
        return Placement(frame, input_size, whole, (0.0, 0.0, float(in_w), float(in_h)))
    if fit == "keep":
        short = min(input_size)
        scale = short / min(frame)
        bound = KEEP_ASPECT * short / scale
        kept_w, kept_h = (max(1, round(min(side, bound) * scale / KEEP_MULTIPLE)) * KEEP_MULTIPLE for side in frame)
        if is_bounded(frame, fit):
            return place(frame, (kept_w, kept_h), "pad")
        return Placement(frame, (kept_w, kept_h), whole, (0.0, 0.0, float(kept_w), float(kept_h)))
    if fit == "pad":
        scale = min(in_w / width, in_h / height)
        new_w = min(in_w, max(1, round(width * scale)))
        new_h = min(in_h, max(1, round(height * scale)))
        x, y = (in_w - new_w) // 2, (in_h - new_h) // 2
        return Placement(frame, input_size, whole, (float(x), float(y), float(x + new_w), float(y + new_h)))
    if fit == "crop":
        scale = max(in_w / width, in_h / height)
        seen_w = min(width, max(1, round(in_w / scale)))
        seen_h = min(height, max(1, round(in_h / scale)))
        x, y = (width - seen_w) // 2, (height - seen_h) // 2
        seen = (float(x), float(y), float(x + seen_w), float(y + seen_h))
        return Placement(frame, input_size, seen, (0.0, 0.0, float(in_w), float(in_h)))
    raise UsageError(f"fit {fit!r} is unknown; choose one of {', '.join(FITS)}")


def is_bounded(frame: tuple[int, int], fit: Fit) -> bool:
    """Tells whether a (width, height) is too long for `keep`, so that it is padded instead."""
    return fit == "keep" and max(frame) > KEEP_ASPECT * min(frame)


def fit_frame(
    rgb: Array, input_size: tuple[int, int], fit: Fit = "squash", channels: int = 3
) -> tuple[Array, Placement]:
    """Fits a picture to a model's input.

    Shrinks by area averaging, which does not alias, and enlarges bilinearly, each side by itself.

    Args:
        rgb: uint8 (H, W, 3), RGB.
        input_size: (width, height) of the model's input in pixels.
        fit: see `place`.
        channels: 3 for RGB, 1 for grey (BT.601 luma).

    Returns:
        uint8 (h, w, channels) and the placement.
    """
    placement = place((rgb.shape[1], rgb.shape[0]), input_size, fit)
    return fit_rgb(rgb, placement, channels), placement


def fit_rgb(rgb: Array, placement: Placement, channels: int = 3) -> Array:
    """Fits a picture to a model's input as a placement says; see `fit_frame`."""
    x0, y0, x1, y1 = (int(v) for v in placement.source)
    a0, b0, a1, b1 = (int(v) for v in placement.target)
    picture = rgb[y0:y1, x0:x1]
    if channels == 1:
        picture = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)
    size = (a1 - a0, b1 - b0)
    if size != (x1 - x0, y1 - y0):
        picture = _resized(picture, size)
    return _laid(picture.reshape(size[1], size[0], channels), placement)


def shrinks_planes(placement: Placement) -> bool:
    """Tells whether a frame can be fitted from its planes: their colour, half as large, is not enlarged either."""
    x0, y0, x1, y1 = placement.source
    a0, b0, a1, b1 = placement.target
    return 2 * (a1 - a0) <= x1 - x0 and 2 * (b1 - b0) <= y1 - y0 and not any(v % 2 for v in placement.source)


def fit_planes(planes: Planes, placement: Placement, channels: int = 3) -> Array:
    """Fits a picture as video stores it to a model's input: shrinks first and finds RGB then, which is far less work.

    Args:
        planes: the picture.
        placement: how it is fitted; one that `shrinks_planes`.
        channels: 3 for RGB, 1 for grey.

    Returns:
        uint8 (h, w, channels): what `fit_frame` makes of the picture in RGB, but for rounding and the place of colour
        between the pixels, 1 level on average.
    """
    x0, y0, x1, y1 = (int(v) for v in placement.source)
    a0, b0, a1, b1 = (int(v) for v in placement.target)
    size = (a1 - a0, b1 - b0)
    small = [cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in planes.part(x0, y0, x1, y1).all]
    picture = cv2.transform(cv2.merge(small), _TO_RGB[planes.matrix])
    if channels == 1:
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return _laid(picture.reshape(size[1], size[0], channels), placement)


def _to_rgb(red: float, blue: float) -> Array:
    """Returns what turns limited-range Y, U, V, 1 into R, G, B, float64 (3, 4).

    Args:
        red: what red counts in luma, as the matrix has it.
        blue: what blue counts.
    """
    green = 1 - red - blue
    luma, chroma = 255 / 219, 255 / 224
    v, u = 2 * (1 - red) * chroma, 2 * (1 - blue) * chroma
    linear = np.array([[luma, 0, v], [luma, -u * blue / green, -v * red / green], [luma, u, 0]])
    return np.column_stack([linear, -linear @ (16, 128, 128)])


_TO_RGB: dict[Matrix, Array] = {"bt601": _to_rgb(0.299, 0.114), "bt709": _to_rgb(0.2126, 0.0722)}


def _laid(picture: Array, placement: Placement) -> Array:
    """Returns a picture in the model's input, black around it."""
    height, width, channels = picture.shape
    if (width, height) == placement.input:
        return np.ascontiguousarray(picture)
    a0, b0 = int(placement.target[0]), int(placement.target[1])
    canvas = np.zeros((placement.input[1], placement.input[0], channels), np.uint8)
    canvas[b0 : b0 + height, a0 : a0 + width] = picture
    return canvas


def _resized(picture: Array, size: tuple[int, int]) -> Array:
    """Returns a picture at (width, height); OpenCV averages only where no side is enlarged in the same call."""
    width, height = picture.shape[1], picture.shape[0]
    smaller = min(size[0], width), min(size[1], height)
    if smaller != (width, height):
        picture = cv2.resize(picture, smaller, interpolation=cv2.INTER_AREA)
    if smaller != size:
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
    return picture
