"""Which live source a name means: a camera, a stream, a file played at its own pace. No codec is loaded here."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from vidcam.errors import UsageError, VidcamError
from vidcam.media.feeds.base import Feed, hide_password

SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "tcp", "udp")


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
        from vidcam.media.feeds.camera import open_camera

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
        from vidcam.media.feeds.stream import StreamFeed

        return lambda: StreamFeed(text)
    path = Path(text)
    if not path.exists():
        raise VidcamError(
            f"{path}: no such file; SOURCE is a camera's index or device, a URL such as rtsp://host/path, or a video"
        )
    from vidcam.media.feeds.playback import Playback

    return lambda: Playback(path, loop=loop)


def _is_device(text: str) -> bool:
    return text.startswith("/dev/") or Path(text).is_char_device()
