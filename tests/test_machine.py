"""How many processors there are to use: as the system binds the process, and as its container is allowed time."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from vidcam import _machine
from vidcam._machine import cores, lacks_bfloat16, quota, usable


def groups(folder: Path, own: str, files: dict[str, str]) -> tuple[Path, Path]:
    """Makes control groups, and the file that says which one is this process's."""
    root = folder / "cgroup"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (folder / "own").write_text(own)
    return root, folder / "own"


@pytest.mark.parametrize(
    ("own", "files", "share"),
    [
        ("0::/", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/", {"cpu.max": "max 100000\n"}, math.inf),
        ("0::/", {}, math.inf),
        ("", {"cpu.max": "nonsense"}, math.inf),
        ("0::/a/b\n", {"cpu.max": "max 100000", "a/cpu.max": "300000 100000", "a/b/cpu.max": "max 100000"}, 3.0),
        ("0::/a/b\n", {"a/cpu.max": "300000 100000", "a/b/cpu.max": "50000 100000"}, 0.5),
        ("0::/of/the/host\n", {"cpu.max": "200000 100000"}, 2.0),  # not what the container sees
        ("4:cpu,cpuacct:/d\n", {"cpu/d/cpu.cfs_quota_us": "250000", "cpu/d/cpu.cfs_period_us": "100000"}, 2.5),
        ("4:cpu:/d\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, math.inf),
        ("9:memory:/d\n", {"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1.0),
    ],
)
def test_a_containers_share_of_time_is_found(tmp_path, own, files, share):
    assert quota(*groups(tmp_path, own, files)) == share


@pytest.mark.parametrize(("share", "count"), [(math.inf, 8), (8.0, 8), (3.0, 3), (2.5, 3), (0.2, 1)])
def test_everybody_counts_the_cores_that_there_is_time_for(monkeypatch, share, count):
    monkeypatch.setattr(_machine, "quota", lambda: share)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(10, 18)), raising=False)
    assert usable() == list(range(10, 10 + count))
    assert cores() == count


@pytest.mark.parametrize(
    ("listed", "lacks"),
    [
        ("processor : 0\nflags\t\t: fpu sse avx512f avx512bw\n", True),
        ("processor : 0\nflags\t\t: fpu sse avx512f avx512_bf16\n", False),
        ("processor : 0\nFeatures\t: fp asimd\n", True),
        ("processor : 0\nFeatures\t: fp asimd bf16\n", False),
        ("processor : 0\n", False),
    ],
)
def test_a_processor_without_bfloat16_is_known(tmp_path, listed, lacks):
    (tmp_path / "cpuinfo").write_text(listed)
    assert lacks_bfloat16(tmp_path / "cpuinfo") == lacks
    assert not lacks_bfloat16(tmp_path / "none")
