"""Which source reads a file and which sink writes one."""

from __future__ import annotations

import re
from pathlib import Path

from vidcam.errors import UsageError, VidcamError
from vidcam.media.base import (
    ANIMATION_SUFFIXES,
    DEFAULT_MAX_PIXELS,
    STILL_SUFFIXES,
    SUFFIXES,
    VIDEO_SUFFIXES,
    Info,
    Sink,
    Source,
)
from vidcam.media.cut import Cut, Reading, Seconds, exact
from vidcam.media.target import Target

DEFAULT_CRF = 20
DEFAULT_PRESET = "veryfast"
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")

_PICTURE_SIGNATURES = (
    rb"GIF8[79]a",
    rb"\x89PNG\r\n\x1a\n",
    rb"\xff\xd8\xff",
    rb"RIFF....WEBP",
    rb"....ftypavi[fs]",
    rb"BM",
    rb"II\*\0|MM\0\*",
)
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
    if max_size is not None and max_size < 1:
        raise UsageError(f"--max-size {max_size}: must be at least 1")
    if max_pixels < 1:
        raise UsageError(f"--max-pixels {max_pixels}: must be at least 1")
    reading = Reading(cut, max_size, max_pixels, background)
    file = Path(path)
    if file.is_dir() or ("%" in file.name and not file.exists()):
        from vidcam.media.sequence import SequenceSource

        return SequenceSource(file, reading, fps)
    if fps is not None:
        raise UsageError(f"--fps: {file} has its own times; it is for a folder or a pattern of images")
    head = _head(file)
    if _PICTURE.match(head):
        from vidcam.media.pictures import PictureSource

        return PictureSource(file, reading)
    from vidcam.media.video import VideoSource

    return VideoSource(file, reading)


def open_sink(
    path: str | Path,
    *,
    source: Info,
    start: Seconds | None = None,
    end: Seconds | None = None,
    fps: Seconds | None = None,
    width: int | None = None,
    crf: int | None = None,
    preset: str | None = None,
    loop: int | None = None,
    audio: bool = True,
    comment: str = "",
    overwrite: bool = False,
) -> Sink:
    """Opens an output; its suffix decides the format.

    Args:
        path: `.mp4`, `.mov`, `.mkv` (H.264 with the source's sound), `.gif`, `.webp`, `.png`, `.jpg`.
        source: what the pictures come from: sound, delays and loop count are taken over.
        start: as given to `open_source`; the output's time 0.
        end: as given to `open_source`; the sound ends there.
        fps: at most so many pictures a second in a `.gif` or `.webp` made from a video.
        width: pixels of a `.gif` or `.webp`, the height follows.
        crf: H.264 constant rate factor, 0 (best) to 51; 20 by default.
        preset: libx264's trade of time for size; `veryfast` by default.
        loop: how often a `.gif` or `.webp` plays, 0 for ever; the source's own by default.
        audio: whether the sound is copied.
        comment: provenance for the file's comment tag.
        overwrite: whether an existing file may be replaced.

    Returns:
        The sink; nothing appears under the final name before it is closed.

    Raises:
        UsageError: an argument makes no sense, or the file exists.
        VidcamError: the file cannot be written.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    _check_output(file, suffix, source, start)
    _check_suited(file, suffix, {"fps": fps, "width": width, "loop": loop}, ANIMATION_SUFFIXES)
    _check_suited(file, suffix, {"crf": crf, "preset": preset}, VIDEO_SUFFIXES)
    crf = DEFAULT_CRF if crf is None else crf
    preset = DEFAULT_PRESET if preset is None else preset
    if not 0 <= crf <= 51:
        raise UsageError(f"--crf {crf}: must be from 0 (best) to 51")
    if preset not in PRESETS:
        raise UsageError(f"--preset {preset}: choose one of {', '.join(PRESETS)}")
    if loop is not None and not 0 <= loop <= 65535:
        raise UsageError(f"--loop {loop}: must be from 0 (for ever) to 65535")
    if fps is not None and fps <= 0:
        raise UsageError(f"--fps {fps}: must be above 0")
    if width is not None and width < 1:
        raise UsageError(f"--width {width}: must be at least 1")
    zero = exact(start or 0)
    plays = loop if loop is not None else source.loop if source.loop is not None else 0
    target = Target(file, overwrite)
    try:
        if suffix in VIDEO_SUFFIXES:
            from vidcam.media.mp4 import VideoSink
            from vidcam.media.sound import Sound

            stop = None if end is None else exact(end)
            sound = Sound(source, zero, stop) if audio and source.audio else None
            options = {"crf": str(crf), "preset": preset}
            return VideoSink(target, source, zero=zero, sound=sound, options=options, comment=comment)
        if suffix == ".gif":
            from vidcam.media.gif import GifSink

            return GifSink(target, source, fps, width, plays)
        if suffix == ".webp" and source.kind != "image":
            from vidcam.media.webp import WebPSink

            return WebPSink(target, source, fps, width, plays)
        from vidcam.media.still import StillSink

        return StillSink(target, suffix, width, comment)
    except BaseException:
        target.discard()
        raise


def _check_suited(file: Path, suffix: str, options: dict[str, object], suffixes: tuple[str, ...]) -> None:
    """An option that the format knows nothing of is refused, not ignored."""
    for name, value in options.items():
        if value is not None and suffix not in suffixes:
            raise UsageError(f"--{name} {value}: is for {', '.join(suffixes)}, and {file} is another format")


def _check_output(file: Path, suffix: str, source: Info, start: Seconds | None) -> None:
    if suffix not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise UsageError(f"{file}: no output format of that name; end the name in one of {known}")
    if suffix in STILL_SUFFIXES and source.kind != "image" and start is None:
        formats = ", ".join((*VIDEO_SUFFIXES, *ANIMATION_SUFFIXES))
        raise UsageError(
            f"{file}: one picture cannot hold {'a video' if source.kind == 'video' else 'an animation'}; "
            f"give --start SECONDS to take a single frame, or choose one of {formats}"
        )
    try:
        same = file.samefile(source.path)
    except OSError:
        same = False
    if same:
        raise UsageError(f"{file}: is the input itself; choose another output")


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
