"""The sound of a source, taken over packet by packet into an output, in step with its pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from vidcam.media.container import audio_streams, open_container, seconds
from vidcam.media.info import DEFAULT_MAX_PIXELS, Info

_MARGIN = Fraction(2)  # a file may store sound so many seconds later than the pictures it belongs to

_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)

# FFmpeg says of more codecs that MP4 and MOV hold them, and then fails to write the header or no player plays them.
_HELD = {
    "mp4": re.compile(r"aac|mp[123]|ac3|eac3|alac|flac|opus|vorbis"),
    "mov": re.compile(r"aac|mp[123]|ac3|eac3|alac|pcm_[suf](8|16|24|32|64)([bl]e)?|pcm_[am]law"),
}


class Sound:
    """Copies the audio streams of a file.

    Attributes:
        shift: seconds by which the whole output must be later, because sound begins before the first picture.
        notes: one-line things to tell the user.

    Args:
        source: the file; its `origin` is time 0 of the pictures.
        start: seconds on the pictures' time line; sound before is left out.
        end: seconds, None for all.
    """

    def __init__(self, source: Info, start: Fraction, end: Fraction | None) -> None:
        self._zero = source.origin + start
        self._end = None if end is None else end - start
        self._container = open_container(Path(source.path), DEFAULT_MAX_PIXELS)
        self._streams = audio_streams(self._container)
        self._outputs: dict[int, Any] = {}
        self._encoded: set[int] = set()  # the streams that are not copied
        self._whole = start == 0
        self.notes: tuple[str, ...] = ()
        self.shift = Fraction(0)
        if self._whole:
            begins = [seconds(s.start_time, s.time_base) for s in self._streams]
            self.shift = max([Fraction(0), *(self._zero - b for b in begins if b is not None)])
        else:
            target = max(Fraction(0), self._zero - _MARGIN)
            with suppress(av.error.FFmpegError):  # then it is read from the beginning
                self._container.seek(int(target * av.time_base), backward=True)
        self._packets = self._read()
        self._next = next(self._packets, None)

    def add_to(self, container: Any) -> None:
        """Adds the streams to an `av.container.OutputContainer`, before its first packet."""
        notes = []
        for stream in self._streams:
            output = _copied(container, stream)
            if output is None:
                output = _aac(container, stream)
                self._encoded.add(stream.index)
                codec = stream.codec_context.codec.canonical_name
                notes.append(f"sound re-encoded as AAC: {container.format.name} cannot hold {codec}")
            if language := stream.metadata.get("language"):
                output.metadata["language"] = language
            self._outputs[stream.index] = output
        self.notes = tuple(dict.fromkeys(notes))
        self._into = container

    def copy(self, until: Fraction | None) -> None:
        """Writes the sound up to a time.

        Args:
            until: seconds from `start`, None for the rest.
        """
        while self._next is not None:
            time, packet = self._next
            if until is not None and time >= until:
                return
            self._write(packet)
            self._next = next(self._packets, None)

    def finish(self) -> None:
        """Writes what the encoders still hold."""
        for stream in self._streams:
            if stream.index in self._encoded:
                self._into.mux(self._outputs[stream.index].encode(None))

    def close(self) -> None:
        """Closes the file."""
        self._next = None
        self._container.close()

    def _write(self, packet: Any) -> None:
        output = self._outputs[packet.stream.index]
        offset = self._zero - self.shift
        if packet.stream.index in self._encoded:
            with suppress(av.error.FFmpegError):  # damaged sound is left out
                for frame in packet.decode():
                    if frame.pts is not None:
                        frame.pts -= round(offset / frame.time_base)
                    self._into.mux(output.encode(frame))
            return
        ticks = round(offset / packet.time_base)
        packet.pts = None if packet.pts is None else packet.pts - ticks
        packet.dts = None if packet.dts is None else packet.dts - ticks
        packet.stream = output
        with suppress(av.error.InvalidDataError, av.error.ArgumentError):  # damaged sound is left out
            self._into.mux_one(packet)

    def _read(self) -> Iterator[tuple[Fraction, Any]]:
        """Returns (seconds from `start`, packet) in the file's order."""
        running = {s.index for s in self._streams}
        packets = self._container.demux(self._streams)
        while running:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError:
                return  # a truncated file gives what it has
            if packet is None or packet.size == 0:
                return
            time = seconds(packet.pts if packet.pts is not None else packet.dts, packet.time_base)
            if time is None:
                continue
            time -= self._zero
            if self._end is not None and time >= self._end:
                running.discard(packet.stream.index)
            elif self._whole or time >= 0:
                yield time, packet


def _copied(container: Any, stream: Any) -> Any:
    """Adds a stream for another one's packets as they are; returns None if the container cannot hold them."""
    held = _HELD.get(container.format.name)
    if held and not held.fullmatch(stream.codec_context.codec.canonical_name):
        return None
    try:
        return container.add_stream_from_template(stream)
    except ValueError:
        return None


def _aac(container: Any, stream: Any) -> Any:
    """Adds an AAC stream for the decoded sound of another stream."""
    rate = stream.codec_context.sample_rate
    output = container.add_stream("aac", rate=rate if rate in _AAC_RATES else 48000)
    layout = stream.codec_context.layout.name
    output.codec_context.layout = layout if layout in ("mono", "stereo", "5.1") else "stereo"
    output.codec_context.bit_rate = 96_000 * len(output.codec_context.layout.channels)
    return output
