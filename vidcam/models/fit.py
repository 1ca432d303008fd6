"""The one resize: a frame of any shape to a model's input, and the record of what was done.

Training, evaluation and explanation all come through here, so a model sees at work what it saw when it learned.
"""

from __future__ import annotations

import cv2
import numpy as np

from vidcam.errors import UsageError
from vidcam.types import FITS, Array, Fit, Placement

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
    x0, y0, x1, y1 = (int(v) for v in placement.source)
    a0, b0, a1, b1 = (int(v) for v in placement.target)
    picture = rgb[y0:y1, x0:x1]
    if channels == 1:
        picture = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)
    size = (a1 - a0, b1 - b0)
    if size != (x1 - x0, y1 - y0):
        picture = _resized(picture, size)
    picture = picture.reshape(size[1], size[0], channels)
    if size == placement.input:
        return np.ascontiguousarray(picture), placement
    canvas = np.zeros((placement.input[1], placement.input[0], channels), np.uint8)
    canvas[b0:b1, a0:a1] = picture
    return canvas, placement


def _resized(picture: Array, size: tuple[int, int]) -> Array:
    """Returns a picture at (width, height); OpenCV averages only where no side is enlarged in the same call."""
    width, height = picture.shape[1], picture.shape[0]
    smaller = min(size[0], width), min(size[1], height)
    if smaller != (width, height):
        picture = cv2.resize(picture, smaller, interpolation=cv2.INTER_AREA)
    if smaller != size:
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
    return picture
