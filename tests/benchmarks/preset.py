"""What x264's presets cost and give on overlays: time, size and likeness, the reason for the default.

    python -m tests.benchmarks.preset VIDEO... [--weights FILE] [--seconds S]

Each clip's overlay (MobileNetV2, Grad-CAM, the default look) is drawn once; its pictures are encoded with every preset
at the default CRF, interleaved, three rounds. Time is that of encoding alone, with the threads that a run gives the
encoder; SSIM (luma) is against the pictures that were encoded, the mean of every tenth.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

import av
import numpy as np

import vidcam
from tests.benchmarks.machine import cores, machine
from vidcam.media import PRESETS, open_sink, open_source
from vidcam.media.color import from_planes, to_yuv420p
from vidcam.pipeline.files import OutputFiles

SHOWN = PRESETS[: PRESETS.index("slow")]


def overlays(video: Path, classifier: Any, seconds: float) -> list[Any]:
    """Returns what a run hands to the encoder: `Drawn` pictures."""
    drawn: list[Any] = []
    write = OutputFiles.write

    def keep(self: OutputFiles, item: Any) -> None:
        drawn.append(item)
        write(self, item)

    with tempfile.TemporaryDirectory() as folder, mock.patch.object(OutputFiles, "write", keep):
        vidcam.run(video, Path(folder) / "out.mp4", model=classifier, end=seconds, preset="ultrafast")
    return drawn


def encode(video: Path, drawn: list[Any], out: Path, preset: str) -> float:
    """Encodes the pictures and returns the seconds it took."""
    with open_source(video) as source:
        info = source.info
    began = time.perf_counter()
    with open_sink(out, source=info, preset=preset, audio=False, overwrite=True) as sink:
        for d in drawn:
            write: Any = sink.write if isinstance(d.picture, np.ndarray) else sink.write_planes
            write(d.picture, d.frame.time, d.frame.duration)
    return time.perf_counter() - began


def luma(frame: Any) -> np.ndarray:
    """Returns a frame's Y, float32 (H, W)."""
    plane = frame.planes[0]
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width].astype(np.float32)


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the structural similarity of two planes (Wang et al. 2004: Gaussian window of 1.5 pixels)."""
    import cv2

    def blur(x: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(x, (11, 11), 1.5)

    ma, mb = blur(a), blur(b)
    va, vb, cov = blur(a * a) - ma * ma, blur(b * b) - mb * mb, blur(a * b) - ma * mb
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return float((((2 * ma * mb + c1) * (2 * cov + c2)) / ((ma * ma + mb * mb + c1) * (va + vb + c2))).mean())


def likeness(drawn: list[Any], out: Path) -> float:
    """Returns the mean SSIM of every tenth picture."""
    found = []
    with av.open(str(out)) as container:
        for i, frame in enumerate(container.decode(video=0)):
            if i % 10 == 0:
                picture = drawn[i].picture
                sent = to_yuv420p(picture) if isinstance(picture, np.ndarray) else from_planes(picture)
                found.append(ssim(luma(sent), luma(frame)))
    return float(np.mean(found))


def main() -> None:
    """Prints a row for each clip and preset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path, nargs="+")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    classifier = vidcam.load_model("mobilenet_v2", weights=options.weights)
    print(machine(cores()))
    print("| clip | preset | ms a frame | MB | SSIM |\n|---|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for video in options.videos:
            drawn = overlays(video, classifier, options.seconds)
            files = {preset: Path(folder) / f"{preset}.mp4" for preset in SHOWN}
            rounds = [[encode(video, drawn, files[p], p) for p in SHOWN] for _ in range(3)]
            for preset, took in zip(SHOWN, zip(*rounds, strict=True), strict=True):
                ms, size = 1000 * median(took) / len(drawn), files[preset].stat().st_size / 1e6
                print(f"| {video.stem} | {preset} | {ms:.1f} | {size:.2f} | {likeness(drawn, files[preset]):.4f} |")


if __name__ == "__main__":
    main()
