"""H.264 in MP4, MOV or Matroska: every picture at its own time, the source's sound beside it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
from av.codec.context import Flags

from vidcam._files import OutputFile
from vidcam._machine import cores
from vidcam.errors import VidcamError
from vidcam.media.color import from_planes, planes_to_rgb, to_yuv420p
from vidcam.media.container import abandon, reason, writing
from vidcam.media.info import Info
from vidcam.media.resize import even_size, resized
from vidcam.media.write.h264 import add_h264, even, open_output
from vidcam.media.write.pace import Pace
from vidcam.media.write.sink import Sink
from vidcam.media.write.sound import Sound
from vidcam.types import Array, Matrix, Planes

# As many encoder threads as cores: with one, two cores stood still a quarter of the time that they worked with two
# (`tests.benchmarks.pipeline`), and slow presets would hold everything up. More threads hold more pictures.
ENCODER_THREADS = 16  # at most
_TIME_BASE = Fraction(1, 90000)  # divides 24, 25, 30, 50, 60 and, but for 1/4 of a tick, their 1000/1001 evenly
_BROWSER_DELAY = Fraction(1, 10)  # what browsers make of a delay of 0 in an animation


class VideoSink(Sink):
    """An H.264 file; `open_sink` says what the arguments mean.

    Its matrix is the first picture's: BT.709 for RGB, their own for planes.
    """

    stores_planes = True

    def __init__(
        self,
        target: OutputFile,
        source: Info,
        *,
        zero: Fraction,
        sound: Sound | None,
        options: dict[str, str],
        comment: str,
        fps: Fraction | None = None,
        width: int | None = None,
    ) -> None:
        super().__init__(target)
        self._source = source
        self._width = width
        self._fps = fps
        self._wanted = self.pace()
        self._shortest = Fraction(0) if fps is None else 1 / fps
        self._zero = zero
        self._options = {"threads": str(min(cores(), ENCODER_THREADS)), **options}
        self._stream: Any = None
        self._sound = sound
        self._last = -1  # the latest picture's time stamp in ticks
        self._late = Fraction(0)  # what delays of 0 have added
        self._tail = Fraction(0)
        self._comment = comment
        self._matrix: Matrix = "bt709"
        with writing(self.path):
            self._open()

    def pace(self) -> Callable[[Fraction, Fraction | None], bool] | None:
        return None if self._fps is None else Pace(self._source, _TIME_BASE, 1, self._fps).keep

    def write(self, rgb: Array, time: Fraction, duration: Fraction | None = None) -> None:
        if self._wanted is not None and not self._wanted(time, duration):
            return
        size = (rgb.shape[1], rgb.shape[0])
        padded = even(rgb if self._width is None else resized(rgb, even_size(size, self._width)))
        self._prepare((padded.shape[1], padded.shape[0]), "bt709")
        self._encode(to_yuv420p(padded, self._matrix), time, duration)

    def write_planes(self, planes: Planes, time: Fraction, duration: Fraction | None = None) -> None:
        size = (planes.y.shape[1], planes.y.shape[0])
        other = self._width is not None and even_size(size, self._width) != size
        if other or (self._stream is not None and planes.matrix != self._matrix):  # another picture has come first
            self.write(planes_to_rgb(planes), time, duration)
        elif self._wanted is None or self._wanted(time, duration):
            self._prepare(size, planes.matrix)
            self._encode(from_planes(planes), time, duration)

    def _prepare(self, size: tuple[int, int], matrix: Matrix) -> None:
        """Begins the file with the first picture; every other one has to be as large."""
        if self._stream is None:
            self.size, self._matrix = size, matrix
            with writing(self.path):
                self._begin()
        if size != self.size:
            raise VidcamError(f"{self.path}: a picture of {size[0]}x{size[1]} does not fit {self.size}")

    def _encode(self, frame: Any, time: Fraction, duration: Fraction | None) -> None:
        with writing(self.path):
            at = time - self._zero + self._late + (self._sound.shift if self._sound else 0)
            frame.pts = self._last = max(round(at / _TIME_BASE), self._last + 1)
            frame.time_base = _TIME_BASE
            self._tail = max(duration if duration else self._nominal(), self._shortest)
            if duration == 0 and self._source.kind == "animation":
                self._tail = _BROWSER_DELAY
                self._late += _BROWSER_DELAY
            frame.duration = max(1, round(self._tail / _TIME_BASE))
            self._container.mux(self._stream.encode(frame))
            self.frames += 1
            if self._sound:
                self._sound.copy(time - self._zero)

    def _open(self) -> None:
        self._container: Any = open_output(self._target.temporary, self._target.path.suffix.lower())
        if self._comment:
            self._container.metadata["comment"] = self._comment

    def _begin(self) -> None:
        self._add_pictures()
        if self._sound:
            self._sound.add_to(self._container)
            self.notes = self._sound.notes
        try:
            self._container.start_encoding()
        except av.error.FFmpegError as error:
            if self._sound is None:
                raise
            # Damaged sound, or of a kind that the container takes in principle only. The pictures can still be had.
            self.notes = (f"the sound cannot be copied and is left out ({reason(error)})",)
            self._discard()
            self._sound = None
            self._open()
            self._add_pictures()
            self._container.start_encoding()

    def _add_pictures(self) -> None:
        rate = self._source.fps
        if rate is None or not 0 < rate <= 1000:
            rate = Fraction(25)
        self._stream = add_h264(
            self._container,
            self.size or (0, 0),
            rate=rate,
            tick=_TIME_BASE,
            options=self._options,
            matrix=self._matrix,
        )
        self._stream.codec_context.flags |= Flags.frame_duration

    def _flush(self) -> None:
        """Writes the pictures that the encoder still holds."""
        self._container.mux(self._stream.encode(None))

    def _nominal(self) -> Fraction:
        fps = self._source.fps
        return 1 / fps if fps and fps > 0 else Fraction(1, 25)

    def _finish(self, cut: bool) -> None:
        with writing(self.path):
            if self._stream is None:
                raise VidcamError(f"{self.path}: there is no picture to write")
            self._flush()
            if self._sound:
                shift = self._sound.shift
                self._sound.copy(self._last * _TIME_BASE - shift + self._tail if cut else None)
                self._sound.finish()
                self._sound.close()
            self._container.close()

    def _discard(self) -> None:
        if self._sound:
            self._sound.close()
        abandon(self._container)
