"""From video to video: `vidcam run` against a script of the usual kind (`tests/benchmarks/usual.py`).

    python -m tests.benchmarks.end_to_end [--weights FILE] [--video FILE] [--part warm|short]

`warm`: both are loaded and have written a short clip; the time is from opening the video to the finished file. The
processes take turns, the medians are shown. `short`: whole processes on the video's first 20 frames, from the start of
Python to its end, after one run of each that fills the caches on disk. The script squashes each frame to 224x224;
vidcam keeps the frame's aspect unless told `--fit squash`, which for a tall frame is twice the pixels and a finer map.
vidcam keeps the sound and writes H.264; the script loses the sound and writes mp4v, which is quicker to write.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

from tests.benchmarks.machine import VIDEO, WEIGHTS, cores, machine, versions
from tests.benchmarks.process import QUIET, ROOT, Process, serve

USUAL = "the usual script"
SHORT_FRAMES = 20
PACKAGES = ("vidcam", "tensorflow", "keras", "openvino", "opencv-python", "opencv-python-headless", "av")
RUNS: dict[str, dict[str, str]] = {
    "vidcam": {},
    "vidcam --fit squash": {"fit": "squash"},
    "vidcam --engine tensorflow": {"engine": "tensorflow"},
}
"""vidcam's runs and their options."""


def load_usual(weights: Path | None) -> Callable[[Path, Path], int]:
    from tests.benchmarks import usual

    model = usual.load(weights)
    return lambda video, out: usual.overlay(video, out, model)


def load_vidcam(weights: Path | None, options: dict[str, str]) -> Callable[[Path, Path], int]:
    """Loads the classifier; its graphs are built in the first run and kept for the others."""
    import vidcam

    classifier = vidcam.load_model(**model_of(weights), **{k: v for k, v in options.items() if k == "fit"})
    engine = {k: v for k, v in options.items() if k == "engine"}
    kept: dict[str, Any] = {}

    def explainer(*args: Any, **kwargs: Any) -> Any:
        if not kept:
            kept["explainer"] = vidcam.Explainer(*args, **kwargs)
        return kept["explainer"]

    def run(video: Path, out: Path) -> int:
        result = vidcam.run(video, out, model=classifier, overwrite=True, make_explainer=explainer, **engine)
        return result.frames

    return run


def model_of(weights: Path | None) -> dict[str, Any]:
    """Returns what `vidcam.load_model` takes for the weights, random where there are none."""
    if weights:
        return {"model": weights, "preprocess": "tf"}
    from vidcam._tensorflow import keras

    return {"model": keras.applications.MobileNetV2(weights=None), "preprocess": "tf"}


def serve_runs(name: str, weights: Path | None) -> None:
    """Loads one of the two, tries it on a short clip, and then writes and times videos as asked."""

    def prepare() -> tuple[dict[str, Any], Callable[[dict[str, Any]], dict[str, Any]]]:
        run = load_usual(weights) if name == USUAL else load_vidcam(weights, RUNS[name])

        def answer(question: dict[str, Any]) -> dict[str, Any]:
            began, cpu = time.perf_counter(), time.process_time()
            frames = run(Path(question["video"]), Path(question["out"]))
            return {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu, "frames": frames}

        return {}, answer

    serve(prepare)


def cut(video: Path, out: Path, frames: int) -> None:
    """Writes the first frames of a video, H.264 without sound, upright as the original."""
    from vidcam.media import open_sink, open_source

    with open_source(video) as source, open_sink(out, source=source.info, audio=False, overwrite=True) as sink:
        for frame in source:
            sink.write(frame.rgb(), frame.time, frame.duration or Fraction(1, 30))
            if frame.index + 1 == frames:
                break


