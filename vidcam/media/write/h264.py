"""The set-up of the encoder and of the file around it that every H.264 output shares: colours, clock, containers."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from vidcam.types import Array, Matrix

CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""Suffix -> FFmpeg's name of the container."""
_BT709 = 1  # FFmpeg's number for the matrix, the primaries and the transfer alike
_COLORSPACE: dict[Matrix, int] = {"bt709": _BT709, "bt601": 6}
_LIMITED = 1


def open_output(file: Path, suffix: str, options: Mapping[str, str] | None = None) -> Any:
    """Opens a file to write into, whatever its own name says.

    Args:
        file: the file.
        suffix: which container it becomes, one of `CONTAINERS`.
        options: of the container; by default its index stands first, so that a page plays it while it loads.

    Returns:
        An `av.container.OutputContainer`; the caller closes it.
    """
    if options is None:
        # Edit lists, which say when a track begins, count in milliseconds unless they are told otherwise.
        options = {} if suffix == ".mkv" else {"movflags": "+faststart", "movie_timescale": "90000"}
    return av.open(f"file:{file.absolute()}", "w", format=CONTAINERS[suffix], options=dict(options))


def add_h264(
    container: Any,
    size: tuple[int, int],
    *,
    rate: Fraction,
    tick: Fraction,
    options: Mapping[str, str],
    matrix: Matrix = "bt709",
) -> Any:
    """Adds a stream of 8-bit 4:2:0 pictures of limited range, which every player shows.

    Args:
        container: where to.
        size: (width, height) in pixels, both even.
        rate: frames a second, for the encoder's sense of bits a second; the pictures have their own times.
        tick: seconds that times are counted in.
        options: libx264's.
        matrix: what the file says of its colours.

    Returns:
        The stream.
    """
    stream = container.add_stream("libx264", rate=rate, options=dict(options))
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    context.time_base = tick
    context.color_primaries = context.color_trc = _BT709
    context.colorspace = _COLORSPACE[matrix]
    context.color_range = _LIMITED
    return stream


def even(rgb: Array) -> Array:
    """Repeats the last row or column where a side is odd: 4:2:0 needs even sides."""
    bottom, right = rgb.shape[0] % 2, rgb.shape[1] % 2
    return np.pad(rgb, ((0, bottom), (0, right), (0, 0)), mode="edge") if bottom or right else rgb
