"""Media files for the tests, made on the spot: every kind of file that people have, each showing a known picture."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

os.environ.setdefault("SVT_LOG", "0")  # SVT-AV1 writes to standard error otherwise
RED, GREEN, BLUE, GREY = (200, 40, 40), (40, 180, 60), (50, 60, 190), (170, 170, 170)


def picture(number: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    """Four quarters in four colours and a grey bar across the middle whose brightness counts the frames."""
    width, height = size
    rgb = np.zeros((height, width, 3), np.uint8)
    y, x = height // 2, width // 2
    rgb[:y, :x], rgb[:y, x:], rgb[y:, :x], rgb[y:, x:] = RED, GREEN, BLUE, GREY
    rgb[y - height // 8 : y + height // 8] = 20 + 10 * number % 220
    return rgb


def number_of(rgb: np.ndarray) -> int:
    """Reads the bar of `picture` back."""
    height, width = rgb.shape[:2]
    level = rgb[height // 2 - 1 : height // 2 + 1, width // 4 : -width // 4].mean()
    return round((level - 20) / 10)


@dataclass
class Sound:
    """A tone to put into a file."""

    codec: str = "aac"
    rate: int = 48000
    start: Fraction = Fraction(0)
    seconds: Fraction = Fraction(1)
    language: str = ""


@dataclass
class Video:
    """A video to make; the defaults give the plainest file there is."""

    frames: int = 20
    size: tuple[int, int] = (64, 48)
    codec: str = "libx264"
    pixels: str = "yuv420p"
    rate: int = 25
    times: Sequence[int] = ()  # of the frames, in 1/1000 s; evenly at `rate` by default
    start: int = 0  # added to all times, in 1/1000 s
    matrix: int = 5  # swscale's number: 1 BT.709, 5 BT.601
    full: bool = False
    tagged: bool = True
    transfer: int = 2  # FFmpeg's number; 16 PQ, 18 HLG
    rotation: int = 0  # counter-clockwise degrees written into the file
    flip: bool = False
    aspect: Fraction = Fraction(1)
    interlaced: bool = False
    sounds: Sequence[Sound] = ()
    second: tuple[int, int] | None = None  # size of a further video stream
    second_frames: int | None = None  # its frames, the others' first ones; as many by default
    defaults: tuple[bool, ...] = ()  # which video streams are marked as default; the format decides where none is given
    second_first: bool = False
    cover: bool = False
    options: dict[str, str] = field(default_factory=dict)
    container: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    draw: Callable[[int, tuple[int, int]], np.ndarray] = picture

    def milliseconds(self) -> list[int]:
        times = list(self.times) or [round(1000 * i / self.rate) for i in range(self.frames)]
        return [t + self.start for t in times]


_EXACT = 0x40000 | 0x2000  # swscale: accurate rounding, full chroma interpolation
_LOSSLESS = {
    "libx264": {"crf": "4", "preset": "ultrafast"},
    "libx265": {"crf": "4", "x265-params": "log-level=none:pools=none:frame-threads=1:bframes=0"},
}


@contextmanager
def ordinary_priority() -> Iterator[None]:
    """Puts this thread back where it was.

    SVT-AV1 makes the thread that encodes a real-time one for good, where the user may do so (root, in containers). All
    that such a thread starts inherits it: a browser that then waits in a loop keeps every other process from running.
    """
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


def write_video(path: Path, video: Video) -> Path:
    """Writes a video file and returns its path."""
    with ordinary_priority(), av.open(str(path), "w", options=video.container) as container:
        container.metadata.update(video.metadata)
        sizes = [video.size, *([video.second] if video.second else [])]
        streams = [_add_video(container, video, size) for size in (sizes[::-1] if video.second_first else sizes)]
        for stream, default in zip(streams, video.defaults, strict=False):
            stream.disposition = av.stream.Disposition.default if default else av.stream.Disposition(0)
        sounds = [_add_sound(container, sound) for sound in video.sounds]
        if video.cover:
            cover = container.add_stream("mjpeg", rate=1, width=32, height=32, pix_fmt="yuvj420p")
            cover.disposition = av.stream.Disposition.attached_pic
            streams.append(cover)
        container.start_encoding()
        if video.cover:
            still = av.VideoFrame.from_ndarray(picture(3, (32, 32)), "rgb24").reformat(format="yuvj420p")
            container.mux(cover.encode(still))
        pending = [_tone(stream, sound) for stream, sound in zip(sounds, video.sounds, strict=True)]
        for number, time in enumerate(video.milliseconds()):
            for stream in streams[: 2 if video.second else 1]:
                further = (stream.width, stream.height) == video.second
                if not further or video.second_frames is None or number < video.second_frames:
                    container.mux(stream.encode(_frame(video, stream, number, time)))
            for tone in pending:
                container.mux([p for until in [time / 1000 + 0.2] for p in tone(until)])
        for tone in pending:
            container.mux(tone(float("inf")))
        for stream in (*streams, *sounds):
            container.mux(stream.encode(None))
    return path


def _add_video(container: Any, video: Video, size: tuple[int, int]) -> Any:
    options = {**_LOSSLESS.get(video.codec, {}), **video.options}
    stream = container.add_stream(video.codec, rate=video.rate, options=options)
    stream.width, stream.height, stream.pix_fmt = *size, video.pixels
    context = stream.codec_context
    if video.codec not in ("mpeg4", "mpeg1video", "mpeg2video", "flv", "mjpeg"):
        context.time_base = Fraction(1, 1000)
    if video.codec in ("mpeg4", "mpeg1video", "mpeg2video", "flv", "mjpeg", "libvpx", "libvpx-vp9"):
        context.bit_rate = 4_000_000
    context.sample_aspect_ratio = video.aspect
    if video.tagged:
        context.colorspace = 1 if video.matrix == 1 else 6
        context.color_range = 2 if video.full else 1
    if video.transfer != 2:
        context.colorspace, context.color_primaries, context.color_trc = 9, 9, video.transfer
    if video.rotation or video.flip:
        stream.set_display_rotation(video.rotation, hflip=video.flip)
    return stream


def _frame(video: Video, stream: Any, number: int, time: int) -> Any:
    rgb = video.draw(number, (stream.width, stream.height))
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), "rgb24")
    frame = frame.reformat(
        format=video.pixels,
        src_colorspace=video.matrix,
        dst_colorspace=video.matrix,
        src_color_range=2,
        dst_color_range=2 if video.full else 1,
        interpolation=2 | _EXACT,
    )
    base = stream.codec_context.time_base or Fraction(1, video.rate)
    frame.time_base = base
    frame.pts = round(Fraction(time, 1000) / base)
    return frame


def _add_sound(container: Any, sound: Sound) -> Any:
    stream = container.add_stream(sound.codec, rate=sound.rate)
    stream.codec_context.layout = "stereo"
    if sound.language:
        stream.metadata["language"] = sound.language
    return stream


def _tone(stream: Any, sound: Sound) -> Callable[[float], list[Any]]:
    position = 0
    total = int(sound.seconds * sound.rate)

    def until(seconds: float) -> list[Any]:
        nonlocal position
        packets = []
        while position < total and float(sound.start) + position / sound.rate < seconds:
            count = min(960, total - position)
            wave = np.sin(np.arange(position, position + count) * 2 * np.pi * 440 / sound.rate) * 8000
            samples = np.repeat(wave.astype(np.int16)[:, None], 2, axis=1).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), "s16", "stereo")
            frame.sample_rate = sound.rate
            frame.time_base = Fraction(1, sound.rate)
            frame.pts = position + int(sound.start * sound.rate)
            packets += stream.encode(frame)
            position += count
        return packets

    return until


def write_animation(path: Path, delays: Sequence[int], size: tuple[int, int] = (64, 48), **options: Any) -> Path:
    """Writes a GIF, APNG, WebP or AVIF by its suffix; delays in milliseconds."""
    pictures = [Image.fromarray(picture(i, size)) for i in range(len(delays))]
    if path.suffix == ".gif":
        options.setdefault("disposal", 1)
    if path.suffix == ".webp":
        options = {"lossless": True, **options}
    if path.suffix == ".avif":
        options = {"quality": 95, **options}
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=list(delays), loop=0, **options)
    return path


def streams_of(path: Path) -> list[dict[str, Any]]:
    """Returns for each stream its type, codec, and packets as (seconds, bytes), in order of time."""
    found = []
    with av.open(str(path)) as container:
        count = len(container.streams)
    for index in range(count):
        with av.open(str(path)) as container:
            stream = container.streams[index]
            stored = [p for p in container.demux(stream) if p.size and p.pts is not None]
            packets = [(Fraction(p.pts) * p.time_base, bytes(p)) for p in stored]
            found.append(
                {
                    "type": stream.type,
                    "codec": stream.codec_context.codec.canonical_name if stream.codec_context else "",
                    "language": stream.metadata.get("language", ""),
                    "packets": sorted(packets, key=lambda p: p[0]),
                }
            )
    return found
