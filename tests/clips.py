"""Small clips that the tests make for themselves, through PyAV and Pillow."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

RATE = 44100


def clip_pictures(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """A bright square that wanders over a smooth field, RGB uint8."""
    y, x = np.mgrid[:height, :width]
    field = np.stack([60 + x, 90 + y, 140 + 0 * x], axis=-1).clip(0, 255).astype(np.uint8)
    pictures = []
    for i in range(count):
        picture = field.copy()
        left = int((width - 16) * i / max(1, count - 1))
        picture[12:28, left : left + 16] = (250, 220, 30)
        pictures.append(picture)
    return pictures


def make_video(
    path: Path, count: int = 12, *, fps: int = 10, height: int = 48, width: int = 64, sound: bool = False
) -> Path:
    """Writes an H.264 MP4, with a tone as AAC where asked."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=fps, options={"crf": "10", "preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        audio = container.add_stream("aac", rate=RATE, layout="mono") if sound else None
        for i, picture in enumerate(clip_pictures(count, height, width)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, fps)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None:
            tone = (0.2 * np.sin(np.arange(count * RATE // fps) * 0.06)).astype(np.float32)[np.newaxis]
            for start in range(0, tone.shape[1] - 1023, 1024):
                block = av.AudioFrame.from_ndarray(np.ascontiguousarray(tone[:, start : start + 1024]), "fltp", "mono")
                block.sample_rate, block.pts, block.time_base = RATE, start, Fraction(1, RATE)
                container.mux(audio.encode(block))
            container.mux(audio.encode(None))
    return path


def make_gif(path: Path, delays: tuple[int, ...] = (10, 20, 5, 30), *, loop: int = 3) -> Path:
    """Writes a GIF with these delays in centiseconds."""
    pictures = [Image.fromarray(p) for p in clip_pictures(len(delays))]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=[10 * d for d in delays], loop=loop)
    return path


def make_sound(path: Path) -> Path:
    """Writes an MP4 that holds sound alone."""
    with av.open(str(path), "w") as container:
        audio = container.add_stream("aac", rate=RATE, layout="mono")
        for start in range(0, RATE // 4, 1024):
            block = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            block.sample_rate, block.pts, block.time_base = RATE, start, Fraction(1, RATE)
            container.mux(audio.encode(block))
        container.mux(audio.encode(None))
    return path


def read_frames(path: Path) -> tuple[list[np.ndarray], list[float]]:
    """Returns a video's pictures (RGB uint8) and times in seconds, read by PyAV alone."""
    with av.open(str(path)) as container:
        frames = [(f.to_ndarray(format="rgb24"), float(f.time)) for f in container.decode(video=0)]
    return [p for p, _ in frames], [t for _, t in frames]
