"""A full disk: one line, exit 1, nothing half-written, what was there before still there."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.test_run_command import vidcam
from tests.clips import make_video
from tests.networks import gap_cnn


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 16 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no tmpfs can be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.gif", "out.webp"])
def test_a_full_disk(small_disk: Path, tmp_path, capfd, name):
    clip = make_video(tmp_path / "clip.mp4", 60, height=240, width=320, sound=True)
    gap_cnn().save(tmp_path / "m.keras")
    (small_disk / name).write_text("precious")
    quality = ["--crf", "0"] if name.endswith(("mp4", "mkv")) else []
    code, stdout, stderr = vidcam(
        capfd, "run", clip, "-o", small_disk / name, "--overwrite", "--model", tmp_path / "m.keras", "-q", *quality
    )
    assert (code, stdout) == (1, "")
    assert stderr.count("\n") == 1
    assert f"{name}: cannot be written" in stderr
    assert (small_disk / name).read_text() == "precious"
    assert [p.name for p in small_disk.iterdir()] == [name]


def test_a_disk_that_fills_with_the_numbers(small_disk: Path, tmp_path, capfd):
    clip = make_video(tmp_path / "clip.mp4", 600, fps=100)
    gap_cnn(classes=200).save(tmp_path / "m.keras")
    (small_disk / "filler").write_bytes(bytes(8 * 1024))
    code, _, stderr = vidcam(
        capfd, "run", clip, "-o", tmp_path / "out.mp4", "--predictions", small_disk / "p.csv",
        "--maps", tmp_path / "maps.npz", "--model", tmp_path / "m.keras", "-q",
    )  # fmt: skip
    assert code == 1
    assert stderr.count("\n") == 1
    assert "p.csv: cannot be written" in stderr
    assert [p.name for p in small_disk.iterdir()] == ["filler"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip.mp4", "disk", "m.keras"]


def test_an_output_folder_that_goes_away_is_one_line(tmp_path, capfd, monkeypatch):
    from vidcam.pipeline import one_clip

    clip = make_video(tmp_path / "clip.mp4", 40)
    gap_cnn().save(tmp_path / "m.keras")
    (tmp_path / "there").mkdir()
    written = []
    original = one_clip.OutputFiles.write

    def vanish(self, drawn):
        original(self, drawn)
        written.append(1)
        if len(written) == 20:
            for path in (tmp_path / "there").iterdir():
                path.unlink()
            (tmp_path / "there").rmdir()

    monkeypatch.setattr(one_clip.OutputFiles, "write", vanish)
    code, _, stderr = vidcam(
        capfd, "run", clip, "-o", tmp_path / "there" / "out.mp4", "--model", tmp_path / "m.keras", "-q"
    )
    assert code == 1
    assert stderr.count("\n") == 1
    assert "out.mp4" in stderr
    assert not (tmp_path / "there").exists()
