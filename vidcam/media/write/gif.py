"""GIF: FFmpeg's encoder, and what it needs to be given for small files that do not flicker.

Each stretch of a few pictures has a palette. A pixel that still looks like what is shown already is left as it is
(transparent), so still parts keep their colours from picture to picture, whatever the palettes do. Memory does not grow
with length.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from vidcam._files import OutputFile
from vidcam.errors import VidcamError
from vidcam.media.container import abandon, writing
from vidcam.media.gifblocks import blocks
from vidcam.media.info import Info
from vidcam.media.resize import narrowed
from vidcam.media.write.pace import Pace
from vidcam.media.write.palette import Palette
from vidcam.media.write.sink import Sink
from vidcam.types import Array

_TICK = Fraction(1, 100)
_SHORTEST = 2  # browsers show a delay of 1 as one of 10
# Chosen on overlay clips by tests/benchmarks/gif.py.
_STRETCH = 4  # pictures that share a palette
_TOLERANCE = 4  # levels by which a channel may be off before a pixel is drawn anew
_GAIN = np.uint8(1)  # levels by which a new colour has to be nearer than the one shown, to be worth drawing
_TRANSPARENT = 255


class GifSink(Sink):
    """A GIF file; `open_sink` says what the arguments mean."""

    def __init__(
        self, target: OutputFile, source: Info, fps: float | Fraction | None, width: int | None, plays: int
    ) -> None:
        super().__init__(target)
        self._width = width
        self._pace = Pace(source, _TICK, _SHORTEST, fps)
        self._waiting: list[Array] = []
        self._shown: Array | None = None  # what a viewer sees after the latest image
        self._palette = Palette()
        self._written = 0
        self._stream: Any = None
        # FFmpeg counts as GIF does: repetitions after the first time, -1 for none.
        loop = {0: 0, 1: -1}.get(plays, plays - 1)
        with writing(self.path):
            self._container: Any = av.open(
                f"file:{target.temporary.absolute()}", "w", format="gif", options={"loop": str(loop)}
            )

    def write(self, rgb: Array, time: Fraction, duration: Fraction | None = None) -> None:
        if not self._pace.keep(time, duration):
            return
        picture = narrowed(rgb, self._width)
        size = (picture.shape[1], picture.shape[0])
        if self.size not in (None, size):
            raise VidcamError(f"{self.path}: a picture of {size} does not fit {self.size}")
        self.size = size
        self._waiting.append(picture)
        self.frames += 1
        if len(self._waiting) == _STRETCH:
            with writing(self.path):
                self._encode()

    def _encode(self) -> None:
        if not self._waiting:
            return
        if self._stream is None:
            width, height = self.size or (0, 0)
            # Without the flags the encoder compares no pictures of its own; that has been done here.
            self._stream = self._container.add_stream(
                "gif", rate=100, width=width, height=height, pix_fmt="pal8", options={"gifflags": "0"}
            )
            self._stream.codec_context.time_base = _TICK
        self._palette.follow(self._changed())
        colors = np.zeros((256, 4), np.uint8)  # A, R, G, B
        colors[: len(self._palette.colors)] = np.insert(self._palette.colors, 0, 255, axis=1)
        for picture, indices in zip(self._waiting, self._palette.indices(self._waiting), strict=True):
            drawn = colors[:, 1:][indices]
            if self._shown is not None:
                off = _difference(picture, self._shown)
                keep = (off <= _TOLERANCE) | (off <= _difference(picture, drawn) + _GAIN)
                indices[keep] = _TRANSPARENT
                drawn = np.where(keep[..., None], self._shown, drawn)
            self._shown = drawn
            pair: Any = (indices, colors)
            frame = av.VideoFrame.from_ndarray(pair, "pal8")
            frame.pts = self._written  # the delays are filled in at the end, when all are known
            frame.time_base = _TICK
            self._written += 1
            self._container.mux(self._stream.encode(frame))
        self._waiting.clear()

    def _changed(self) -> Array:
        """Returns the pixels that have to be drawn in this stretch, RGB uint8 (N, 3)."""
        if self._shown is None:
            return np.concatenate([p.reshape(-1, 3) for p in self._waiting])
        before = [self._shown, *self._waiting[:-1]]
        moving = [p[_difference(p, b) > _TOLERANCE] for p, b in zip(self._waiting, before, strict=True)]
        return np.concatenate(moving) if any(map(len, moving)) else self._waiting[0].reshape(-1, 3)

    def _finish(self, cut: bool) -> None:
        if not self.frames:
            raise VidcamError(f"{self.path}: there is no picture to write")
        with writing(self.path):
            self._encode()
            self._container.mux(self._stream.encode(None))
            self._container.close()
            _complete(self._target.temporary, self._pace.delays())

    def _discard(self) -> None:
        self._waiting.clear()
        abandon(self._container)


def _difference(a: Array, b: Array) -> Array:
    """Returns for each pixel by how many levels its channels differ at most, uint8 (H, W)."""
    difference = np.maximum(a, b) - np.minimum(a, b)
    most: Array = np.maximum(np.maximum(difference[..., 0], difference[..., 1]), difference[..., 2])
    return most


def _complete(path: Path, delays: list[int]) -> None:
    """Writes delays in hundredths of a second into a file's images, and that each is drawn over the one before.

    FFmpeg's encoder has an image with transparent pixels cleared away after it was shown (disposal 2); here they stand
    for what is there already (disposal 1).
    """
    with path.open("r+b") as file:
        for block, delay in zip(blocks(file), delays, strict=True):
            position = file.tell()
            file.seek(block.at - 1)
            flags = file.read(1)[0] & ~0x1C | 1 << 2
            file.seek(block.at - 1)
            file.write(bytes([flags]) + min(delay, 65535).to_bytes(2, "little"))
            file.seek(position)
