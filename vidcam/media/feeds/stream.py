"""Streams from the network, through FFmpeg with as little delay as it can do."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Iterator
from typing import Any

import av
from av.codec.context import Flags

from vidcam.errors import VidcamError
from vidcam.media.color import Color, to_rgb
from vidcam.media.container import reason
from vidcam.media.feeds.base import Feed, FeedLost, hide_password
from vidcam.media.info import DEFAULT_MAX_PIXELS
from vidcam.types import Array

OPEN_TIMEOUT = 5.0
READ_TIMEOUT = 4.0
"""Seconds without data after which a stream counts as lost."""
_PROTOCOLS = "rtsp,rtsps,rtp,srtp,http,https,tcp,tls,udp,rtmp,httpproxy,crypto"
# Not FFmpeg's `nobuffer`, which throws away what was read to look at the stream: the first key frame with it.
_OPTIONS = {
    "protocol_whitelist": _PROTOCOLS,  # a playlist from outside opens no files here
    "flags": "low_delay",
    "probesize": "500000",
    "analyzeduration": "1000000",  # microseconds
    "max_delay": "100000",  # microseconds that packets out of order are waited for
    "max_pixels": str(DEFAULT_MAX_PIXELS),
}
_RTSP = {"rtsp_transport": "tcp"}  # over UDP lost packets smear the picture


class Backlog:
    """Notices that decoding falls behind a stream, so that pictures are left out instead of shown late.

    The stream's own clock against ours: the smallest difference seen is the normal one. It is forgotten slowly, as
    clocks drift.
    """

    DRIFT = 0.001
    """Seconds a second by which two clocks may differ."""

    def __init__(self) -> None:
        self._least: float | None = None
        self._last = 0.0

    def late(self, now: float, stamp: float | None) -> float:
        """Takes a packet's arrival and its time stamp, in seconds, and returns by how many seconds it is late."""
        if stamp is None:
            return 0.0
        difference = now - stamp
        if self._least is None or difference < self._least or abs(difference - self._least) > 30.0:
            self._least = difference  # also where the stream's clock jumped
        else:
            self._least = min(difference, self._least + self.DRIFT * (now - self._last))
        self._last = now
        return difference - self._least


class StreamFeed(Feed):
    """A stream behind a URL.

    Args:
        url: see `vidcam.media.feeds.base.SCHEMES`.
        timeouts: seconds to wait for the connection, and for data.

    Raises:
        VidcamError: there is no answer, or no video in it.
    """

    def __init__(self, url: str, timeouts: tuple[float, float] = (OPEN_TIMEOUT, READ_TIMEOUT)) -> None:
        self.name = hide_password(url)
        self._timeout = timeouts[1]
        options = {**_OPTIONS, **(_RTSP if url.startswith("rtsp") else {})}
        try:
            self._container: Any = av.open(url, options=options, timeout=timeouts, metadata_errors="replace")
        except (av.error.FFmpegError, ValueError, OSError) as error:
            if isinstance(error, av.error.InvalidDataError | av.error.EOFError) or error.args[0] == errno.EIO:
                why = "what it sends is no video stream; name the stream itself, not a page that shows it"
            else:
                why = self._why(error, timeouts[0])
            raise VidcamError(f"{self.name}: {why}") from None
        try:
            self._stream = self._video()
        except BaseException:
            self.close()
            raise
        context = self._stream.codec_context
        context.thread_type = "SLICE"  # frame threads hold back as many pictures as there are threads
        context.flags |= Flags.low_delay
        # A recording behind a URL comes as fast as the line; a live stream has no length.
        self._paced = bool(self._container.duration)
        self._zero: float | None = None
        self._backlog = Backlog()
        self._pictures = self._decode()

    def _video(self) -> Any:
        streams = [s for s in self._container.streams.video if s.codec_context is not None]
        if not streams:
            raise VidcamError(f"{self.name}: there is an answer, but no video in it; name the stream itself")
        return max(streams, key=lambda s: s.width * s.height)

    def read(self, stop: threading.Event) -> tuple[Array, float]:
        try:
            frame, taken = next(self._pictures)
            if self._paced and frame.time is not None:
                self._zero = taken - frame.time if self._zero is None else self._zero
                stop.wait(max(0.0, self._zero + frame.time - time.monotonic()))
                taken = time.monotonic()
            return to_rgb(frame, Color.of(frame), (frame.width, frame.height), (0, 0, 0)), taken
        except StopIteration:
            raise FeedLost("the stream ended") from None
        except (av.error.FFmpegError, OSError) as error:
            raise FeedLost(self._why(error, self._timeout)) from None

    def _decode(self) -> Iterator[tuple[Any, float]]:
        for packet in self._container.demux(self._stream):
            taken = time.monotonic()
            stamp = packet.dts if packet.dts is not None else packet.pts
            if not self._paced:
                late = self._backlog.late(taken, None if stamp is None else float(stamp * packet.time_base))
                self._stream.codec_context.skip_frame = (
                    "NONKEY" if late > 1.0 else "NONREF" if late > 0.3 else "DEFAULT"
                )
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                continue  # a damaged picture; the next one may be whole
            for frame in frames:
                yield frame, taken

    def close(self) -> None:
        self._container.close()

    @staticmethod
    def _why(error: BaseException, timeout: float) -> str:
        if isinstance(error, av.error.ExitError | av.error.TimeoutError | TimeoutError):
            return f"no data for {timeout:g} s"
        return reason(error)
