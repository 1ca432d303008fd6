"""Bytes to frames and back: videos, animations, still images, image sequences, and the sound that goes with them.

`open_source` gives frames, `open_sink` takes pictures. Both choose by what a file is: its first bytes on the way in,
its suffix on the way out. What a frame shows, and what is drawn on it, does not belong here. Importing this package
loads neither PyAV, Pillow nor OpenCV.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidcam.media.base import DEFAULT_MAX_PIXELS, SUFFIXES, Info, Sink, Source
    from vidcam.media.files import PRESETS, open_sink, open_source

__all__ = ["DEFAULT_MAX_PIXELS", "PRESETS", "SUFFIXES", "Info", "Sink", "Source", "open_sink", "open_source"]


def __getattr__(name: str) -> Any:
    if name in ("PRESETS", "open_sink", "open_source"):
        from vidcam.media import files

        return getattr(files, name)
    if name in __all__:
        from vidcam.media import base

        return getattr(base, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
