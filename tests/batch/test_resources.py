"""Workers that share a machine: each with cores of its own, of which all its threads know."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from vidcam._machine import usable

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="cores cannot be chosen here")

ACTOR = """
import os, sys, threading
from pathlib import Path
idle = threading.Event()
threading.Thread(target=idle.wait, daemon=True).start()  # one that is there before
from vidcam.batch.cluster import Post
Post(None)
from vidcam._machine import cores
from vidcam.media.info import Info
from vidcam.media.write import open as opening
sink = opening.open_sink(Path(os.environ["TMPDIR"]) / f"{os.getpid()}.mp4", source=Info("", "video", (64, 48)))
threads = sink._options["threads"]
sink.abort()
seen = {tuple(os.sched_getaffinity(int(task.name))) for task in Path("/proc/self/task").glob("*")}
print(cores(), threads, os.environ["OMP_NUM_THREADS"], *seen, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def start(tmp_path) -> Iterator:
    """Starts processes of a node that each take a core and keep it until they end."""
    started: list[subprocess.Popen] = []

    def one() -> tuple[subprocess.Popen, str]:
        environment = {**os.environ, "TMPDIR": str(tmp_path)}
        process = subprocess.Popen(
            [sys.executable, "-c", ACTOR], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        started.append(process)
        return process, process.stdout.readline().strip()

    yield one
    for process in started:
        process.kill()
        process.wait()


def test_actors_of_a_node_take_a_core_each_with_all_their_threads_and_give_it_back(start):
    have = usable()
    actors = [start() for _ in have]
    assert sorted(said for _, said in actors) == sorted(f"1 1 1 ({core},)" for core in have)
    extra, said = start()  # one more than there are cores shares one
    assert said in {f"1 1 1 ({core},)" for core in have}
    extra.kill()
    extra.wait()
    gone, freed = actors[0]
    gone.kill()
    gone.wait()
    assert start()[1] == freed
