"""What motion costs a frame: the flow between frames, the motion of a map's cells, and carrying maps along it.

    python -m tests.benchmarks.flow VIDEO [VIDEO ...] [--size 224] [--fit keep]

Every step is timed by the processor time of its thread, so that what else runs counts little; the table has the median
milliseconds a frame. The picture that the flow is found in is the network's input, which is there anyway.
"""

from __future__ import annotations

import argparse
import statistics
import time
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from vidcam.media import open_source
from vidcam.models import fit_frame
from vidcam.render.flow import Motions
from vidcam.render.scale import History

FRAMES = 200
CELL = 32
"""Pixels of the network's input for a cell of its map, as of most networks."""


def measure(video: Path, size: int, fit: str) -> dict[str, float]:
    """Returns the median milliseconds a frame of finding the motion, of smoothing along it, and of plain smoothing."""
    motions, along, plain = Motions(), History("running", 0.2), History("running", 0.2)
    spent: dict[str, list[float]] = {"motion": [], "along": [], "plain": []}
    rng = np.random.default_rng(0)
    with open_source(video) as source:
        for frame in islice(source, FRAMES):
            x = fit_frame(frame.rgb(), (size, size), fit)[0]  # type: ignore[arg-type]
            raw = rng.random((x.shape[0] // CELL, x.shape[1] // CELL), dtype=np.float32)
            at = [time.thread_time()]
            motion = motions(x).on(raw.shape)
            at.append(time.thread_time())
            along(raw, float(frame.time), motion=motion)
            at.append(time.thread_time())
            plain(raw, float(frame.time))
            at.append(time.thread_time())
            for name, seconds in zip(spent, np.diff(at).tolist(), strict=True):
                spent[name].append(1000 * seconds)
    return {name: statistics.median(values) for name, values in spent.items()}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+", type=Path, metavar="VIDEO")
    parser.add_argument("--size", type=int, default=224, help="The network's short side.")
    parser.add_argument("--fit", default="keep")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    print("| video | finding the motion, ms | smoothing along it, ms | plain smoothing, ms | more in all, ms |")
    print("|---|---:|---:|---:|---:|")
    for video in given.videos:
        ms = measure(video, given.size, given.fit)
        more = ms["motion"] + ms["along"] - ms["plain"]
        print(f"| {video.name} | {ms['motion']:.2f} | {ms['along']:.2f} | {ms['plain']:.2f} | {more:.2f} |", flush=True)


if __name__ == "__main__":
    main()
