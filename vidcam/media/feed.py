"""What comes in now: the kinds of live sources, and which one a name means. No codec is loaded here.

A feed gives the picture of this moment and the time it was taken. It never catches up on what was missed: whoever reads
it too slowly misses pictures.
"""

from __future__ import annotations

import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from vidcam.errors import UsageError, VidcamError
from vidcam.types import Array

SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "tcp", "udp")


class FeedLost(VidcamError):  # noqa: N818 - named as the end of a feed is
    """A feed stopped that may come back: an unplugged camera, a stream without data."""


class FeedEnded(Exception):  # noqa: N818 - the end of a file is no error
    """A file has been played to its end."""


class Feed(ABC):
    """Pictures as they come.

    Attributes:
        name: for people: `camera 0`, the file, the URL without its password.
        notes: one-line things to tell the user.
        live: False for a file, which waits while nobody reads.
    """

    name: str
    live: bool = True
    notes: tuple[str, ...] = ()

    @abstractmethod
    def read(self, stop: threading.Event) -> tuple[Array, float]:
        """Waits for the next picture.

        Args:
            stop: set when nobody waits any more; the call then returns or raises soon.

        Returns:
            RGB uint8 (H, W, 3), and when it was taken in seconds of `time.monotonic`. The size may change.

        Raises:
            FeedLost: there is no more to come for now.
            FeedEnded: there is no more to come.
        """

    @abstractmethod
    def close(self) -> None:
        """Releases the source. May be called again."""


def feed_opener(
    source: str | int | Path | None = None,
    *,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    loop: bool = False,
) -> Callable[[], Feed]:
    """Says how a live source is opened, now and after it was lost.

    Args:
        source: a camera's index or device path; an `rtsp`, `http` ... URL; a video file, played at its own pace; None
            for the first camera that opens.
        size: (width, height) in pixels to ask a camera for.
        fps: frames a second to ask a camera for.
        loop: play a file again and again.

    Returns:
        A function that opens the feed; it raises a VidcamError where that fails.

    Raises:
        UsageError: the name means nothing, or an option does not go with it.
        VidcamError: there is no such file.
    """
    text = "" if source is None else str(source)
    if source is None or text.isdecimal() or _is_device(text):
        if loop:
            raise UsageError("--loop is for video files; a camera has no end")
        from vidcam.media.camera import open_camera

        device = None if source is None else int(text) if text.isdecimal() else text
        return lambda: open_camera(device, size, fps)
    if size is not None or fps is not None:
        option = "--camera-size" if size is not None else "--camera-fps"
        raise UsageError(f"{option} is for cameras; {hide_password(text)} has its own")
    scheme = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]+)://", text)
    if scheme:
        if scheme[1].lower() not in SCHEMES:
            raise UsageError(f"{hide_password(text)}: unknown kind of address; use {', '.join(SCHEMES)}, or a file")
        if loop:
            raise UsageError("--loop is for video files; a stream has no end")
        from vidcam.media.stream import StreamFeed

        return lambda: StreamFeed(text)
    path = Path(text)
    if not path.exists():
        raise VidcamError(
            f"{path}: no such file; SOURCE is a camera's index or device, a URL such as rtsp://host/path, or a video"
        )
    from vidcam.media.playback import Playback

    return lambda: Playback(path, loop=loop)


def hide_password(url: str) -> str:
    """Returns a URL without user name, password and query, where keys are, for screens, pages and messages."""
    return re.sub(r"^([a-zA-Z][a-zA-Z0-9+.-]*://)(?:[^/?#]*@)?([^?#]*).*", r"\1\2", url)


def _is_device(text: str) -> bool:
    return text.startswith("/dev/") or Path(text).is_char_device()
