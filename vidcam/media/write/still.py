"""One picture as PNG, JPEG or WebP, through imageio."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import imageio.v3 as iio
import numpy as np
from PIL import PngImagePlugin

from vidcam._files import OutputFile
from vidcam.errors import VidcamError
from vidcam.media.resize import narrowed
from vidcam.media.write.sink import Sink
from vidcam.types import Array

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


class StillSink(Sink):
    """A file of one picture: the first one it is given; `open_sink` says what the arguments mean."""

    def __init__(self, target: OutputFile, suffix: str, width: int | None, comment: str) -> None:
        super().__init__(target)
        self._suffix = suffix
        self._format = _FORMATS[suffix]
        self._width = width
        self._comment = comment

    def write(self, rgb: Array, time: Fraction, duration: Fraction | None = None) -> None:
        if self.full:
            return
        picture = np.ascontiguousarray(narrowed(rgb, self._width))
        options: dict[str, Any] = {}
        if self._format == "PNG":
            text = PngImagePlugin.PngInfo()
            if self._comment:
                text.add_itxt("Comment", self._comment)
            options = {"pnginfo": text}
        elif self._format == "JPEG":
            options = {"quality": 95, "subsampling": 0, "comment": self._comment.encode()}
        else:
            options = {"quality": 90, "method": 4}
        with writing(self.path), self._target.temporary.open("wb") as file:
            # The temporary file's own name says nothing of the format.
            iio.imwrite(file, picture, plugin="pillow", extension=self._suffix, format=self._format, **options)
        self.size = (picture.shape[1], picture.shape[0])
        self.frames = 1
        self.full = True

    def _finish(self, cut: bool) -> None:
        if not self.full:
            raise VidcamError(f"{self.path}: there is no picture to write")

    def _discard(self) -> None:
        """Nothing is open between two calls."""


@contextmanager
def writing(path: str) -> Iterator[None]:
    """Turns what Pillow raises when it writes into one line."""
    try:
        yield
    except OSError as error:
        raise VidcamError(f"{path}: cannot be written: {error.strerror or error}") from None
    except ValueError as error:
        raise VidcamError(f"{path}: cannot be written: {error}") from None
