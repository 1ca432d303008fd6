"""Which source reads a file: decided by its first bytes, not by its name."""

from __future__ import annotations

import re
from pathlib import Path

from vidcam.errors import UsageError, VidcamError
from vidcam.media.info import DEFAULT_MAX_PIXELS
from vidcam.media.options import MediaOptions
from vidcam.media.read.cut import Cut, Reading
from vidcam.media.read.source import Source
from vidcam.media.times import Seconds

_PICTURE_SIGNATURES = (
    rb"GIF8[79]a",
    rb"\x89PNG\r\n\x1a\n",
    rb"\xff\xd8\xff",
    rb"RIFF....WEBP",
    rb"....ftypavi[fs]",
    rb"BM",
    rb"II\*\0|MM\0\*",
)
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/+(.*)", re.IGNORECASE | re.DOTALL)
"""As `Path` has it, with one slash; a drive of Windows has one letter."""
_PICTURE = re.compile(rb"|".join(_PICTURE_SIGNATURES), re.DOTALL)


def open_source(
    path: str | Path,
    *,
    start: Seconds | None = None,
    end: Seconds | None = None,
    stride: int = 1,
    fps: Seconds | None = None,
    max_size: int | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    background: tuple[int, int, int] = (255, 255, 255),
) -> Source:
    """Opens a video, animation, image or image sequence.

    Args:
        path: a file, a folder of images, or a numbered pattern such as `frame_%04d.png`.
        start: seconds from the start of the stream; earlier frames are left out.
        end: seconds; frames from here on are left out.
        stride: take every so-manieth frame.
        fps: frames a second of a folder or pattern, which have no times of their own.
        max_size: the longer side of larger frames is brought to this many pixels.
        max_pixels: larger pictures are refused before memory is spent on them.
        background: RGB 0..255, shown through transparent pixels.

    Returns:
        The source, open; its first frame has been read.

    Raises:
        UsageError: an argument makes no sense.
        VidcamError: there is no such file, it holds no picture, or none in the asked time.
    """
    cut = Cut.of(start, end, stride)
    MediaOptions(max_size=max_size, max_pixels=max_pixels)  # checks them
    reading = Reading(cut, max_size, max_pixels, background)
    file = Path(path)
    _check_no_address(file)
    if file.is_dir() or ("%" in file.name and not file.exists()):
        from vidcam.media.read.sequence import SequenceSource

        return SequenceSource(file, reading, fps)
    if fps is not None:
        raise UsageError(f"--fps: {file} has its own times; it is for a folder or a pattern of images")
    head = _head(file)
    if _PICTURE.match(head):
        from vidcam.media.read.pictures import PictureSource

        return PictureSource(file, reading)
    from vidcam.media.read.video import VideoSource

    return VideoSource(file, reading)


def _check_no_address(file: Path) -> None:
    """Raises a UsageError for the address of something that is not on this machine."""
    found = _ADDRESS.match(str(file))
    if found and not file.exists():
        url = f"{found[1]}://{found[2]}"
        raise UsageError(f"{url}: is an address; download the file first, or watch a stream with `vidcam live {url}`")


def _head(file: Path) -> bytes:
    try:
        if file.exists() and not file.is_file():  # a pipe or a device would be waited for
            raise VidcamError(f"{file}: is no file; save what it gives to a file first")
        with file.open("rb") as opened:
            head = opened.read(32)
    except FileNotFoundError:
        raise VidcamError(f"{file}: no such file") from None
    except OSError as error:
        raise VidcamError(f"{file}: cannot be read: {error.strerror}") from None
    except ValueError as error:  # a NUL in the name
        raise VidcamError(f"{str(file)!r}: cannot be read: {error}") from None
    if not head:
        raise VidcamError(f"{file}: is empty")
    return head
