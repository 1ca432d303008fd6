"""GIF: FFmpeg's encoder, and what it needs to be given for small files that do not flicker.

Each stretch of a few pictures has a palette. A pixel that still looks like what is shown already is left as it is
(transparent), so still parts keep their colours from picture to picture, whatever the palettes do. Memory does not grow
with length.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from vidcam._files import OutputFile, size_text
from vidcam._lazy import module
from vidcam.errors import VidcamError
from vidcam.media.container import abandon, writing
from vidcam.media.gifblocks import blocks
from vidcam.media.info import Info
from vidcam.media.resize import narrowed
from vidcam.media.write.pace import Pace
from vidcam.media.write.palette import SAMPLE, Palette
from vidcam.media.write.sink import Sink
from vidcam.types import Array

if TYPE_CHECKING:
    import av
else:
    av = module("av")  # a run from GIF to GIF imports it while the network is compiled

LARGE_GIF = 10_000_000
"""Bytes above which a GIF is hardly taken anywhere."""
_TICK = Fraction(1, 100)
_SHORTEST = 2  # browsers show a delay of 1 as one of 10
# Chosen on overlay clips by tests/benchmarks/gif.py.
_STRETCH = 4  # pictures that share a palette
_TOLERANCE = 4  # levels by which a channel may be off before a pixel is drawn anew
_GAIN = 1  # levels by which a new colour has to be nearer than the one shown, to be worth drawing


class GifSink(Sink):
    """A GIF file; `open_sink` says what the arguments mean."""

    def __init__(
        self, target: OutputFile, source: Info, fps: float | Fraction | None, width: int | None, plays: int
    ) -> None:
        super().__init__(target)
        self._width = width
        self._new_pace = partial(Pace, source, _TICK, _SHORTEST, fps)
        self._pace = self._new_pace()
        self._waiting: list[Array] = []
        self._shown: Array | None = None  # what a viewer sees after the latest image
        self._palette = Palette()
        self._written = 0
        self._stream: Any = None
        # FFmpeg counts as GIF does: repetitions after the first time, -1 for none.
        self._loop = {0: 0, 1: -1}.get(plays, plays - 1)
        self._container: Any = None

    def pace(self) -> Callable[[Fraction, Fraction | None], bool]:
        return self._new_pace().keep

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
            self._container = av.open(
                f"file:{self._target.temporary.absolute()}", "w", format="gif", options={"loop": str(self._loop)}
            )
            # Without the flags the encoder compares no pictures of its own; that has been done here.
            self._stream = self._container.add_stream(
                "gif", rate=100, width=width, height=height, pix_fmt="pal8", options={"gifflags": "0"}
            )
            self._stream.codec_context.time_base = _TICK
        self._palette.follow(self._sample())
        colors = np.zeros((256, 4), np.uint8)  # A, R, G, B
        colors[: len(self._palette.colors)] = np.insert(self._palette.colors, 0, 255, axis=1)
        for picture, packed in zip(self._waiting, self._palette.draw(self._waiting), strict=True):
            drawn: Array = cv2.cvtColor(packed, cv2.COLOR_RGBA2RGB)
            indices: Array = cv2.extractChannel(packed, 3)
            if self._shown is not None:
                off = _difference(picture, self._shown)
                keep = _up_to(cv2.subtract(off, _difference(picture, drawn)), _GAIN) | _up_to(off, _TOLERANCE)
                indices |= keep  # 255, which is transparent
                drawn = cv2.copyTo(self._shown, keep, drawn)
            self._shown = drawn
            pair: Any = (indices, colors)
            frame = av.VideoFrame.from_ndarray(pair, "pal8")
            frame.pts = self._written  # the delays are filled in at the end, when all are known
            frame.time_base = _TICK
            self._written += 1
            self._container.mux(self._stream.encode(frame))
        self._waiting.clear()

    def _sample(self) -> Array:
        """Returns some of the pixels that have to be drawn in this stretch, RGB uint8 (N, 3)."""
        before = [self._shown, *self._waiting[:-1]]
        found = [(p, _changed(p, b)) for p, b in zip(self._waiting, before, strict=True)]
        if not any(len(places) for _, places in found):
            found = [(self._waiting[0], _changed(self._waiting[0], None))]
        step = max(1, sum(len(places) for _, places in found) // SAMPLE)
        return np.concatenate([p.reshape(-1, 3)[places[::step]] for p, places in found])

    def _finish(self, cut: bool) -> None:
        if not self.frames:
            raise VidcamError(f"{self.path}: there is no picture to write")
        with writing(self.path):
            self._encode()
            self._container.mux(self._stream.encode(None))
            self._container.close()
            _complete(self._target.temporary, self._pace.delays())
            self._judge(self._target.temporary.stat().st_size)

    def _judge(self, taken: int) -> None:
        """Says of a file that is larger than messages and pages take, what makes it smaller."""
        if taken > LARGE_GIF and self.size is not None:
            width = min(self.size[0], 480)
            self.notes = (
                f"{size_text(taken)} is large for a GIF; --max-bytes 10MB finds the width and rate that fit, --width "
                f"{width} --fps 12 sets them, and an .mp4 is a fraction of it",
            )

    def _discard(self) -> None:
        self._waiting.clear()
        if self._container is not None:
            abandon(self._container)


def _changed(picture: Array, before: Array | None) -> Array:
    """Returns where a picture is to be drawn, as indices of its pixels one after the other."""
    if before is None:
        return np.arange(picture[..., 0].size)
    return np.flatnonzero(_difference(picture, before) > _TOLERANCE)


def _up_to(values: Any, limit: int) -> Any:
    """Returns 255 where values, uint8 (H, W), are at most a limit, 0 elsewhere."""
    mask: Any = cv2.threshold(values, limit, 255, cv2.THRESH_BINARY_INV)[1]
    return mask


def _difference(a: Array, b: Array) -> Array:
    """Returns for each pixel by how many levels its channels differ at most, uint8 (H, W)."""
    red, green, blue = cv2.split(cv2.absdiff(a, b))
    most: Array = cv2.max(cv2.max(red, green), blue)
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
