"""Still images and animations through Pillow: exact delays, disposal, transparency, loops and EXIF orientation."""

from __future__ import annotations

import logging
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from vidcam.errors import VidcamError
from vidcam.media.gifblocks import Block, blocks, canvas
from vidcam.media.info import Info
from vidcam.media.read.cut import Reading, Shot
from vidcam.media.read.source import Source
from vidcam.media.resize import resized, size_within
from vidcam.types import Array, Frame

logging.getLogger("PIL").addHandler(logging.NullHandler())  # or its complaints about damaged files go to the terminal
_LOCK = threading.RLock()  # Pillow's limits are global
# Pillow reports a damaged file in all of these ways.
_PARTIAL = re.compile("truncated|broken data stream|unrecognized data stream")  # the beginning can still be shown
_BROKEN = (
    OSError,
    EOFError,
    ValueError,
    SyntaxError,
    TypeError,
    LookupError,
    AttributeError,
    RuntimeError,
    ArithmeticError,
)


class PictureSource(Source):
    """A GIF, PNG, APNG, WebP, AVIF, JPEG, BMP or TIFF file; `open_source` says what the arguments mean."""

    def __init__(self, path: Path, reading: Reading) -> None:
        self._path = path
        self._reading = reading
        self._blocks: list[Block] = []
        self._image = open_image(path, reading)
        try:
            self._describe()
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[Frame]:
        return self._reading.cut.frames(self._shots())

    def close(self) -> None:
        self._image.close()

    def _describe(self) -> None:
        image = self._image
        self._numbers = self._listed()
        moving = len(self._numbers) > 1
        self._reader = _GifReader(self._blocks, image.size) if self._blocks else _read
        first = self._first_picture()
        self._size = size_within((first.shape[1], first.shape[0]), self._reading.max_size)
        self._first = resized(first, self._size)
        self.info = Info(
            path=str(self._path),
            kind="animation" if moving else "image",
            size=self._size,
            frames=self._reading.cut.count(len(self._numbers), None, None),
            loop=_plays(image) if moving else None,
            format=str(image.format or ""),
        )

    def _listed(self) -> list[int]:
        """Returns the numbers of the file's pictures that are shown."""
        image = self._image
        if image.format == "GIF":
            with self._path.open("rb") as file:
                size = canvas(file)
                self._blocks = list(blocks(file))
            timed = any(b.delay for b in self._blocks)
            shown = [i for i, b in enumerate(self._blocks[:-1]) if not _part(b, size, timed)]
            return [*shown, max(0, len(self._blocks) - 1)]
        with guarded(self._path, self._reading):
            count = getattr(image, "n_frames", 1)
        if count == 1 or image.format in ("TIFF", "MPO") or not getattr(image, "is_animated", False):
            return [0]
        # A PNG's first picture may be only for those who cannot show the animation.
        return list(range(1 if getattr(image, "default_image", False) else 0, count))

    def _first_picture(self) -> Array:
        try:
            return self._read(self._numbers[0])
        except VidcamError as error:
            if len(self._numbers) > 1 or not _PARTIAL.search(str(error)):
                raise
        # The beginning of a picture is better than none.
        self.close()
        self._image = open_image(self._path, self._reading)
        self._reader = _GifReader(self._blocks, self._image.size) if self._blocks else _read
        self.damaged = 1
        return self._read(self._numbers[0], lenient=True)

    def _read(self, number: int, lenient: bool = False) -> Array:
        with guarded(self._path, self._reading, lenient):
            picture: Array = self._reader(self._image, number, self._reading.background)
        self._reading.check(self._path, (picture.shape[1], picture.shape[0]))
        return picture

    def _shots(self) -> Iterator[Shot]:
        time = Fraction(0)
        for position, number in enumerate(self._numbers):
            try:
                picture = resized(self._read(number), self._size) if position else self._first
            except BombError:
                raise
            except VidcamError:
                # What follows is drawn over this picture: nothing after it can be had.
                self.damaged += len(self._numbers) - position
                return
            delay = self._delay(number)
            if len(self._numbers) == 1:
                yield Shot(time, delay or None, picture, self._size)
                return
            yield Shot(time, delay, picture, self._size)
            time += delay

    def _delay(self, number: int) -> Fraction:
        """Returns the seconds that a picture, the one just read, is shown: exactly as the file has them."""
        if self._blocks:
            return Fraction(self._blocks[number].delay or 0, 100)
        return Fraction(self._image.info.get("duration", 0)).limit_denominator(100_000) / 1000


class BombError(VidcamError):
    """A picture larger than is allowed."""


