"""Makes the sample clips, cat.mp4 and cat.gif, from a photograph.

The photograph is "Chelsea the cat" by Stefan van der Walt, CC0, as shipped in the scikit-image wheel
(`skimage/data/chelsea.png`). A hand-held camera pans and zooms over it; the sound is a synthetic purr.

Run: pip install vidcam scikit-image && python samples/make_samples.py
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image

HERE = Path(__file__).parent
SIZE = (384, 256)
SECONDS = 4
FPS = 25
GIF_SIZE = (240, 160)
GIF_STEP = 4  # frames: a delay of 16/100 s
RATE = 44100


def view(photo: np.ndarray, t: float, size: tuple[int, int]) -> np.ndarray:
    """Returns what the camera sees at t (0 to 1): from the whole cat to its face, with a hand's tremor."""
    height, width = photo.shape[:2]
    ease = t * t * (3 - 2 * t)
    zoom = 1.10 + 0.35 * np.sin(np.pi * ease) ** 2
    seen = min(width, height * size[0] / size[1]) / zoom
    tremor = [sum(np.sin(2 * np.pi * f * t * SECONDS + p) / f for f, p in waves) for waves in TREMOR]
    x = width * (0.42 + 0.16 * ease) + 2.0 * tremor[0]
    y = height * (0.47 + 0.06 * np.sin(2 * np.pi * ease)) + 2.0 * tremor[1]
    half_w, half_h = seen / 2, seen * size[1] / size[0] / 2
    x, y = np.clip(x, half_w, width - half_w), np.clip(y, half_h, height - half_h)
    scale = seen / size[0]
    turn = np.deg2rad(0.6 * tremor[2])
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    middle = np.array([(size[0] - 1) / 2, (size[1] - 1) / 2])
    matrix = np.array([[cos, -sin, 0.0], [sin, cos, 0.0]])
    matrix[:, 2] = np.array([x, y]) - 0.5 - matrix[:, :2] @ middle
    return cv2.warpAffine(
        photo, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )


TREMOR = (((1.3, 0.0), (3.1, 1.0)), ((1.7, 2.0), (2.9, 0.5)), ((0.9, 0.3), (2.3, 2.2)))


def purr() -> np.ndarray:
    """Returns a quiet purr: low noise that swells 25 times a second, float32 (1, samples)."""
    t = np.arange(SECONDS * RATE) / RATE
    noise = np.random.default_rng(7).standard_normal(t.size)
    low = np.convolve(noise, np.hanning(200) / 30, mode="same")
    breath = 0.6 + 0.4 * np.sin(2 * np.pi * 0.5 * t)
    return (0.12 * low * breath * (0.5 + 0.5 * np.sin(2 * np.pi * 25 * t))).astype(np.float32)[np.newaxis]


def write_mp4(frames: list[np.ndarray], path: Path) -> None:
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=FPS, options={"crf": "23", "preset": "slow"})
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        audio = container.add_stream("aac", rate=RATE, layout="mono", bit_rate=48000)
        for i, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        sound = purr()
        for start in range(0, sound.shape[1] - 1024, 1024):
            block = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[:, start : start + 1024]), "fltp", "mono")
            block.sample_rate, block.pts, block.time_base = RATE, start, Fraction(1, RATE)
            container.mux(audio.encode(block))
        container.mux(audio.encode(None))


def main() -> None:
    from skimage import data

    photo = data.chelsea()
    # Enlarged first, so that the slow camera glides instead of stepping from pixel to pixel.
    photo = cv2.resize(photo, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    times = [i / (SECONDS * FPS) for i in range(SECONDS * FPS)]
    write_mp4([view(photo, t, SIZE) for t in times], HERE / "cat.mp4")
    small = [Image.fromarray(view(photo, t, GIF_SIZE)) for t in times[::GIF_STEP]]
    palette = small[len(small) // 2].quantize(96, dither=Image.Dither.NONE)
    indexed = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in small]
    delay = 1000 * GIF_STEP // FPS
    indexed[0].save(HERE / "cat.gif", save_all=True, append_images=indexed[1:], duration=delay, loop=0, optimize=False)


if __name__ == "__main__":
    main()
