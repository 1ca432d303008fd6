"""Videos through FFmpeg's decoders: the right stream, upright, at its own times."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import av

from vidcam._machine import cores
from vidcam.errors import VidcamError
from vidcam.media.color import Color, planes_of, to_rgb
from vidcam.media.container import audio_streams, open_container, seconds
from vidcam.media.info import Info
from vidcam.media.read.cut import Reading, Shot
from vidcam.media.read.source import Source
from vidcam.media.read.tracks import display_matrix, shown_track, square, upright
from vidcam.media.resize import size_within
from vidcam.types import Array, Frame, Planes

# More decoder threads hold more pictures in memory and gain little next to a model and an encoder.
DECODER_THREADS = 8


class VideoSource(Source):
    """A video file; `open_source` says what the arguments mean."""

    def __init__(self, path: Path, reading: Reading) -> None:
        self._path = path
        self._reading = reading
        self._cut = reading.cut
        self._container: Any = None
        try:
            self._open()
            first = self._first()
            self._describe(first)
            self._shots = self._from_start(first)
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[Frame]:
        return self._cut.frames(self._shots)

    def close(self) -> None:
        if self._container is not None:
            self._container.close()
            self._container = None

    def _open(self) -> None:
        self.close()
        self._container = open_container(self._path, self._reading.max_pixels)
        self._bytes = self._container.size
        self._stream = shown_track(self._container, self._path)
        context = self._stream.codec_context
        self._reading.check(self._path, (context.width, context.height))
        context.options = {"max_pixels": str(self._reading.max_pixels)}
        context.thread_type = "AUTO"
        context.thread_count = min(cores(), DECODER_THREADS)
        self._deinterlacer: _Deinterlacer | None = None

    def _first(self) -> Any:
        self._decoded = self._decode()
        first = next(self._decoded, None)
        if first is None:
            # A decoder that refuses a picture for its size does not say how large it is.
            limit = self._reading.max_pixels
            hint = "" if self._stream.width else f", or its pictures have more pixels than --max-pixels {limit}"
            raise VidcamError(f"{self._path}: no frame of it can be read{hint}")
        return first

    def _describe(self, first: Any) -> None:
        container, stream = self._container, self._stream
        self._color = Color.of(first)
        self._matrix = display_matrix(first)
        size = square(first, stream)
        self._reading.check(self._path, size)
        self._size = size_within(size, self._reading.max_size)  # as decoded, before rotation
        turned = self._matrix[0] == 0
        upright = (self._size[1], self._size[0]) if turned else self._size
        start = seconds(stream.start_time, stream.time_base)
        time = _time(first, stream)
        self._origin = min((t for t in (start, time) if t is not None), default=Fraction(0))
        fps = stream.average_rate or None  # a guess from the time base would be 1000 for some files
        self._tick = stream.time_base or Fraction(1, 90000)
        self._nominal = 1 / fps if fps else Fraction(1, 25)
        duration = seconds(stream.duration, stream.time_base)
        if duration is None and container.duration:
            # Matroska's duration counts from 0, that of others from their start.
            begin = Fraction(0 if "matroska" in container.format.name else container.start_time or 0, av.time_base)
            duration = Fraction(container.duration, av.time_base) + begin - self._origin
        length = float(duration) if duration and duration > 0 else None
        notes = []
        if self._color.hdr:
            notes.append(
                f"HDR ({self._color.hdr}) brought to SDR: diffuse white becomes white, brighter parts are cut off"
            )
        self.info = Info(
            path=str(self._path),
            kind="video",
            size=upright,
            fps=fps,
            # A program stream's length is a guess from its beginning.
            frames=self._cut.count(stream.frames or None, None if container.format.name == "mpeg" else length, fps),
            duration=length,
            audio=len(audio_streams(container)),
            notes=tuple(notes),
            origin=self._origin,
            format=container.format.name,
        )

    def _from_start(self, first: Any) -> Iterator[Shot]:
        """Returns the shots, by a seek where the beginning is not asked for."""
        frames: Iterator[Any] = chain([first], self._decoded)
        if self._cut.start > 0:
            frames = self._seek() or frames
        return self._timed(frames)

    def _seek(self) -> Iterator[Any] | None:
        """Returns frames from the last key frame before `start` on; None if none of this can be had."""
        target = self._origin + self._cut.start
        try:
            self._container.seek(int(target / self._tick), stream=self._stream, backward=True)
            self._deinterlacer = None
            frames = self._decode()
            landed = next(frames, None)
            time = None if landed is None else _time(landed, self._stream)
            if time is not None and time <= target:
                return chain([landed], frames)
        except av.error.FFmpegError:
            pass
        # The index is missing or wrong: read it all.
        self._open()
        self.damaged = 0
        return self._decode()

    def _timed(self, frames: Iterator[Any]) -> Iterator[Shot]:
        last: Fraction | None = None
        for frame in frames:
            time = _time(frame, self._stream)
            if time is not None:
                time -= self._origin
            if last is not None and (time is None or time <= last):
                # No time, or one that has been: as soon after the last one as makes sense.
                time = last + (self._nominal if time is None else self._tick)
            last = time if time is not None else Fraction(0)
            duration = seconds(frame.duration or None, frame.time_base) or self._nominal
            yield Shot(last, duration, partial(self._picture, frame), self.info.size, self._planes(frame))

    def _picture(self, frame: Any) -> Array:
        return upright(to_rgb(frame, self._color, self._size, self._reading.background), self._matrix)

    def _planes(self, frame: Any) -> Planes | None:
        as_stored = self._matrix == (1, 0, 0, 1) and self._size == (frame.width, frame.height)
        return planes_of(frame, self._color) if as_stored else None

    def _decode(self) -> Iterator[Any]:
        """Returns the stream's frames; what cannot be read is counted and left out."""
        packets = self._container.demux(self._stream)
        while True:
            self.pulse += 1
            try:
                packet = next(packets, None)
                frames = self._stream.decode(None) if packet is None else packet.decode()
            except av.error.EOFError:
                break
            except av.error.FFmpegError:
                self.damaged += 1
                if packet is None:
                    break
                continue
            yield from self._progressive(frames)
            if packet is None or packet.size == 0:
                break
        if self._deinterlacer:
            yield from self._deinterlacer.rest()
        # Frames that the index places behind the end of a truncated file never become packets.
        self.damaged += sum(1 for e in self._stream.index_entries if e.pos + e.size > self._bytes)

    def _progressive(self, frames: list[Any]) -> Iterator[Any]:
        for frame in frames:
            if self._deinterlacer is None and frame.interlaced_frame and min(frame.width, frame.height) >= 16:
                self._deinterlacer = _Deinterlacer(self._stream)
            if self._deinterlacer:
                yield from self._deinterlacer.push(frame)
            else:
                yield frame


class _Deinterlacer:
    """FFmpeg's bwdif on the frames that are marked as interlaced, one picture for each frame."""

    def __init__(self, stream: Any) -> None:
        self._graph = av.filter.Graph()
        source = self._graph.add_buffer(template=stream)
        filter_ = self._graph.add("bwdif", "mode=send_frame:deint=interlaced")
        sink = self._graph.add("buffersink")
        source.link_to(filter_)
        filter_.link_to(sink)
        self._graph.configure()

    def push(self, frame: Any) -> Iterator[Any]:
        self._graph.vpush(frame)
        yield from self._pull()

    def rest(self) -> Iterator[Any]:
        self._graph.vpush(None)
        yield from self._pull()

    def _pull(self) -> Iterator[Any]:
        while True:
            try:
                yield self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return


def _time(frame: Any, stream: Any) -> Fraction | None:
    pts = frame.pts if frame.pts is not None else frame.dts
    return seconds(pts, frame.time_base or stream.time_base)