def warm(names: list[str], options: argparse.Namespace, folder: Path) -> tuple[dict[str, list[float]], int]:
    """Returns the seconds that each takes for the whole video, and its frames."""
    clip = folder / "clip.mp4"
    cut(options.video, clip, SHORT_FRAMES)
    weights = [str(options.weights)] if options.weights else []
    module = [sys.executable, "-m", "tests.benchmarks.end_to_end", "--serve"]
    times: dict[str, list[float]] = {name: [] for name in names}
    workers: dict[str, Process] = {}
    frames = 0
    try:
        for name in names:
            command = [*module, name, *(["--weights", *weights] if weights else [])]
            workers[name] = Process(name, command, folder / f"{len(workers)}.log")
        for name, worker in workers.items():
            hello = worker.hello()
            if "missing" in hello:
                raise SystemExit(f"{name}: {hello['missing']}")
            worker.ask(video=str(clip), out=str(folder / "out.mp4"))
        for _ in range(options.rounds):
            for name, worker in workers.items():
                reply = worker.ask(video=str(options.video), out=str(folder / "out.mp4"))
                times[name].append(reply["seconds"])
                frames = reply["frames"]
    finally:
        for worker in workers.values():
            worker.close()
    return times, frames


def short(names: list[str], options: argparse.Namespace, folder: Path) -> dict[str, list[float]]:
    """Returns the seconds of whole processes on a clip of 20 frames."""
    clip, out = folder / "clip.mp4", folder / "out.mp4"
    cut(options.video, clip, SHORT_FRAMES)
    weights = options.weights
    if weights is None:
        weights = folder / "network.keras"
        model_of(None)["model"].save(weights)
    commands = {}
    for name in names:
        if name == USUAL:
            script = str(ROOT / "tests" / "benchmarks" / "usual.py")
            commands[name] = [sys.executable, script, str(clip), str(out), "--weights", str(weights)]
        else:
            given = [part for key, value in RUNS[name].items() for part in (f"--{key}", value)]
            model = ["--model", str(weights), "--preprocess", "tf", *given]
            commands[name] = [sys.executable, "-m", "vidcam", "run", str(clip), "-o", str(out), *model]
            commands[name] += ["--overwrite", "--quiet"]
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(options.rounds + 1):
        for name, command in commands.items():
            began = time.perf_counter()
            environment = os.environ | QUIET
            done = subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True)
            seconds = time.perf_counter() - began
            if done.returncode:
                raise SystemExit(f"{name}: exit code {done.returncode}\n{done.stderr[-2000:]}")
            if number:
                times[name].append(seconds)
    return times


def table(title: str, times: dict[str, list[float]], frames: int) -> list[str]:
    lines = [f"| {title} | s | ms a frame | times faster than {USUAL} |", "|---|---:|---:|---:|"]
    base = statistics.median(times[USUAL]) if USUAL in times else None
    for name, seconds in times.items():
        median = statistics.median(seconds)
        ratio = f"{base / median:.1f}" if base and name != USUAL else ""
        lines.append(f"| {name} | {median:.2f} | {1000 * median / frames:.0f} | {ratio} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="a .keras file of MobileNetV2; else random weights")
    parser.add_argument("--video", type=Path)
    parser.add_argument("--part", choices=["warm", "short", "both"], default="both")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(RUNS), default=list(RUNS)[:1], metavar="NAME")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.weights = options.weights or (WEIGHTS if WEIGHTS.exists() else None)
    if options.serve:
        serve_runs(options.serve, options.weights)
        return
    options.video = options.video or (VIDEO if VIDEO.exists() else None)
    if options.video is None:
        parser.error("--video FILE says which video")
    names = [USUAL, *options.only]
    found = ", ".join(f"{p} {v}" for p, v in versions(PACKAGES).items())
    print(f"{machine(cores())}; {found}; medians of {options.rounds} interleaved runs.\n")
    with tempfile.TemporaryDirectory() as folder:
        if options.part != "short":
            times, frames = warm(names, options, Path(folder))
            print("\n".join(table(f"{options.video.name}, {frames} frames, warm", times, frames)) + "\n")
        if options.part != "warm":
            title = f"its first {SHORT_FRAMES} frames, whole processes"
            print("\n".join(table(title, short(names, options, Path(folder)), SHORT_FRAMES)))


if __name__ == "__main__":
    main()
