"""SIGINT, SIGTERM and SIGKILL in the middle and at random moments of a run: what is left is checked by decoding it.

The suite takes one of each in the middle; `pytest -m slow tests/cli/test_interruptions.py` takes fifty anywhere.
"""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.test_run_command import vidcam
from tests.clips import make_video, read_frames
from tests.networks import gap_cnn, randomize

FRAMES = 1500
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
MANY = 50
LATE = FRAMES - 400
"""From here on a run may be through before it hears of a signal: it decodes ahead and its tables are buffered."""


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> list[str]:
    """A run's command line without its output."""
    folder = tmp_path_factory.mktemp("job")
    make_video(folder / "clip.mp4", FRAMES, fps=25, sound=True)
    randomize(gap_cnn(size=96)).save(folder / "m.keras")
    return [sys.executable, "-m", "vidcam", "run", str(folder / "clip.mp4"), "--model", str(folder / "m.keras"),
            "--predictions", "p.csv", "--quiet"]  # fmt: skip


@pytest.fixture(scope="module")
def usual(job, tmp_path_factory) -> float:
    """How long the run takes undisturbed, in seconds."""
    began = time.monotonic()
    subprocess.run([*job, "-o", "out.mp4"], cwd=tmp_path_factory.mktemp("usual"), check=True)
    return time.monotonic() - began


def frames_done(where: Path) -> int:
    """Returns how many frames a run's table holds so far; 0 where there is none yet."""
    for part in where.glob(".vidcam-*.part"):
        with contextlib.suppress(FileNotFoundError):  # it has got its name
            table = part.read_bytes()
            if table.startswith(b"frame,"):
                return table.count(b"\n") - 1
    return FRAMES if (where / "p.csv").exists() else 0


def start(job: list[str], where: Path, *options: str) -> subprocess.Popen[str]:
    where.mkdir(exist_ok=True)
    return subprocess.Popen([*job, "-o", "out.mp4", *options], cwd=where, stderr=subprocess.PIPE, text=True)


def wait_for_frames(process: subprocess.Popen[str], where: Path, wanted: int) -> None:
    deadline = time.monotonic() + 120
    while frames_done(where) < wanted:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)


def check(process: subprocess.Popen[str], where: Path, number: signal.Signals, said: str, *, through: bool) -> None:
    """Checks everything that is left of a run that was sent a signal; `through` where it may have been done before."""
    _, errors = process.communicate(timeout=120)
    left = {p.name for p in where.iterdir()}
    said = f"{number.name} {said}: exit {process.returncode}, left {sorted(left)}, said {errors!r}"
    assert "Traceback" not in errors, said
    complete = "out.mp4" in left
    if complete:
        assert len(read_frames(where / "out.mp4")[0]) == FRAMES, said
        assert len((where / "p.csv").read_text().splitlines()) == FRAMES + 1, said
        left -= {"out.mp4", "p.csv"}
    if "out.partial.mp4" in left:
        frames = len(read_frames(where / "out.partial.mp4")[0])
        assert 0 < frames <= FRAMES, said
        assert len((where / "p.partial.csv").read_text().splitlines()) == frames + 1, said
        left -= {"out.partial.mp4", "p.partial.csv"}
    if process.returncode == 0:
        assert through, said
        assert complete, said
    elif number == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL, said
        left = {name for name in left if not name.startswith(".vidcam-")}
    else:
        # Before Python has started up, a signal ends the process as it ends any other.
        assert process.returncode in (128 + number, -number), said
    assert not left, said


@pytest.mark.parametrize("number", SIGNALS)
def test_in_the_middle(job, tmp_path, number, capfd):
    process = start(job, tmp_path)
    wanted = random.Random(f"few {number}").randrange(1, LATE // 2)
    wait_for_frames(process, tmp_path, wanted)
    process.send_signal(number)
    check(process, tmp_path, number, f"after frame {wanted}", through=False)
    if number != signal.SIGKILL:
        assert process.returncode == 128 + number
        assert {p.name for p in tmp_path.iterdir()} == {"out.partial.mp4", "p.partial.csv"}
        return
    assert len(list(tmp_path.iterdir())) == 2
    again = ["run", job[4], "-o", tmp_path / "out.mp4", "--model", job[6], "--end", "0.2", "-q"]
    code, _, errors = vidcam(capfd, *again, "--predictions", tmp_path / "p.csv")
    assert code == 0, errors
    assert {p.name for p in tmp_path.iterdir()} == {"out.mp4", "p.csv"}  # it has cleared up


def test_no_partial_leaves_nothing(job, tmp_path):
    process = start([part for part in job if part != "--quiet"], tmp_path, "--no-partial")
    wait_for_frames(process, tmp_path, 1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1].endswith("interrupted; nothing was written")
    assert list(tmp_path.iterdir()) == []


def test_a_second_signal_stops_at_once_and_leaves_nothing_half_written(job, tmp_path):
    process = start(job, tmp_path)
    wait_for_frames(process, tmp_path, 1)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.005)
    check(process, tmp_path, signal.SIGINT, "twice", through=False)  # a partial file where the first was through


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
def test_many_random_moments(job, usual, tmp_path, number):
    moments = random.Random(f"many {number}")
    for i in range(MANY):
        moment = moments.uniform(0.0, 1.05)
        where = tmp_path / str(i)
        process, done = start(job, where), FRAMES
        try:
            process.wait(timeout=moment * usual)
        except subprocess.TimeoutExpired:
            done = frames_done(where)
            process.send_signal(number)
        check(process, where, number, f"at {moment:.3f}", through=done >= LATE)
