"""The blocks of a GIF file (GIF89a specification, CompuServe 1990), read without decoding a pixel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO


@dataclass(frozen=True)
class Block:
    """One image of a GIF file.

    Attributes:
        delay: hundredths of a second, None where the image has no graphic control extension.
        disposal: what happens to it afterwards: 2 clears its part of the canvas, 3 brings back what was there.
        box: x0, y0, x1, y1 on the canvas in pixels.
        at: where in the file the delay is stored, -1 where it is not.
    """

    delay: int | None
    disposal: int
    box: tuple[int, int, int, int]
    at: int


def canvas(file: BinaryIO) -> tuple[int, int]:
    """Returns the (width, height) that the file's header gives."""
    file.seek(6)
    size = file.read(4)
    return int.from_bytes(size[:2], "little"), int.from_bytes(size[2:], "little")


def blocks(file: BinaryIO) -> Iterator[Block]:
    """Returns the images of a file up to its end or the place where it is broken.

    Args:
        file: opened for reading; it may be moved and written to between two images, as long as it is moved back.
    """
    file.seek(10)
    if len(head := file.read(3)) < 3:
        return
    _skip_colors(file, head[0])
    delay, disposal, at = None, 0, -1
    while kind := file.read(1):
        if kind == b",":
            if len(image := file.read(9)) < 9:
                return
            x, y, width, height = (int.from_bytes(image[i : i + 2], "little") for i in (0, 2, 4, 6))
            _skip_colors(file, image[8])
            file.seek(1, 1)  # the code size
            _skip_data(file)
            yield Block(delay, disposal, (x, y, x + width, y + height), at)
            delay, disposal, at = None, 0, -1
        elif kind == b"!":
            if file.read(1) == b"\xf9":
                control = file.read(5)
                if len(control) == 5 and control[0] == 4:
                    delay, disposal, at = int.from_bytes(control[2:4], "little"), control[1] >> 2 & 7, file.tell() - 3
                else:
                    file.seek(-len(control), 1)
            _skip_data(file)
        else:
            return


def _skip_colors(file: BinaryIO, flags: int) -> None:
    if flags & 0x80:
        file.seek(3 << (flags & 7) + 1, 1)


def _skip_data(file: BinaryIO) -> None:
    while (length := file.read(1)) not in (b"", b"\0"):
        file.seek(length[0], 1)
