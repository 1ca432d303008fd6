"""Real workers, killed at bad moments: what is left is true, and the next run goes on as if nothing had been.

The suite takes one moment; `pytest -m slow tests/batch/test_processes.py` takes ten.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.clips import make_gif, make_video
from tests.networks import gap_cnn, randomize
from vidcam.batch import run_batch
from vidcam.media import open_source

TABLES = {"predictions.csv", "summary.csv", "index.html"}
DEADLY = """
import os, signal
import vidcam.batch.work as work
look = work.look_at
def deadly(job):
    if "deadly" in job.input.name:
        os.kill(os.getpid(), signal.SIGSEGV)
    return look(job)
work.look_at = deadly
"""


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> list[str]:
    """The command line of a batch of five clips that take a while, without its output folder."""
    folder = tmp_path_factory.mktemp("job")
    (folder / "clips" / "sub").mkdir(parents=True)
    for i in range(4):
        make_video(folder / "clips" / ("sub" if i % 2 else ".") / f"{i}.mp4", 250, fps=25, width=160, height=120)
    make_gif(folder / "clips" / "b.gif")
    randomize(gap_cnn(size=96)).save(folder / "m.keras")
    return [sys.executable, "-m", "vidcam", "batch", str(folder / "clips"), "-r", "--model", str(folder / "m.keras"),
            "--workers", "2", "-o"]  # fmt: skip


@pytest.fixture(scope="module")
def undisturbed(job, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    subprocess.run([*job, out], check=True, capture_output=True)
    return out


def files(out: Path) -> dict[str, bytes]:
    """Everything a user sees in an output folder."""
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*") if p.is_file() and p.name[0] != "."
            and ".vidcam" not in p.parts}  # fmt: skip


def start(job: list[str], out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([*job, str(out)], start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True)  # fmt: skip


def states(out: Path) -> list[str]:
    return [json.loads(p.read_text())["state"] for p in out.glob(".vidcam/records/*.json")]


def wait_for_the_middle(process: subprocess.Popen[str], out: Path, done: int = 1) -> None:
    """Waits until so many clips are done and another is being worked on."""
    while process.poll() is None and not (states(out).count("done") >= done and "started" in states(out)):
        time.sleep(0.01)


def check_left(out: Path, reference: dict[str, bytes]) -> None:
    """Whatever has its final name is whole; the tables say what is done so far."""
    made = {name: data for name, data in files(out).items() if name not in TABLES} if out.exists() else {}
    for name, data in made.items():
        assert data == reference[name], f"{name} is there, but is not what it should be"


def killed_and_run_again(job: list[str], out: Path, reference: Path, kill) -> None:
    process = start(job, out)
    kill(process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    whole = files(reference)
    check_left(out, whole)
    done = [p for p in files(out) if p not in TABLES] if out.exists() else []
    again = subprocess.run([*job, out], check=True, capture_output=True, text=True)
    assert files(out).keys() == whole.keys()
    for name, data in files(out).items():
        if name != "index.html":  # it is called after its folder
            assert data == whole[name], name
    assert not list(out.rglob("*.part"))
    # Only a file that had its name but no record yet is made twice.
    assert f"skipped  {len(done)} file" in again.stdout or f"skipped  {len(done) - 1} file" in again.stdout, (
        again.stdout
    )


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(10))
def test_killed_at_random_moments(job, undisturbed, tmp_path, moment):
    seconds = random.Random(f"moment {moment}").uniform(1.0, 16.0)

    def kill(process):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=seconds)

    killed_and_run_again(job, tmp_path / "out", undisturbed, kill)


def children_of(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def gone(pids: list[int]) -> bool:
    """Waits until processes have ended."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc")
def test_stopped_and_killed_it_leaves_no_process_and_goes_on_as_if_nothing_had_been(job, undisturbed, tmp_path):
    out = tmp_path / "out"
    process = start(job, out)
    wait_for_the_middle(process, out)
    children = children_of(process.pid)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; the same command goes on from there" in said
    assert gone(children)
    assert not list(out.rglob("*.part"))
    assert len((out / "summary.csv").read_text().splitlines()) == 1 + states(out).count("done")
    for name in TABLES:
        (out / name).unlink()
    before = states(out).count("done")
    killed_and_run_again(job, out, undisturbed, lambda process: wait_for_the_middle(process, out, before + 1))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc")
def test_workers_end_with_the_process_that_started_them(job, tmp_path):
    process = start(job, tmp_path / "out")
    wait_for_the_middle(process, tmp_path / "out")
    children = children_of(process.pid)
    assert len(children) >= 2
    process.kill()
    process.wait()
    assert gone(children)


def test_a_worker_that_dies_costs_its_file_at_most(tmp_path, monkeypatch):
    monkeypatch.setenv("VIDCAM_CACHE", "")  # the file of custom objects is run where the network is loaded
    clips = tmp_path / "clips"
    clips.mkdir()
    for name in ("a.mp4", "deadly.mp4", "z.mp4"):
        make_video(clips / name, 10)
    make_video(clips / "killed.mp4", 800, fps=50)
    gap_cnn().save(tmp_path / "m.keras")
    (tmp_path / "deadly.py").write_text(DEADLY)
    killed = []

    def kill(progress):
        """Kills the worker that has the long clip, once, in the middle of it."""
        current = {c.name: c.done for c in progress.current}
        if not killed and current.keys() == {"killed.mp4"} and 0 < current["killed.mp4"] < 700:
            (worker,) = multiprocessing.active_children()
            killed.append(worker.pid)
            os.kill(worker.pid, signal.SIGKILL)

    made = run_batch(
        [clips], tmp_path / "out", model=tmp_path / "m.keras", custom_objects=tmp_path / "deadly.py", workers=1,
        progress=kill, max_seconds=0, batch_size=1, colorbar=True,
    )  # fmt: skip
    assert killed
    assert [r.name for r in made.done] == ["a.mp4", "killed.mp4", "z.mp4"]
    assert [(r.name, r.error) for r in made.failed] == [
        ("deadly.mp4", "the worker that had it was ended by SIGSEGV, 2 times")
    ]
    with open_source(tmp_path / "out" / "killed.mp4.gif") as source:
        assert len(list(source)) == 192
    assert not multiprocessing.active_children()
    assert not list((tmp_path / "out").rglob("*.part"))
