"""Damaged files through the whole command: an output that can be read, or one line; never a traceback.

The suite takes a few; `pytest -m slow tests/cli/test_fuzz_command.py` takes three hundred.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from tests.cli.test_run_command import vidcam
from tests.media import fuzz
from tests.networks import gap_cnn

FEW, MANY = 17, 300


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    return fuzz.seeds(tmp_path_factory.mktemp("seeds"))


def open_files() -> list[Path]:
    """Returns the files that this process holds open (Linux; elsewhere none are known)."""
    found = []
    for handle in Path("/proc/self/fd").glob("*"):
        with contextlib.suppress(OSError):  # the one that the listing itself used
            found.append(handle.readlink())
    return found


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_damaged_files(count, seeds, tmp_path, capfd):
    gap_cnn().save(tmp_path / "m.keras")
    outcomes = {0: 0, 1: 0}
    for name, data in fuzz.inputs(seeds, 5, count):
        path = tmp_path / name
        path.write_bytes(data)
        before = sorted(p.name for p in tmp_path.iterdir())
        out = tmp_path / "o.mkv"
        code, stdout, stderr = vidcam(
            capfd, "run", path, "-o", out, "--model", tmp_path / "m.keras", "-q", "--preset", "ultrafast",
            "--max-pixels", fuzz.MAX_PIXELS,
        )  # fmt: skip
        said = f"{name}: exit {code}, {stdout}{stderr}"
        assert code in (0, 1), said
        assert out.exists() == (code == 0), said
        assert stderr.count("\n") == code, said
        assert "internal error" not in stderr, said
        out.unlink(missing_ok=True)
        assert sorted(p.name for p in tmp_path.iterdir()) == before, said
        assert not [file for file in open_files() if file.is_relative_to(tmp_path)], said
        path.unlink()
        outcomes[code] += 1
    assert min(outcomes.values()) > 0