class _GifReader:
    """Composes a GIF's pictures: Pillow's, made transparent where no image has been drawn or one was cleared."""

    def __init__(self, blocks: list[Block], size: tuple[int, int]) -> None:
        self._blocks = blocks
        self._drawn = np.zeros((size[1], size[0]), bool)
        self._before = self._drawn.copy()
        self._next = 0

    def __call__(self, image: Any, number: int, background: tuple[int, int, int]) -> Array:
        while self._next <= number:
            image.seek(self._next)
            self._draw(self._next)
            self._next += 1
        image.load()
        # Pillow's canvas grows with an image that sticks out of it.
        picture = np.array(image.convert("RGBA"))[: self._drawn.shape[0], : self._drawn.shape[1]]
        picture[~self._drawn, 3] = 0
        return _over(Image.fromarray(picture), background)

    def _draw(self, number: int) -> None:
        if number:
            last = self._blocks[number - 1]
            if last.disposal == 2:
                self._drawn[_area(last)] = False
            elif last.disposal == 3:
                self._drawn = self._before
        block = self._blocks[number]
        if block.disposal == 3:
            self._before = self._drawn.copy()
        self._drawn[_area(block)] = True


def _area(block: Block) -> tuple[slice, slice]:
    x0, y0, x1, y1 = block.box
    return slice(y0, y1), slice(x0, x1)


def _part(block: Block, size: tuple[int, int], timed: bool) -> bool:
    """Whether an image that is not the last is only a part of the next one's picture.

    That is how more than 256 colours, or several patches at once, are stored: images without a delay of their own, or,
    in a file that has delays (`timed`), patches with a delay of 0. An image of the whole canvas with a delay of 0 is a
    picture.
    """
    x0, y0, x1, y1 = block.box
    whole = x0 <= 0 and y0 <= 0 and x1 >= size[0] and y1 >= size[1]
    return block.delay is None or (block.delay == 0 and timed and not whole)


def open_image(path: Path, reading: Reading) -> Any:
    """Opens a file with Pillow and checks its size before a pixel is read.

    Raises:
        VidcamError: it is no image, or too large.
    """
    with guarded(path, reading):
        image = Image.open(path)
    try:
        reading.check(path, image.size)
    except VidcamError:
        image.close()
        raise
    return image


def read_still(path: Path, reading: Reading) -> Array:
    """Returns the first picture of a file, RGB uint8 (H, W, 3), upright.

    Raises:
        VidcamError: it cannot be read.
    """
    image = open_image(path, reading)
    try:
        with guarded(path, reading, lenient=True):
            return _read(image, 0, reading.background)
    finally:
        image.close()


def _read(image: Any, number: int, background: tuple[int, int, int]) -> Array:
    if number != image.tell():
        image.seek(number)
    image.load()
    picture = ImageOps.exif_transpose(image)
    if picture.mode.startswith("I"):  # 16 bits a sample
        deep = np.asarray(picture.convert("I")).clip(0, 65535)
        picture = Image.fromarray((deep >> 8).astype(np.uint8))
    return _over(picture, background)


def _over(picture: Any, background: tuple[int, int, int]) -> Array:
    if picture.has_transparency_data:
        ground = Image.new("RGBA", picture.size, (*background, 255))
        picture = Image.alpha_composite(ground, picture.convert("RGBA"))
    return np.asarray(picture.convert("RGB"))


@contextmanager
def guarded(path: Path, reading: Reading, lenient: bool = False) -> Iterator[None]:
    """Runs Pillow under a limit of pixels and turns what it raises into one line.

    Args:
        path: the file, for the message.
        reading: its `max_pixels` is the limit.
        lenient: whether a picture that ends early is shown as far as it goes.
    """
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Pillow refuses twice its limit, and looks again at every later frame of an animation.
        limit, truncated = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
        Image.MAX_IMAGE_PIXELS = max(1, reading.max_pixels // 2)
        ImageFile.LOAD_TRUNCATED_IMAGES = lenient
        try:
            yield
        except Image.DecompressionBombError:
            raise BombError(f"{path}: its pictures have more pixels than --max-pixels {reading.max_pixels}") from None
        except MemoryError:
            raise VidcamError(f"{path}: its pictures do not fit into memory") from None
        except _BROKEN as error:
            raise VidcamError(f"{path}: cannot be read as an image ({_reason(error)})") from None
        finally:
            Image.MAX_IMAGE_PIXELS = limit
            ImageFile.LOAD_TRUNCATED_IMAGES = truncated


def _reason(error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "unknown or damaged format"
    return " ".join(str(error).split()) or type(error).__name__


def _plays(image: Any) -> int:
    """Returns how often an animation plays, 0 for ever. GIF counts repetitions, the others count plays."""
    loop = image.info.get("loop")
    if image.format != "GIF":
        return int(loop or 0)
    if loop is None:
        return 1
    return int(loop) + 1 if loop else 0
