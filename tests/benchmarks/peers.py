"""Grad-CAM's speed on MobileNetV2: vidcam on each engine against other ways and libraries, on the same frames.

    pip install -r tests/benchmarks/requirements.txt       # its comments say what else
    python -m tests.benchmarks.peers [--weights FILE] [--video FILE] [--markdown FILE]

Everybody gets the same weights, the same cores and a process of its own, and takes turns: every round has one turn of
each, in an order that alternates; the table has the median of all calls of all rounds. Nobody pays for loading,
building or converting frames. A call ends with maps in NumPy; vidcam's includes scaling the pixels and gives classes
and probabilities, too. Peers that are not installed are left out, and said; `--python NAME=INTERPRETER` runs one in
another environment. Every map is compared with vidcam's, both scaled to 0..1: it is the same thing that is computed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.contestants import CONTESTANTS, EXPLAIN, FORWARD, GIVEN
from tests.benchmarks.machine import VIDEO, WEIGHTS, cores, machine
from tests.benchmarks.process import Process, threads

FRAMES, BATCHES = 16, (1, 8)
EAGER, TORCH = "GradientTape, eager", "torch-cam"
Times = dict[tuple[str, str, int], list[float]]
"""Seconds a frame of each measured call, by (contestant, call, batch size)."""


def frames_of(video: Path | None) -> np.ndarray:
    """Returns frames at the network's size, uint8 RGB (N, 224, 224, 3): the video's, or moving waves without one."""
    import cv2

    if video is None:
        y, x = np.mgrid[0:224, 0:224] / 224.0
        phases = np.arange(FRAMES).reshape(-1, 1, 1, 1) / FRAMES
        waves = [np.sin(9 * x + 5 * y * k + 6.28 * phases[:, :, :, 0]) for k in (1, 2, 3)]
        return (127.5 + 127.5 * np.stack(waves, axis=-1)).astype(np.uint8)
    capture = cv2.VideoCapture(str(video))
    step = max(1, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) // FRAMES)
    frames: list[np.ndarray] = []
    number = 0
    while len(frames) < FRAMES and capture.grab():
        if number % step == 0:
            _, bgr = capture.retrieve()
            frames.append(cv2.resize(bgr, (224, 224), interpolation=cv2.INTER_AREA)[..., ::-1])
        number += 1
    if len(frames) < FRAMES:
        raise SystemExit(f"{video}: has fewer than {FRAMES} frames")
    return np.stack(frames)


def prepare(folder: Path, weights: Path | None, video: Path | None) -> np.ndarray:
    """Fills the folder with what the contestants read and returns the logits that Keras computes."""
    from vidcam._tensorflow import keras

    keras.utils.set_random_seed(0)
    model = keras.models.load_model(weights) if weights else keras.applications.MobileNetV2(weights=None)
    model.save(folder / "network.keras")
    model.layers[-1].activation = keras.activations.linear
    np.savez(folder / "weights.npz", **{v.path: v.numpy() for v in model.weights})
    frames = frames_of(video)
    np.save(folder / "frames.npy", frames)
    logits = np.asarray(model(frames.astype(np.float32) / 127.5 - 1.0))
    np.save(folder / "classes.npy", logits.argmax(axis=1))
    return logits


def take_turns(workers: dict[str, Process], hellos: dict[str, Any], rounds: int, seconds: float) -> Times:
    """Measures round after round, every other one in the opposite order."""
    turns = [(name, call, batch) for batch in BATCHES for name in workers for call in hellos[name]["calls"]]
    times: Times = {turn: [] for turn in turns}
    for number in range(rounds):
        for name, call, batch in turns if number % 2 == 0 else reversed(turns):
            time.sleep(0.05)  # the threads of the one before go to sleep
            reply = workers[name].ask(call=call, batch=batch, seconds=seconds)
            times[name, call, batch] += reply["times"]
    return times


def likeness(mine: np.ndarray, other: np.ndarray, enlarged: str | None) -> tuple[float, float]:
    """Compares maps, each scaled to 0..1 by its least and greatest value, at the size of the second.

    Args:
        mine: vidcam's (B, h, w), without what is below zero.
        other: the other's (B, H, W).
        enlarged: how the other has enlarged its own, as `tf.image.resize` names it.

    Returns:
        The least correlation of any frame, and the largest difference anywhere.
    """
    from vidcam._tensorflow import tf

    if enlarged:
        mine = tf.image.resize(mine[..., np.newaxis], other.shape[1:], enlarged).numpy()[..., 0]
    a, b = (
        (m - m.min(axis=(1, 2), keepdims=True)) / np.ptp(m, axis=(1, 2), keepdims=True)
        for m in (mine.astype(np.float64), other.astype(np.float64))
    )
    least = min(float(np.corrcoef(x.ravel(), y.ravel())[0, 1]) for x, y in zip(a, b, strict=True))
    return least, float(np.abs(a - b).max())


def compare_maps(workers: dict[str, Process], hellos: dict[str, Any], folder: Path) -> dict[str, tuple[float, float]]:
    """Returns how like vidcam's maps each other's are; vidcam's are those of its first engine."""
    maps = {}
    for name, worker in workers.items():
        worker.ask(call=EXPLAIN, batch=BATCHES[-1], file=str(folder / "maps.npy"))
        raw = np.load(folder / "maps.npy")
        maps[name] = np.maximum(raw, 0.0) if name.startswith("vidcam") else raw
    reference = next(name for name in workers if name.startswith("vidcam"))
    return {n: likeness(maps[reference], m, hellos[n]["enlarged"]) for n, m in maps.items() if n != reference}


