"""Bytes to frames and back: videos, animations, still images, image sequences, and the sound that goes with them.

`read` gives frames of files, `write` takes pictures, `feeds` give the picture of this moment; what two of them need
lies beside them. What a frame shows, and what is drawn on it, does not belong here. Importing this package loads
neither PyAV, Pillow nor OpenCV.
"""

from typing import TYPE_CHECKING

from vidcam._lazy import lazy

if TYPE_CHECKING:
    from vidcam.media.info import DEFAULT_MAX_PIXELS as DEFAULT_MAX_PIXELS
    from vidcam.media.info import SUFFIXES as SUFFIXES
    from vidcam.media.info import Info as Info
    from vidcam.media.options import PRESETS as PRESETS
    from vidcam.media.read.open import open_source as open_source
    from vidcam.media.read.source import Source as Source
    from vidcam.media.write.open import open_sink as open_sink
    from vidcam.media.write.sink import Sink as Sink

_EXPORTS = {
    "DEFAULT_MAX_PIXELS": "vidcam.media.info",
    "PRESETS": "vidcam.media.options",
    "SUFFIXES": "vidcam.media.info",
    "Info": "vidcam.media.info",
    "Sink": "vidcam.media.write.sink",
    "Source": "vidcam.media.read.source",
    "open_sink": "vidcam.media.write.open",
    "open_source": "vidcam.media.read.open",
}
__all__ = [*_EXPORTS]  # noqa: PLE0604
__getattr__, __dir__ = lazy(__name__, _EXPORTS)
