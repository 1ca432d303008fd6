"""SIGINT, SIGTERM and SIGKILL at random moments of a run: what is left is checked by decoding it.

The suite takes a few of each; `pytest -m slow tests/cli/test_interruptions.py` takes fifty.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.clips import make_video, read_frames
from tests.networks import gap_cnn, randomize

FRAMES = 1500
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
FEW, MANY = 1, 50


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> tuple[list[str], float]:
    """A run's command line without its output, and how long it takes undisturbed."""
    folder = tmp_path_factory.mktemp("job")
    make_video(folder / "clip.mp4", FRAMES, fps=25, sound=True)
    randomize(gap_cnn(size=96)).save(folder / "m.keras")
    arguments = [sys.executable, "-m", "vidcam", "run", str(folder / "clip.mp4"), "--model", str(folder / "m.keras"),
                 "--predictions", "p.csv", "--quiet"]  # fmt: skip
    (folder / "o").mkdir()
    began = time.monotonic()
    subprocess.run([*arguments, "-o", "out.mp4"], cwd=folder / "o", check=True)
    return arguments, time.monotonic() - began


def interrupt(job: tuple[list[str], float], where: Path, number: signal.Signals, moment: float) -> None:
    """Sends a signal at a moment, 0 to 1 of the run's usual time, and checks everything that is left."""
    arguments, usual = job
    process = subprocess.Popen([*arguments, "-o", "out.mp4"], cwd=where, stderr=subprocess.PIPE, text=True)
    try:
        process.wait(timeout=moment * usual)
    except subprocess.TimeoutExpired:
        process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    left = {p.name for p in where.iterdir()}
    said = f"{number.name} at {moment:.3f}: exit {process.returncode}, left {sorted(left)}, said {errors!r}"
    assert "Traceback" not in errors, said
    if "out.mp4" in left:
        assert len(read_frames(where / "out.mp4")[0]) == FRAMES, said
        assert len((where / "p.csv").read_text().splitlines()) == FRAMES + 1, said
        left -= {"out.mp4", "p.csv"}
    if "out.partial.mp4" in left:
        frames = len(read_frames(where / "out.partial.mp4")[0])
        assert 0 < frames <= FRAMES, said
        assert len((where / "p.partial.csv").read_text().splitlines()) == frames + 1, said
        left -= {"out.partial.mp4", "p.partial.csv"}
    if number == signal.SIGKILL:
        assert process.returncode in (0, -signal.SIGKILL), said
        assert all(name.startswith(".vidcam-") for name in left), said
    else:
        # Before Python has started up, a signal ends the process as it ends any other.
        assert process.returncode in (0, 128 + number, -number), said
        assert not left, said


@pytest.mark.parametrize("number", SIGNALS)
def test_a_few_random_moments(job, tmp_path, number):
    moments = random.Random(f"few {number}")
    for i in range(FEW):
        (tmp_path / str(i)).mkdir()
        interrupt(job, tmp_path / str(i), number, moments.uniform(0.4, 1.0))


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
def test_many_random_moments(job, tmp_path, number):
    moments = random.Random(f"many {number}")
    for i in range(MANY):
        (tmp_path / str(i)).mkdir()
        interrupt(job, tmp_path / str(i), number, moments.uniform(0.0, 1.05))
