"""What a file is, and which formats can be written. Standard library only: no codec is loaded here."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

MediaKind = Literal["video", "animation", "image"]

DEFAULT_MAX_PIXELS = 2**26
"""67 million pixels a frame: an 8192 x 8192 picture passes, 8K video (33 million) with room to spare."""

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv")
ANIMATION_SUFFIXES = (".gif", ".webp")
STILL_SUFFIXES = (".png", ".jpg", ".jpeg")
_VIDEOS = "mp4 m4v mov mkv webm avi wmv asf flv mpg mpeg m2v ts mts m2ts 3gp ogv vob mxf y4m"
VIDEOS = frozenset(f".{name}" for name in _VIDEOS.split())
"""Suffixes of files that are taken for videos before they are opened."""
SUFFIXES = (*VIDEO_SUFFIXES, *ANIMATION_SUFFIXES, *STILL_SUFFIXES)
"""What can be written."""


@dataclass(frozen=True)
class Info:
    """What a source is and what this run will take from it.

    Attributes:
        path: the file, folder or pattern as it was given.
        kind: "video" (also an image sequence), "animation" (GIF, APNG, WebP, AVIF) or "image".
        size: (width, height) in pixels as frames are delivered: upright, square pixels, within `max_size`.
        fps: average frames a second of the file, None for an image or where the file does not say.
        frames: how many frames this run is expected to give, None where the file does not say.
        duration: seconds of the file from its first frame, None where it does not say.
        loop: how often an animation plays, 0 for ever; None for what is not an animation.
        audio: the number of audio streams.
        notes: one-line things to tell the user.
        origin: the time 0 of frames on the file's own clock, in seconds; the sound is cut by it.
        format: Pillow's or FFmpeg's name of the file's format.
    """

    path: str
    kind: MediaKind
    size: tuple[int, int]
    fps: Fraction | None = None
    frames: int | None = None
    duration: float | None = None
    loop: int | None = None
    audio: int = 0
    notes: tuple[str, ...] = ()
    origin: Fraction = Fraction(0)
    format: str = ""
