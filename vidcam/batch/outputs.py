"""What an input of a batch is, and what becomes of it: its output's kind, how many parts it has, its poster."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from vidcam.batch.plan import Job
from vidcam.errors import VidcamError
from vidcam.media import Info, open_sink, open_source
from vidcam.media.info import STILL_SUFFIXES, VIDEO_SUFFIXES
from vidcam.pipeline.film import LENGTH
from vidcam.pipeline.stages import Stages, Watch

POSTER = 320
"""Longer side of a poster in pixels."""
FRAME_OPTIONS = ("max_size", "max_pixels", "background")


def look_at(job: Job) -> Info:
    """Returns what an input is; a decoder that hangs in it is given up."""
    options = {n: getattr(job.settings.media, n) for n in FRAME_OPTIONS if getattr(job.settings.media, n) is not None}
    watch = Watch(lambda: 0, f"{job.input.path}: opening it makes no progress; given up")
    with Stages() as stages:
        opening = (open_source(job.input.path, **options) for _ in range(1))
        source = next(stages.overlap(opening, 1, "look", watch))
    with source:
        return source.info


def parts_in(job: Job) -> int:
    """Returns how many parts an input may be cut into, by its length alone; 1 where it cannot be read."""
    if len(job.settings.models) > 1:  # nothing compares them across parts
        return 1
    if job.settings.format not in ("mp4", "same") or job.input.path.suffix.lower() in (".gif", *STILL_SUFFIXES):
        return 1
    try:
        info = look_at(job)
    except VidcamError:
        return 1
    seconds = info.duration or 0.0
    limit = job.settings.max_seconds or seconds
    return max(1, int(min(seconds, limit) / float(LENGTH)) if min(seconds, limit) >= 2 * LENGTH else 1)


def suffix_of(job: Job, info: Info) -> str:
    """Returns the suffix of an input's output. A still stays one, in its own format where it can be."""
    own = job.input.path.suffix.lower()
    same = job.settings.format == "same"
    if info.kind == "image":
        return own if same and own in (*STILL_SUFFIXES, ".webp") else ".png"
    if not same:
        return f".{job.settings.format}"
    if info.kind == "animation":
        return own if own in (".gif", ".webp") else ".gif"
    return own if own in VIDEO_SUFFIXES else ".mp4"


def write_poster(output: Path, poster: Path) -> None:
    """Writes a small JPEG of the middle of an output."""
    with open_source(output, max_size=POSTER) as source:
        middle = ((source.info.frames or 1) - 1) // 2
        frame = None
        for i, frame in enumerate(source):  # noqa: B007 - the last one, where there are fewer than the file says
            if i == middle:
                break
    if frame is not None:
        with open_sink(poster, source=Info(str(output), "image", frame.size), overwrite=True) as sink:
            sink.write(frame.rgb(), Fraction(0))