def same_network(worker: Process, folder: Path, logits: np.ndarray) -> float:
    """Returns by how much the PyTorch network's logits differ from Keras', over the largest."""
    worker.ask(call=FORWARD, batch=len(logits), file=str(folder / "logits.npy"))
    return float(np.abs(np.load(folder / "logits.npy") - logits).max() / np.abs(logits).max())


def table(times: Times, like: dict[str, tuple[float, float]], base: str) -> list[str]:
    """Returns the table in Markdown; ratios are to the contestant `base`."""
    titles = {
        EXPLAIN: "{}",
        FORWARD: "{}: the forward pass alone",
        GIVEN: "{}, the class given to it",
    }
    one, many = BATCHES
    lines = [
        f"| Grad-CAM, MobileNetV2 at 224x224 | ms a frame, one at a time | {many} at a time | times {base} at {many} "
        "| its map and vidcam's: correlation | largest difference |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    fastest = statistics.median(times[base, EXPLAIN, many])
    for name, call in dict.fromkeys((n, c) for n, c, _ in times):
        cells = [titles[call].format(name)]
        cells += [f"{1000 * statistics.median(times[name, call, batch]):.1f}" for batch in BATCHES]
        cells.append(f"{statistics.median(times[name, call, many]) / fastest:.1f}")
        pair = like.get(name) if call == EXPLAIN else None
        cells += [f"{pair[0]:.4f}", f"{pair[1]:.1e}"] if pair else ["", ""]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def verdict(times: Times) -> list[str]:
    """Returns what the table comes to, one line for each of vidcam's engines."""
    one, many = BATCHES

    def median(name: str, call: str, batch: int) -> float:
        return statistics.median(times[name, call, batch])

    names = list(dict.fromkeys(n for n, _, _ in times))
    peers = [n for n in names if not n.startswith("vidcam")]
    lines = []
    for name in names:
        if name in peers:
            continue
        mine = median(name, EXPLAIN, many)
        parts = [f"{mine / median(name, FORWARD, many):.2f} times its own forward pass"]
        if peers:
            best = min(peers, key=lambda n: median(n, EXPLAIN, many))
            parts.append(f"{median(best, EXPLAIN, many) / mine:.1f} times faster than {best}, the fastest other")
        for other in peers:
            if (other, GIVEN, many) in times:
                ratio = median(other, GIVEN, many) / mine
                parts.append(f"{ratio:.1f} times faster than {other} with the class given to it")
        if EAGER in peers:
            parts.append(f"{median(EAGER, EXPLAIN, one) / mine:.0f} times faster than eager frame by frame")
        lines.append(f"- {name}, {many} frames at a time: {', '.join(parts)}.")
    return lines


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="a .keras file of MobileNetV2 at 224x224; else random weights")
    parser.add_argument("--video", type=Path, help="where the frames are from; else moving waves")
    parser.add_argument("--cores", type=int, default=min(2, cores()), help="cores for each contestant (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant (%(default)s)")
    parser.add_argument("--seconds", type=float, default=0.4, help="least length of a turn (%(default)s)")
    parser.add_argument("--only", nargs="+", choices=list(CONTESTANTS), default=list(CONTESTANTS), metavar="NAME")
    parser.add_argument("--python", nargs="+", default=[], metavar="NAME=FILE", help="the interpreter for a contestant")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table here, too")
    options = parser.parse_args()
    options.weights = options.weights or (WEIGHTS if WEIGHTS.exists() else None)
    options.video = options.video or (VIDEO if VIDEO.exists() else None)
    return options


def compete(options: argparse.Namespace, folder: Path) -> list[str]:
    """Runs the comparison and returns the report in Markdown."""
    pythons = dict(pair.split("=", 1) for pair in options.python)
    logits = prepare(folder, options.weights, options.video)
    workers = {
        name: Process(
            name,
            [pythons.get(name, sys.executable), "-m", "tests.benchmarks.worker", name, str(folder), str(options.cores)],
            folder / f"{name}.log",
            threads(options.cores),
        )
        for name in options.only
    }
    try:
        hellos = {name: worker.hello() for name, worker in workers.items()}
        absent = {name: hello["missing"] for name, hello in hellos.items() if "missing" in hello}
        present = {name: worker for name, worker in workers.items() if name not in absent}
        if not any(name.startswith("vidcam") for name in present):
            raise SystemExit(f"vidcam does not run: {absent}")
        like = compare_maps(present, hellos, folder)
        notes = [f"Not run: {name} ({reason})." for name, reason in absent.items()]
        if TORCH in present:
            error = same_network(present[TORCH], folder, logits)
            notes.append(f"The PyTorch network's logits are Keras' to {error:.0e} of the largest.")
        times = take_turns(present, hellos, options.rounds, options.seconds)
    finally:
        for worker in workers.values():
            worker.close()
    packages = {p: v for name in present for p, v in hellos[name]["versions"].items()}
    found = ", ".join(f"{p} {v}" for p, v in packages.items())
    base = [name for name in present if name.startswith("vidcam")][-1]
    source = f"{FRAMES} frames of {options.video.name}" if options.video else f"{FRAMES} synthetic frames"
    kind = "ImageNet's weights" if options.weights else "random weights"
    heading = f"{machine(options.cores)}; {found}; {source}, {kind}; medians of {options.rounds} interleaved rounds."
    return [heading, "", *table(times, like, base), "", *verdict(times), *([""] if notes else []), *notes]


def main() -> None:
    options = parse()
    with tempfile.TemporaryDirectory() as folder:
        report = "\n".join(compete(options, Path(folder)))
    print(report)
    if options.markdown:
        options.markdown.write_text(report + "\n")


if __name__ == "__main__":
    main()
