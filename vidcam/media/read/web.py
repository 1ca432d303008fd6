"""Whether a browser shows a file as it is: the same pictures at the same times, in any current one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
from PIL import Image

from vidcam.errors import VidcamError
from vidcam.media.container import open_container
from vidcam.media.info import DEFAULT_MAX_PIXELS
from vidcam.media.read.tracks import display_matrix

_VIDEO = {"mp4": ("h264", "av1"), "webm": ("vp8", "vp9", "av1")}
_STILL = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}


def web_type(path: Path) -> str:
    """Finds out whether a file can be put into a page untouched.

    A video can where it is MP4 or WebM with one picture stream of a codec that browsers have, 8 bit 4:2:0, upright,
    progressive, with square pixels, and counts from 0. A picture can where it is JPEG, PNG or WebP
    and does not move.

    Args:
        path: the file.

    Returns:
        The MIME type, "" where it has to be written anew.
    """
    if not path.is_file():
        return ""
    try:
        with Image.open(path) as image:
            return "" if getattr(image, "is_animated", False) else _STILL.get(image.format or "", "")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        pass
    try:
        with open_container(path, DEFAULT_MAX_PIXELS) as container:
            return _video_type(container)
    except (VidcamError, av.error.FFmpegError):
        return ""


def _video_type(container: Any) -> str:
    kind = _kind(container)
    streams = container.streams.video
    # Some browsers count from 0, others from where the earliest stream starts; here these are one.
    if not kind or len(streams) != 1 or streams[0].codec_context is None or container.start_time:
        return ""
    stream = streams[0]
    context = stream.codec_context
    plain = (
        context.codec.canonical_name in _VIDEO[kind]
        and context.pix_fmt == "yuv420p"
        and (stream.sample_aspect_ratio or 1) == 1
        and stream.metadata.get("alpha_mode") != "1"
    )
    frame = next(container.decode(stream), None) if plain else None
    if frame is None or frame.interlaced_frame or display_matrix(frame) != (1, 0, 0, 1):
        return ""
    return f"video/{kind}"


def _kind(container: Any) -> str:
    """Returns `mp4` or `webm`, "" for any other container, also the like ones: QuickTime and Matroska."""
    names = container.format.name.split(",")
    if "webm" in names:
        return "webm" if Path(container.name).suffix.lower() == ".webm" else ""
    return "mp4" if "mp4" in names and not container.metadata.get("major_brand", "").startswith("qt") else ""
