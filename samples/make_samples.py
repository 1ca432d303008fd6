"""Makes the sample clips, cat.mp4 and cat.gif, from three photographs.

A hand-held camera glides over a desk on which prints of them lie: a cup of coffee, a cat, a rocket. The photographs
come in the scikit-image wheel (`skimage/data`): "Chelsea the cat" by Stefan van der Walt and the cup by Rachel
Michetti, courtesy of Pikolo Espresso Bar, both CC0; the rocket by SpaceX, public domain. The desk is drawn, the sound a
synthetic purr.

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
GIF_SIZE = (288, 192)
GIF_STEP = 4  # frames: a delay of 16/100 s
RATE = 44100


DESK = (1500, 760)
PRINTS = {"coffee": (330, 370, -7.0), "chelsea": (765, 385, 4.0), "rocket": (1190, 375, -4.0)}
"""Where the middle of each print lies on the desk, in pixels, and how far it is turned, in degrees."""
PRINT_WIDTH, MARGIN = 400, 14
WAY = ((0.0, 560, 360, 700), (0.25, 640, 390, 640), (0.6, 850, 380, 560), (1.0, 1010, 390, 680))
"""Time (0 to 1), middle (x, y) and width of what the camera sees: the cat goes from the right side to the left."""


def desk() -> np.ndarray:
    """Draws an oak desk with long grain and puts the prints on it, uint8 (h, w, 3)."""
    from skimage import data

    rng = np.random.default_rng(5)
    width, height = DESK
    grain = cv2.GaussianBlur(rng.standard_normal((height, width)).astype(np.float32), (0, 0), sigmaX=60, sigmaY=1.2)
    fine = cv2.GaussianBlur(rng.standard_normal((height, width)).astype(np.float32), (0, 0), sigmaX=8, sigmaY=0.7)
    light = 1.0 + 0.05 * grain / grain.std() + 0.02 * fine / fine.std()
    canvas = np.array([150, 112, 78], np.float32) * light[..., None]
    for name, (x, y, degrees) in PRINTS.items():
        photo = getattr(data, name)()
        inner = cv2.resize(photo, (PRINT_WIDTH, PRINT_WIDTH * 2 // 3), interpolation=cv2.INTER_AREA)
        card = cv2.copyMakeBorder(inner, *(MARGIN,) * 4, cv2.BORDER_CONSTANT, value=(246, 244, 238))
        h, w = card.shape[:2]
        turn = cv2.getRotationMatrix2D((w / 2, h / 2), degrees, 1.0)
        turn[:, 2] += (x - w / 2, y - h / 2)
        mask = cv2.warpAffine(np.ones((h, w), np.float32), turn, DESK, flags=cv2.INTER_LINEAR)[..., None]
        shadow = cv2.GaussianBlur(np.roll(mask[..., 0], (9, 6), (0, 1)), (0, 0), 9)[..., None]
        canvas *= 1.0 - 0.5 * shadow
        canvas += mask * (cv2.warpAffine(card, turn, DESK, flags=cv2.INTER_CUBIC) - canvas)
    return canvas.clip(0, 255).astype(np.uint8)


def view(photo: np.ndarray, t: float, size: tuple[int, int]) -> np.ndarray:
    """Returns what the camera sees at t (0 to 1), with a hand's tremor."""
    tremor = [sum(np.sin(2 * np.pi * f * t * SECONDS + p) / f for f, p in waves) for waves in TREMOR]
    x, y, seen = (_eased(t, i) for i in (1, 2, 3))
    x, y = x + 3.0 * tremor[0], y + 3.0 * tremor[1]
    scale = seen / size[0]
    turn = np.deg2rad(0.6 * tremor[2])
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    middle = np.array([(size[0] - 1) / 2, (size[1] - 1) / 2])
    matrix = np.array([[cos, -sin, 0.0], [sin, cos, 0.0]])
    matrix[:, 2] = np.array([x, y]) - matrix[:, :2] @ middle
    sharp = cv2.GaussianBlur(photo, (0, 0), 0.45 * scale) if scale > 1 else photo
    return cv2.warpAffine(
        sharp, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT
    )


def _eased(t: float, column: int) -> float:
    """Interpolates a column of WAY without stops or corners."""
    times, values = [row[0] for row in WAY], [row[column] for row in WAY]
    dense = np.linspace(-0.3, 1.3, 801)
    smooth = np.interp(dense, times, values)
    kernel = np.hanning(121) / np.hanning(121).sum()
    return float(np.interp(t, dense[60:-60], np.convolve(smooth, kernel, "valid")))


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
    photo = desk()
    times = [i / (SECONDS * FPS) for i in range(SECONDS * FPS)]
    write_mp4([view(photo, t, SIZE) for t in times], HERE / "cat.mp4")
    small = [Image.fromarray(view(photo, t, GIF_SIZE)) for t in times[::GIF_STEP]]
    colors = Image.fromarray(np.hstack([np.asarray(picture) for picture in small[::4]]))
    palette = colors.quantize(160, dither=Image.Dither.NONE)
    indexed = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in small]
    delay = 1000 * GIF_STEP // FPS
    indexed[0].save(HERE / "cat.gif", save_all=True, append_images=indexed[1:], duration=delay, loop=0, optimize=False)


if __name__ == "__main__":
    main()
