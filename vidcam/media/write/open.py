"""Which sink writes a file: decided by its suffix. What a format cannot do is refused here, before any work."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from vidcam._files import OutputFile
from vidcam.errors import UsageError
from vidcam.media.info import ANIMATION_SUFFIXES, STILL_SUFFIXES, SUFFIXES, VIDEO_SUFFIXES, Info
from vidcam.media.options import MediaOptions
from vidcam.media.times import Seconds, exact
from vidcam.media.write.sink import Sink

DEFAULT_CRF = 20
DEFAULT_PRESET = "veryfast"


def open_sink(
    path: str | Path,
    *,
    source: Info,
    start: Seconds | None = None,
    end: Seconds | None = None,
    fps: Seconds | None = None,
    width: int | None = None,
    max_bytes: int | None = None,
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
        fps: at most so many pictures a second.
        width: of the pictures in pixels, an even number in a video; the height follows.
        max_bytes: how large a `.gif` or `.webp` may be; its width and rate go down until it is not larger.
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
    _check_suited(file, suffix, {"fps": fps, "width": width}, (*VIDEO_SUFFIXES, *ANIMATION_SUFFIXES))
    _check_suited(file, suffix, {"loop": loop, "max-bytes": max_bytes}, ANIMATION_SUFFIXES)
    _check_suited(file, suffix, {"crf": crf, "preset": preset}, VIDEO_SUFFIXES)
    rate = None if fps is None else Fraction(fps).limit_denominator(1_000_000)
    MediaOptions(  # checks them
        fps=None if fps is None else float(fps),
        width=width,
        max_bytes=max_bytes,
        loop=loop,
        crf=crf,
        preset=preset,
    )
    zero = exact(start or 0)
    plays = loop if loop is not None else source.loop if source.loop is not None else 0
    target = OutputFile(file, overwrite)
    try:
        if suffix in VIDEO_SUFFIXES:
            from vidcam.media.write.mp4 import VideoSink
            from vidcam.media.write.sound import Sound

            stop = None if end is None else exact(end)
            sound = Sound(source, zero, stop) if audio and source.audio else None
            options = {"crf": str(DEFAULT_CRF if crf is None else crf), "preset": preset or DEFAULT_PRESET}
            return VideoSink(
                target, source, zero=zero, sound=sound, options=options, comment=comment, fps=rate, width=width
            )
        if suffix == ".gif" or (suffix == ".webp" and source.kind != "image"):
            return _animation(target, source, plays, fps=rate, width=width, max_bytes=max_bytes)
        from vidcam.media.write.still import StillSink

        return StillSink(target, suffix, width, comment)
    except BaseException:
        target.discard()
        raise


def _animation(
    target: OutputFile, source: Info, plays: int, *, fps: Fraction | None, width: int | None, max_bytes: int | None
) -> Sink:
    """Opens a GIF or WebP."""

    def make(file: OutputFile, fps: Fraction | None, width: int | None) -> Sink:
        if target.path.suffix.lower() == ".gif":
            from vidcam.media.write.gif import GifSink

            return GifSink(file, source, fps, width, plays)
        from vidcam.media.write.webp import WebPSink

        return WebPSink(file, source, fps, width, plays)

    if max_bytes is None:
        return make(target, fps, width)
    from vidcam.media.write.bounded import BoundedSink

    return BoundedSink(target, make, max_bytes, source=source, fps=fps, width=width)


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
