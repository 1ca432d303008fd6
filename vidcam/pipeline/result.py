"""What a run has made: `Result`, which shows itself in a notebook."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

from vidcam.pipeline.meter import Timings
from vidcam.types import Track

_EMBED_LIMIT = 64 * 2**20
_MIME = {
    ".mp4": "video/mp4",
    ".mov": "video/mp4",
    ".mkv": "video/x-matroska",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
}


@dataclass(frozen=True, slots=True)
class Result:
    """What a run has made.

    Attributes:
        path: the picture or video file.
        frames: pictures in it.
        size: (width, height) in pixels.
        seconds: how long the run took.
        classes: the explained targets' names and the number of frames of each, most frequent first.
        damaged: frames of the source that could not be read.
        interrupted: the run was stopped before the source's end.
        notes: one-line things to tell the user.
        track: the raw maps, where they were asked for.
        timings: what each stage took, where it was asked for.
    """

    path: Path
    frames: int
    size: tuple[int, int]
    seconds: float
    classes: Mapping[str, int]
    damaged: int = 0
    interrupted: bool = False
    notes: tuple[str, ...] = ()
    track: Track | None = None
    timings: Timings | None = None

    def _repr_html_(self) -> str:
        mime = _MIME.get(self.path.suffix.lower(), "")
        if not self.path.is_file() or self.path.stat().st_size > _EMBED_LIMIT:
            return f"<code>{escape(str(self.path))}</code>"
        data = f"data:{mime};base64,{base64.b64encode(self.path.read_bytes()).decode()}"
        if mime.startswith("video/"):
            return f'<video controls loop muted style="max-width:100%" src="{data}"></video>'
        return f'<img alt="{escape(self.path.name)}" style="max-width:100%" src="{data}">'
