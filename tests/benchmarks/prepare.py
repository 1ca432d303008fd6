"""Preparing frames for the network: from the planes that video stores, against through RGB at full size.

    python -m tests.benchmarks.prepare VIDEO [VIDEO ...] [--size 224] [--fit keep] [--against CHECKOUT]

Both ways take the same decoded frames in turn; the table has the median processor milliseconds a frame, and by how many
levels of 255 what the network sees differs on average, and where it differs most. With `--against` whole runs of each
video follow, here and in another checkout in turn, three times: the median processor seconds of the process, and of a
run of the video's first frames, which is what starting takes.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from vidcam.media import open_source
from vidcam.models import fit_frame, place
from vidcam.models.fit import fit_planes, shrinks_planes

FRAMES, ROUNDS = 100, 3
HERE = Path(__file__).resolve().parents[2]


def compare(video: Path, size: int, fit: str) -> str:
    """Prepares a video's frames in both ways and returns a line of the table."""
    ways: dict[str, list[float]] = {"rgb": [], "planes": []}
    differences, most = [], 0
    with open_source(video) as source:
        for frame in islice(source, FRAMES):
            placement = place(frame.size, (size, size), fit)  # type: ignore[arg-type]
            if frame.planes is None or not shrinks_planes(placement):
                return f"| {video.name} | {frame.size[0]}x{frame.size[1]} | through RGB alone | | | |"
            start = time.thread_time()
            from_planes = fit_planes(frame.planes, placement)
            middle = time.thread_time()
            from_rgb = fit_frame(frame.rgb(), (size, size), fit)[0]  # type: ignore[arg-type]
            ways["planes"].append(middle - start)
            ways["rgb"].append(time.thread_time() - middle)
            difference = np.abs(from_planes.astype(int) - from_rgb)
            differences.append(difference.mean())
            most = max(most, int(difference.max()))
    rgb, planes = (1000 * statistics.median(ways[way]) for way in ("rgb", "planes"))
    shape = f"{frame.size[0]}x{frame.size[1]} to {placement.input[0]}x{placement.input[1]}"
    return f"| {video.name} | {shape} | {rgb:.2f} | {planes:.2f} | {np.mean(differences):.2f} | {most} |"


def seconds(checkout: Path, video: Path, *options: str) -> float:
    """Returns the processor seconds of a whole run."""
    with tempfile.TemporaryDirectory() as folder:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, "-m", "vidcam", "run", video, "-o", Path(folder) / "out.mp4", "-q", *options],
            env={**os.environ, "PYTHONPATH": str(checkout)},
            cwd=folder,
            check=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--fit", default="keep")
    parser.add_argument("--against", type=Path, metavar="CHECKOUT")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    print("| video | frames | RGB ms | planes ms | levels, mean | most |\n|---|---|---|---|---|---|")
    for video in given.videos:
        print(compare(video, given.size, given.fit), flush=True)
    for video in given.videos if given.against else ():
        taken: dict[tuple[str, str], list[float]] = {}
        for _ in range(ROUNDS):
            for name, checkout in (("here", HERE), ("the other", given.against)):
                for part, options in (("start", ("--end", "0.1")), ("all", ())):
                    taken.setdefault((name, part), []).append(seconds(checkout, video.absolute(), *options))
        for name in ("here", "the other"):
            whole, start = (statistics.median(taken[name, part]) for part in ("all", "start"))
            print(f"{video.name}, {name}: {whole:.2f} s, of these {start:.2f} to start", flush=True)


if __name__ == "__main__":
    main()
