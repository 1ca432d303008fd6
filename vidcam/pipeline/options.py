"""How files are read and written, as `run` takes it, and which of it goes to the source and which to the sink."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict


class MediaOptions(TypedDict, total=False):
    """Options of sources and sinks; see `vidcam.media.open_source` and `open_sink`."""

    max_size: int | None
    max_pixels: int | None
    background: tuple[int, int, int] | None
    fps: float | None
    width: int | None
    loop: int | None
    crf: int | None
    preset: str | None
    audio: bool


_SOURCE = ("max_size", "max_pixels", "background")
_SINK = ("width", "loop", "crf", "preset", "audio")


def split_options(source: str | Path, options: MediaOptions) -> tuple[dict[str, Any], dict[str, Any]]:
    """Sorts the options that were given.

    `fps` is the pace of a source that has no times of its own (a folder or a numbered pattern of pictures); for any
    other it bounds the pace of a GIF or WebP.

    Args:
        source: what is read.
        options: what was given; None stands for the default.

    Returns:
        The arguments of `open_source`, and those of `open_sink`.
    """
    given = {name: value for name, value in options.items() if value is not None}
    reads = {name: given[name] for name in _SOURCE if name in given}
    writes = {name: given[name] for name in _SINK if name in given}
    if "fps" in given:
        (reads if is_sequence(source) else writes)["fps"] = given["fps"]
    return reads, writes


def is_sequence(source: str | Path) -> bool:
    """Tells whether a source is a folder, or a numbered pattern such as `frame_%04d.png`."""
    path = Path(source)
    return path.is_dir() or ("%" in path.name and not path.exists())
