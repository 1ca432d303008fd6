"""The same batch on Ray: the same results as on this machine, also when a node is lost in the middle."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import numpy as np
import pytest

from tests.clips import make_gif, make_video
from tests.networks import gap_cnn, randomize
from vidcam import UsageError, VidcamError
from vidcam.batch import run_batch
from vidcam.media import open_source

ray = pytest.importorskip("ray")


@pytest.fixture
def clips(tmp_path) -> Path:
    (tmp_path / "clips" / "sub").mkdir(parents=True)
    for i in range(3):
        make_video(tmp_path / "clips" / ("sub" if i == 1 else ".") / f"{i}.mp4", 60 + 20 * i, fps=25)
    make_gif(tmp_path / "clips" / "b.gif")
    (tmp_path / "clips" / "z.mp4").write_text("no video")
    randomize(gap_cnn(size=96)).save(tmp_path / "m.keras")
    return tmp_path


@pytest.fixture
def disconnect():
    yield
    ray.shutdown()


def run(folder: Path, name: str, **options):
    return run_batch([folder / "clips"], folder / name, recursive=True, model=folder / "m.keras", **options)


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def check_same(local: Path, cluster: Path) -> None:
    """The same files, frames, times and, but for rounding, predictions and pictures."""
    outputs = [sorted(p.relative_to(d) for p in d.rglob("*.gif")) for d in (local, cluster)]
    assert outputs[0] == outputs[1]
    for name in outputs[0]:
        with open_source(local / name) as one, open_source(cluster / name) as other:
            a, b = list(one), list(other)
        assert [f.time for f in a] == [f.time for f in b]
        for x, y in zip(a, b, strict=True):
            assert np.abs(x.rgb().astype(int) - y.rgb()).max() <= 2, name
    for one, other in zip(rows(local / "predictions.csv"), rows(cluster / "predictions.csv"), strict=True):
        assert one[:5] == other[:5]
    for one, other in zip(rows(local / "summary.csv"), rows(cluster / "summary.csv"), strict=True):
        assert one[:10] == other[:10]


def test_a_cluster_makes_what_this_machine_makes_and_goes_on_with_it(clips, disconnect):
    ray.init("local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    seen = []
    made = run(clips, "cluster", ray=True, progress=lambda p: seen.append([c.name for c in p.current]))
    assert len(made.done) == 4
    assert [r.name for r in made.failed] == ["z.mp4"]
    assert made.workers == 1
    assert ["0.mp4"] in seen
    # The local path does the rest of a cluster's batch, and finds nothing left.
    again = run(clips, "cluster")
    assert (len(again.done), len(again.skipped), again.workers) == (0, 4, 0)


@pytest.mark.slow
@pytest.mark.parametrize("lost", [False, True])
def test_two_nodes_also_when_one_is_lost_in_the_middle(clips, disconnect, lost):
    from ray.cluster_utils import Cluster

    for i in range(3, 6):
        make_video(clips / "clips" / f"{i}.mp4", 500, fps=50, width=160, height=120)
    run(clips, "local", workers=2)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        node = cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, log_to_driver=False)
        cluster.wait_for_nodes()
        killed = []

        def kill(progress):
            if lost and not killed and len(progress.current) == 2 and all(c.done for c in progress.current):
                killed.append(time.monotonic())
                cluster.remove_node(node, allow_graceful=False)

        made = run(clips, "cluster", ray=True, progress=kill)
        assert bool(killed) == lost
        assert made.workers == 2
        assert (len(made.done), len(made.failed)) == (7, 1)
    finally:
        ray.shutdown()
        cluster.shutdown()
    check_same(clips / "local", clips / "cluster")


def test_without_ray_it_is_said_what_to_install(clips, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(UsageError, match=r"vidcam\[ray\]"):
        run(clips, "cluster", ray=True)


def test_a_cluster_that_is_not_there_is_one_line(clips, disconnect):
    with pytest.raises(VidcamError, match="--ray 127.0.0.1:1: no cluster can be reached") as raised:
        run(clips, "cluster", ray="127.0.0.1:1")
    assert "\n" not in str(raised.value)
