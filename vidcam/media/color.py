"""Between a decoder's or encoder's pixel formats and RGB: matrix, range, HDR, scaling. All of it is swscale's work.

swscale takes the matrix and range it is told, and rounds well only when asked to: ITU-R BT.601 and BT.709 are told
apart here, and every conversion asks for accurate rounding and full chroma interpolation.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorTrc, Interpolation, VideoReformatter

from vidcam.types import Array, Matrix, Planes

BT709, BT601, BT2020 = 1, 5, 9  # swscale's numbers for matrices
_NAMES: dict[int, Matrix] = {BT709: "bt709", BT601: "bt601"}
MATRICES: dict[Matrix, int] = {name: number for number, name in _NAMES.items()}
LIMITED, FULL = 1, 2  # FFmpeg's numbers for ranges
_MATRIX = {1: BT709, 4: 4, 5: BT601, 6: BT601, 7: 7, 9: BT2020, 10: BT2020}  # FFmpeg's number -> swscale's
_TRANSFER_HDR = {16: "PQ", 18: "HLG"}
# HDR: diffuse white (203 cd/m2, ITU-R BT.2408) becomes white, what is brighter or more saturated is cut off.
_TO_SDR = {"dst_color_trc": ColorTrc.BT709, "dst_color_primaries": ColorPrimaries.BT709}
_EXACT = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


@dataclass(frozen=True)
class Color:
    """How a video's numbers mean colours.

    Attributes:
        matrix: swscale's number of the YCbCr matrix.
        range: LIMITED (luma 16..235) or FULL (0..255).
        hdr: "PQ" or "HLG" (ITU-R BT.2100), empty for SDR.
    """

    matrix: int
    range: int
    hdr: str = ""

    @classmethod
    def of(cls, frame: Any) -> Color:
        """Reads a frame's tags; where they are silent, the size decides as players do: BT.709 from HD on."""
        matrix = _MATRIX.get(frame.colorspace)
        if matrix is None:
            matrix = BT709 if frame.width >= 1280 or frame.height > 576 else BT601
        name = frame.format.name
        full = frame.color_range == FULL or name.startswith("yuvj")
        if frame.color_range == 0 and (name.startswith("gray") or frame.format.is_rgb):
            full = True
        # swscale refuses primaries with a reserved number; such a frame is shown as if it were SDR.
        hdr = "" if frame.color_primaries in (0, 3) else _TRANSFER_HDR.get(frame.color_trc, "")
        return cls(matrix, FULL if full else LIMITED, hdr)


class _Pool:
    """Reformatters to borrow. They are never given up: PyAV 18 leaks a little with every one (PyAV issue 2320)."""

    def __init__(self) -> None:
        self._idle: defaultdict[str, deque[VideoReformatter]] = defaultdict(deque)

    def reformat(self, purpose: str, frame: Any, **how: Any) -> Any:
        # deque.pop and append are atomic: two threads never hold the same one.
        try:
            reformatter = self._idle[purpose].pop()
        except IndexError:
            reformatter = VideoReformatter()
        try:
            return reformatter.reformat(frame, threads=1, **how)
        finally:
            self._idle[purpose].append(reformatter)


_POOL = _Pool()


def to_rgb(frame: Any, color: Color, size: tuple[int, int], background: tuple[int, int, int]) -> Array:
    """Converts a decoded frame.

    Args:
        frame: an `av.VideoFrame`.
        color: how its numbers mean colours.
        size: (width, height) to scale to.
        background: RGB 0..255, shown through transparent pixels.

    Returns:
        RGB uint8 (height, width, 3).
    """
    alpha = any(c.is_alpha for c in frame.format.components) or frame.format.has_palette
    shrinks = size[0] * size[1] < frame.width * frame.height
    same = size == (frame.width, frame.height)
    scaler = Interpolation.BILINEAR if same else Interpolation.AREA if shrinks else Interpolation.BICUBIC
    picture: Array = _POOL.reformat(
        "decode",
        frame,
        width=size[0],
        height=size[1],
        format="rgba" if alpha else "rgb24",
        src_colorspace=color.matrix,
        dst_colorspace=color.matrix,
        src_color_range=color.range,
        dst_color_range=FULL,
        interpolation=scaler | _EXACT,
        **(_TO_SDR if color.hdr else {}),
    ).to_ndarray()
    if alpha:
        opacity = picture[..., 3:].astype(np.uint16)
        ground = np.array(background, np.uint16)
        blended: Array = ((picture[..., :3] * opacity + ground * (255 - opacity) + 127) // 255).astype(np.uint8)
        return blended
    return picture


def planes_of(frame: Any, color: Color) -> Planes | None:
    """Returns a decoded frame's own memory as planes; None where it stores pictures in another way.

    Args:
        frame: an `av.VideoFrame`; the planes share its memory and must not be written to.
        color: how its numbers mean colours.
    """
    if frame.format.name != "yuv420p" or color.range != LIMITED or color.hdr or color.matrix not in _NAMES:
        return None
    if frame.width % 2 or frame.height % 2:
        return None
    y, u, v = _views(frame)
    return Planes(y, u, v, _NAMES[color.matrix])


def from_planes(planes: Planes) -> Any:
    """Returns a copy of planes as an `av.VideoFrame`."""
    height, width = planes.y.shape
    frame = av.VideoFrame(width, height, "yuv420p")
    for target, source in zip(_views(frame), planes.all, strict=True):
        target[:] = source
    return frame


def planes_to_rgb(planes: Planes) -> Array:
    """Converts planes to RGB uint8 (H, W, 3)."""
    size = (planes.y.shape[1], planes.y.shape[0])
    return to_rgb(from_planes(planes), Color(MATRICES[planes.matrix], LIMITED), size, (0, 0, 0))


def _views(frame: Any) -> list[Array]:
    """Returns the planes of a yuv420p frame without the bytes at the lines' ends."""
    return [np.frombuffer(p, np.uint8).reshape(-1, p.line_size)[: p.height, : p.width] for p in frame.planes]


def to_yuv420p(rgb: Array, matrix: Matrix = "bt709") -> Any:
    """Converts a picture for the encoder.

    Args:
        rgb: uint8 (H, W, 3), both sides even.
        matrix: what the file says of its colours.

    Returns:
        An `av.VideoFrame`: yuv420p, limited range.
    """
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    return _POOL.reformat(
        "encode",
        frame,
        format="yuv420p",
        src_colorspace=MATRICES[matrix],
        dst_colorspace=MATRICES[matrix],
        src_color_range=FULL,
        dst_color_range=LIMITED,
        interpolation=Interpolation.BILINEAR | _EXACT,
    )
