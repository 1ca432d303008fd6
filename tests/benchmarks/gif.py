"""GIF writing measured: vidcam's sink against imageio's default, on overlay clips.

    python -m tests.benchmarks.gif VIDEO [VIDEO ...] [--width 480] [--against CHECKOUT]

Each video gives a clip of 60 overlay frames (a moving heat, JET, alpha 0.4). The writers run in turn, three times, each
in a process of its own that has written a few pictures before; `--against` adds vidcam as it is in another checkout,
such as `git worktree add` makes. The table has the median seconds (wall and CPU), the bytes, the mean SSIM of the
channels (Gaussian window, sigma 1.5), the PSNR, and the flicker: by how many levels the parts change on average that
stand still in the clip (within 2 levels, 5x5 pixels around included). The clip's own flicker there is given too.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import imageio
import numpy as np
from PIL import Image

FRAMES, WIDTH, DELAY, ROUNDS = 60, 320, Fraction(7, 100), 3
HERE = Path(__file__).resolve().parents[2]


def overlay_clip(path: Path, width: int, stride: int = 2) -> np.ndarray:
    """Returns overlay frames of a video, RGB uint8 (N, H, W, 3): heat that wanders over the picture."""
    from vidcam.media import open_source

    frames = []
    with open_source(path, stride=stride) as source:
        for number, frame in enumerate(source):
            if number == FRAMES:
                break
            rgb = frame.rgb()
            height = round(rgb.shape[0] * width / rgb.shape[1])
            rgb = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
            t = number / 20
            y, x = np.mgrid[0.5:14.5, 0.5:8.5] / np.array([14, 8]).reshape(2, 1, 1)
            heat = np.exp(-((x - 0.5 - 0.15 * np.sin(2 * t)) ** 2 + (y - 0.5 - 0.1 * np.cos(1.3 * t)) ** 2) / 0.03)
            heat = cv2.resize(heat.astype(np.float32), (width, height)).clip(0, 1)
            colors = cv2.applyColorMap((heat * 255).astype(np.uint8), cv2.COLORMAP_JET)[..., ::-1]
            frames.append(cv2.addWeighted(rgb, 0.6, np.ascontiguousarray(colors), 0.4, 0))
    return np.stack(frames)


def write_vidcam(clip: np.ndarray, path: Path) -> None:
    from vidcam.media import Info, open_sink

    cv2.setNumThreads(1)  # as in a run, whose stages fill the cores
    info = Info("clip", "video", (clip.shape[2], clip.shape[1]), fps=1 / DELAY)
    with open_sink(path, source=info, overwrite=True) as sink:
        for number, rgb in enumerate(clip):
            sink.write(rgb, number * DELAY, DELAY)


def write_imageio(clip: np.ndarray, path: Path) -> None:
    imageio.mimsave(path, list(clip), duration=int(DELAY * 1000))


def write_here(name: str, clip: np.ndarray, path: Path) -> None:
    """Writes a clip and prints the seconds that it took, by the wall and by the processor."""
    write = write_imageio if name == "imageio" else write_vidcam
    write(clip[:8], path)
    start, start_cpu = time.perf_counter(), time.process_time()
    write(clip, path)
    print(time.perf_counter() - start, time.process_time() - start_cpu)


def read(path: Path) -> np.ndarray:
    """Reads with Pillow, not with what is measured."""
    with Image.open(path) as image:
        return np.stack([(image.seek(i), np.asarray(image.convert("RGB")))[1] for i in range(image.n_frames)])


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Structural similarity (Wang et al. 2004), the mean over pixels and channels."""

    def blur(x: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(x, (11, 11), 1.5)

    a, b = a.astype(np.float32), b.astype(np.float32)
    ma, mb = blur(a), blur(b)
    va, vb, cov = blur(a * a) - ma * ma, blur(b * b) - mb * mb, blur(a * b) - ma * mb
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return float((((2 * ma * mb + c1) * (2 * cov + c2)) / ((ma * ma + mb * mb + c1) * (va + vb + c2))).mean())


def flicker(clip: np.ndarray, shown: np.ndarray) -> float:
    """Mean change in levels, from frame to frame, of the pixels that stand still in the clip."""
    changes: list[np.ndarray] = []
    for (a, b), (c, d) in zip(pairwise(clip), pairwise(shown), strict=True):
        still = cv2.erode((cv2.absdiff(a, b).max(axis=-1) <= 2).astype(np.uint8), np.ones((5, 5))) > 0
        changes.append(cv2.absdiff(c, d).mean(axis=-1)[still])
    return float(np.concatenate(changes).mean())


def measure(clip: np.ndarray, folder: Path, against: Path | None) -> None:
    writers = {"imageio": HERE, "vidcam": HERE, **({"vidcam, the other checkout": against} if against else {})}
    wall: dict[str, list[float]] = {name: [] for name in writers}
    cpu: dict[str, list[float]] = {name: [] for name in writers}
    np.save(folder / "clip.npy", clip)
    for _ in range(ROUNDS):
        for name, checkout in writers.items():
            made = subprocess.run(
                [sys.executable, Path(__file__), "--write", name, folder / "clip.npy", folder / f"{name}.gif"],
                env={**os.environ, "PYTHONPATH": str(checkout)},
                capture_output=True,
                text=True,
                check=True,
            )
            seconds, processor = map(float, made.stdout.split())
            wall[name].append(seconds)
            cpu[name].append(processor)
    for name in writers:
        path = folder / f"{name}.gif"
        shown = read(path)
        error = np.mean((clip.astype(np.float64) - shown) ** 2)
        likeness = np.mean([ssim(a, b) for a, b in zip(clip, shown, strict=True)])
        print(
            f"| {name} | {statistics.median(wall[name]):.2f} | {statistics.median(cpu[name]):.2f} "
            f"| {path.stat().st_size / 1e6:.2f} | {likeness:.4f} "
            f"| {10 * np.log10(255**2 / error):.1f} | {flicker(clip, shown):.2f} (clip {flicker(clip, clip):.2f}) |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--width", type=int, default=WIDTH)
    parser.add_argument("--against", type=Path, metavar="CHECKOUT")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for video in given.videos:
            clip = overlay_clip(video, given.width)
            print(f"\n{video.name}: {len(clip)} frames of {clip.shape[2]}x{clip.shape[1]}\n")
            print("| writer | s | CPU s | MB | SSIM | PSNR dB | flicker, levels |\n|---|---|---|---|---|---|---|")
            measure(clip, Path(folder), given.against)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--write"]:
        write_here(sys.argv[2], np.load(sys.argv[3]), Path(sys.argv[4]))
    else:
        main()
