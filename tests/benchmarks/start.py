"""How long vidcam takes to start, beside `import tensorflow`: whole processes in turn, wall and processor time, memory.

    python -m tests.benchmarks.start [--weights mobilenet_v2.keras] [--rounds 5]

The run is `vidcam run samples/cat.gif`: with the bundled classifier, nothing kept from before, and with MobileNetV2 the
second time (its weights from a file, or made up). The table has medians, the medians of the ratios to `import
tensorflow` within a round, and the most memory that a process held.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IMPORT = "import tensorflow"
TELL = "import atexit, resource; atexit.register(lambda: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))\n"


def measure(command: list[str], environment: dict[str, str]) -> tuple[float, float, float]:
    """Runs a process; returns its wall seconds, its processor seconds and its most memory in MB."""
    before, began = os.times(), time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - began, os.times()
    if done.returncode:
        raise SystemExit(done.stderr)
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, cpu, int(done.stdout.split()[-1]) / 1024


def made_up(folder: Path) -> Path:
    """Writes weights of MobileNetV2: what a start costs does not depend on them."""
    import keras

    path = folder / "mobilenet_v2.keras"
    keras.applications.MobileNetV2(weights=None).save(path)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="of MobileNetV2; made up where missing")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = options.weights or made_up(folder)
        run = [
            sys.executable,
            "-c",
            f"{TELL}from vidcam.cli import main; main()",
            "run",
            str(ROOT / "samples" / "cat.gif"),
            "-q",
            "--overwrite",
        ]
        run += ["-o", str(folder / "out.gif")]
        jobs = {
            IMPORT: ([sys.executable, "-c", TELL + IMPORT], "none"),
            "bundled, the first time": (run, "none"),
            "MobileNetV2, the second time": ([*run, "--model", "mobilenet_v2", "--weights", str(weights)], "kept"),
        }
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
        # Byte code is kept, as pip does for what it installs.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment["PYTHONPYCACHEPREFIX"] = str(folder / "byte code")
        kept = {"none": {**environment, "VIDCAM_CACHE": ""}, "kept": {**environment, "VIDCAM_CACHE": name}}
        measure(jobs["MobileNetV2, the second time"][0], kept["kept"])
        found: dict[str, list[tuple[float, float, float]]] = {job: [] for job in jobs}
        for number in range(options.rounds):
            for job in list(jobs) if number % 2 else reversed(jobs):
                found[job].append(measure(jobs[job][0], kept[jobs[job][1]]))
    columns = ("", "wall, s", f"of {IMPORT}", "processor, s", f"of {IMPORT}", "memory, MB")
    print(f"| {' | '.join(columns)} |\n" + "|---" * len(columns) + "|")
    for job, figures in found.items():
        wall, cpu, _ = (statistics.median(f[i] for f in figures) for i in range(3))
        shares = [statistics.median(f[i] / t[i] for f, t in zip(figures, found[IMPORT], strict=True)) for i in range(2)]
        memory = max(f[2] for f in figures)
        print(f"| {job} | {wall:.2f} | {shares[0]:.3f} | {cpu:.2f} | {shares[1]:.3f} | {memory:.0f} |")


if __name__ == "__main__":
    main()
