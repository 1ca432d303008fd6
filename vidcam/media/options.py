"""How files are read and written, as a value. Standard library only: `--help` reads it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidcam._options import Number, Options, option
from vidcam.errors import UsageError

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
READING = ("start", "end", "stride", "max_size", "max_pixels", "background")
WRITING = ("start", "end", "width", "max_bytes", "loop", "crf", "preset", "audio")


@dataclass(frozen=True, slots=True)
class MediaOptions(Options):
    """How files are read and written; None stands for the default of `open_source` or `open_sink`."""

    start: float | None = option(None, "Where to begin: seconds or mm:ss.", kind="seconds")
    end: float | None = option(None, "Where to stop.", kind="seconds")
    stride: int = option(1, "Take every N-th frame.", kind=Number(1))
    max_size: int | None = option(None, "Longer side of the frames, at most.", kind=Number(1))
    max_pixels: int | None = option(None, "Refuse larger frames; fits 8K by default.", kind=Number(1))
    background: tuple[int, int, int] | None = option(
        None, "Behind transparent pixels, as #RRGGBB; white by default.", kind="color"
    )
    fps: float | None = option(
        None,
        "Frames a second: at most so many are written; of a folder of pictures, its pace.",
        kind=Number(0, above=True, whole=False),
    )
    width: int | None = option(None, "Of the pictures that are written, in pixels.", kind=Number(1))
    max_bytes: int | None = option(
        None, "Of a GIF or WebP, such as 10MB: its width and rate are found.", kind="bytes", metavar="SIZE"
    )
    loop: int | None = option(None, "Times a GIF or WebP plays; 0 for ever.", kind=Number(0, 65535))
    crf: int | None = option(None, "H.264 quality, 0 is best; 20 by default.", kind=Number(0, 51))
    preset: str | None = option(None, "H.264 speed; veryfast by default.", kind=PRESETS)
    audio: bool = option(True, "Keep the sound.")

    def check(self) -> None:
        from vidcam.media.read.cut import Cut

        Cut.of(self.start, self.end, self.stride)
        if self.max_bytes is not None and self.max_bytes < 1:
            raise UsageError(f"--max-bytes {self.max_bytes}: must be at least 1")

    def reads(self, source: str | Path) -> dict[str, Any]:
        """Returns the arguments of `open_source`.

        `fps` is the pace of a source that has no times of its own (a folder or a numbered pattern of pictures); for any
        other it bounds the pace of what is written.
        """
        return self._given((*READING, "fps") if is_sequence(source) else READING)

    def writes(self, source: str | Path) -> dict[str, Any]:
        """Returns the arguments of `open_sink`."""
        return self._given(WRITING if is_sequence(source) else (*WRITING, "fps"))

    def _given(self, names: tuple[str, ...]) -> dict[str, Any]:
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


def is_sequence(source: str | Path) -> bool:
    """Tells whether a source is a folder, or a numbered pattern such as `frame_%04d.png`."""
    path = Path(source)
    return path.is_dir() or ("%" in path.name and not path.exists())
