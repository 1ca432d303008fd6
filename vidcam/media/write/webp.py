"""Animated WebP through FFmpeg's libwebp encoder."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np

from vidcam._files import OutputFile
from vidcam.errors import VidcamError
from vidcam.media.container import abandon, writing
from vidcam.media.info import Info
from vidcam.media.resize import narrowed
from vidcam.media.write.pace import Pace
from vidcam.media.write.sink import Sink
from vidcam.types import Array

_TICK = Fraction(1, 1000)
_OPTIONS = {"quality": "80", "compression_level": "2"}


class WebPSink(Sink):
    """An animated WebP file; `open_sink` says what the arguments mean."""

    def __init__(
        self, target: OutputFile, source: Info, fps: float | Fraction | None, width: int | None, plays: int
    ) -> None:
        super().__init__(target)
        self._width = width
        self._new_pace = partial(Pace, source, _TICK, 1, fps)
        self._pace = self._new_pace()
        self._stream: Any = None
        with writing(self.path):
            self._container: Any = av.open(
                f"file:{target.temporary.absolute()}", "w", format="webp", options={"loop": str(plays)}
            )

    def pace(self) -> Callable[[Fraction, Fraction | None], bool]:
        return self._new_pace().keep

    def write(self, rgb: Array, time: Fraction, duration: Fraction | None = None) -> None:
        if not self._pace.keep(time, duration):
            return
        picture = narrowed(rgb, self._width)
        height, width = picture.shape[:2]
        if self.size not in (None, (width, height)):
            raise VidcamError(f"{self.path}: a picture of {width}x{height} does not fit {self.size}")
        with writing(self.path):
            if self._stream is None:
                self.size = (width, height)
                self._stream = self._container.add_stream(
                    "libwebp_anim", rate=25, options=_OPTIONS, width=width, height=height, pix_fmt="bgra"
                )
                self._stream.codec_context.time_base = _TICK
            # libwebp wants B, G, R, A
            frame = av.VideoFrame.from_ndarray(
                np.dstack([picture[..., ::-1], np.full((height, width), 255, np.uint8)]), "bgra"
            )
            frame.pts = self._pace.starts[-1]
            frame.time_base = _TICK
            self._container.mux(self._stream.encode(frame))
        self.frames += 1

    def _finish(self, cut: bool) -> None:
        if not self.frames:
            raise VidcamError(f"{self.path}: there is no picture to write")
        with writing(self.path):
            self._container.mux(self._stream.encode(None))
            self._container.close()
            _set_end(self._target.temporary, sum(self._pace.delays()))

    def _discard(self) -> None:
        abandon(self._container)


def _set_end(path: Path, end: int) -> None:
    """Sets the last picture's duration, for which libwebp takes the mean of the others.

    Args:
        path: a complete file.
        end: milliseconds from the first picture's appearance to the last one's end.
    """
    with path.open("r+b") as file:
        file.seek(12)
        start = duration = at = 0
        while len(head := file.read(8)) == 8:
            size = int.from_bytes(head[4:], "little")
            if head[:4] == b"ANMF":
                start += duration
                at = file.tell() + 12  # after x, y, width, height of 3 bytes each
                file.seek(12, 1)
                duration = int.from_bytes(file.read(3), "little")
                file.seek(size - 15, 1)
            else:
                file.seek(size, 1)
            file.seek(size % 2, 1)
        if at:
            file.seek(at)
            file.write(max(0, min(end - start, 2**24 - 1)).to_bytes(3, "little"))
