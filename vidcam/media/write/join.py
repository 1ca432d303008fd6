"""Videos that were encoded apart, put together without encoding again: the same packets, the source's sound beside.

Which parts there are and when each begins is the caller's business.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from vidcam._files import OutputFile
from vidcam.errors import VidcamError
from vidcam.media.container import writing
from vidcam.media.info import VIDEO_SUFFIXES, Info
from vidcam.media.times import Seconds, exact
from vidcam.media.write.mp4 import VideoSink
from vidcam.media.write.sound import Sound


class JoinedSink(VideoSink):
    """An H.264 file made of parts; `join` says what the arguments mean."""

    def __init__(self, target: OutputFile, source: Info, *, zero: Fraction, sound: Sound | None, comment: str) -> None:
        self._template: Any = None
        self._extradata: bytes | None = None
        self._dts: int | None = None
        super().__init__(target, source, zero=zero, sound=sound, options={}, comment=comment)

    def append(self, part: Path) -> None:
        """Adds a part's pictures.

        Args:
            part: an MP4 that a `VideoSink` has written without sound, its times those of the whole.

        Raises:
            VidcamError: it is no such file, or its pictures are of another size or kind than the first part's.
        """
        try:
            container = av.open(f"file:{part.absolute()}")
        except (av.error.FFmpegError, OSError) as error:
            raise VidcamError(f"{part}: a part of {self.path} cannot be read ({error.strerror})") from None
        with container, writing(self.path):
            stream = container.streams.video[0]
            if self._stream is None:
                self._template, self._extradata = stream, stream.codec_context.extradata
                self.size = (stream.width, stream.height)
                self._begin()
            elif stream.codec_context.extradata != self._extradata:
                raise VidcamError(f"{part}: a part of {self.path} was encoded in another way than the first one")
            for packet in container.demux(stream):
                if packet.size:
                    self._copy(packet)

    def _copy(self, packet: Any) -> None:
        tick = packet.time_base
        packet.pts += round((self._sound.shift if self._sound else 0) / tick)
        packet.dts += round((self._sound.shift if self._sound else 0) / tick)
        # Each encoder has begun its decoding times anew: where pictures last unequally long, a part's first ones may
        # lie a little before the last part's end. Showing times stay as they are.
        if self._dts is not None:
            packet.dts = max(packet.dts, self._dts + 1)
        self._dts = packet.dts
        end = (packet.pts + packet.duration) * tick
        if end > self._last * tick + self._tail:
            self._last, self._tail = packet.pts, packet.duration * tick
        time = packet.dts * tick
        packet.stream = self._stream
        self._container.mux_one(packet)
        self.frames += 1
        if self._sound:
            self._sound.copy(time - self._sound.shift)

    def _add_pictures(self) -> None:
        self._stream = self._container.add_stream_from_template(self._template)

    def _flush(self) -> None:
        """There is no encoder."""


def open_joined(
    path: str | Path,
    *,
    source: Info,
    start: Seconds | None = None,
    end: Seconds | None = None,
    audio: bool = True,
    comment: str = "",
    overwrite: bool = False,
) -> JoinedSink:
    """Opens an output that takes parts; `open_sink`'s arguments, of which the parts have the rest.

    Args:
        path: `.mp4`, `.mov` or `.mkv`.
        source: what the pictures come from, and the sound.
        start: as given to `open_source` for the whole; the output's time 0, and that of every part.
        end: as given to `open_source`; the sound ends there.
        audio: whether the sound is copied.
        comment: provenance for the file's comment tag.
        overwrite: whether an existing file may be replaced.

    Returns:
        The sink; nothing appears under the final name before it is closed.

    Raises:
        UsageError: the file exists.
        VidcamError: the file cannot be written.
    """
    file = Path(path)
    assert file.suffix.lower() in VIDEO_SUFFIXES, file
    zero = exact(start or 0)
    target = OutputFile(file, overwrite)
    try:
        sound = Sound(source, zero, None if end is None else exact(end)) if audio and source.audio else None
        return JoinedSink(target, source, zero=zero, sound=sound, comment=comment)
    except BaseException:
        target.discard()
        raise
