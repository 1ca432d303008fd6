"""`vidcam batch` as a user meets it: what it prints, its exit codes, one line for what is wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.batch.conftest import Inline
from tests.cli.test_run_command import vidcam
from tests.clips import make_gif, make_video
from tests.networks import gap_cnn
from vidcam.batch import many_clips
from vidcam.batch.records import Store


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    (folder / "clips" / "sub").mkdir(parents=True)
    make_video(folder / "clips" / "a.mp4", 12)
    make_gif(folder / "clips" / "sub" / "b.gif")
    (folder / "clips" / "notes.txt").write_text("notes")
    gap_cnn().save(folder / "m.keras")
    return folder


@pytest.fixture
def command(made, tmp_path, capfd, monkeypatch):
    """Runs `vidcam batch` in a folder with clips and a model, its worker in this process."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(many_clips, "LocalWorker", lambda settings, part: Inline(settings))
    return lambda *arguments: vidcam(capfd, "batch", *arguments, "--model", "m.keras")


def test_it_says_what_is_to_do_what_was_done_and_what_was_left_out(command):
    code, out, err = command("clips", "-r", "-o", "out", "--workers", "1")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("done     2 files, 16 frames, ")
    assert lines[1:] == ["skipped  0 files", "failed   0 files"]
    assert "2 of 2 files to do (2 new); 1 worker\n" in err
    assert "1/2 a.mp4: 12 frames\n2/2 sub/b.gif: 4 frames\n" in err
    assert "1 file left out: no media by their suffix\n" in err
    code, out, err = command("clips", "-r", "-o", "out")
    assert code == 0
    assert out == "done     0 files\nskipped  2 files, unchanged\nfailed   0 files\n"


def test_failures_are_listed_with_their_reasons_and_the_exit_code_is_1(command, tmp_path):
    (tmp_path / "clips" / "<b>\x1b[31m.mp4").write_text("no video")
    for _ in range(2):
        code, out, _ = command("clips", "-o", "out")
        assert code == 1
        assert "failed   1 file\n  <b>\\x1b[31m.mp4: is no video, animation or image that can be read" in out
    assert command("clips", "-o", "out", "-q") == (
        1,
        "",
        "  <b>\\x1b[31m.mp4: is no video, animation or image that can be read "
        "(invalid data found when processing input)\n",
    )
    code, out, _ = command("clips/<b>*", "-o", "other")
    assert code == 1
    assert "done     0 files\n" in out
    assert (tmp_path / "other" / "summary.csv").exists()


def test_a_dry_run_says_why_and_does_nothing(command, tmp_path):
    assert command("clips", "-r", "-o", "out", "--dry-run")[:2] == (
        0,
        "a.mp4: new\nsub/b.gif: new\n2 files to do, 0 files not\n",
    )
    assert not (tmp_path / "out").exists()
    command("clips", "-r", "-o", "out")
    code, out, _ = command("clips", "-r", "-o", "out", "--dry-run", "--alpha", "0.5")
    assert out.splitlines()[0] == "a.mp4: --alpha is 0.5, was 0.4"


def test_a_folder_that_another_batch_writes_to_is_refused(command, tmp_path):
    store = Store(tmp_path / "out")
    store.prepare()
    with store.locked():
        code, _, err = command("clips", "-o", "out")
    assert code == 1
    assert err.count("\n") == 1
    assert "out: another batch writes to it (process " in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-o", "out"], "nothing to do"),
        (["clips"], "Missing option '-o'"),
        (["clips", "-o", "clips"], "clips: is the output folder, too"),
        (["clips", "-o", "m.keras"], "-o m.keras: is a file"),
        (["clips", "-o", "out", "--ray", "clips"], "--ray clips: is a file or folder here, not an address"),
        (["clips", "-o", "out", "--target", "nope"], "nope"),
        (["clips", "-o", "out", "--crf", "3"], "--crf 3: is not for --format gif"),
        (["--from", "m.keras", "-o", "out"], None),
    ],
)
def test_what_makes_no_sense_is_one_line_and_exit_code_2(command, arguments, said):
    code, out, err = command(*arguments)
    assert code == (2 if said else 1)
    assert out == ""
    assert (said or "no CSV in UTF-8") in err
    assert [line.startswith("vidcam: ") for line in err.splitlines() if "1 worker" not in line] == [True], err


def test_frames_that_cannot_be_read_are_counted_and_fail_where_asked(command, tmp_path):
    make_gif(tmp_path / "clips" / "cut.gif", (10,) * 8)
    data = (tmp_path / "clips" / "cut.gif").read_bytes()
    (tmp_path / "clips" / "cut.gif").write_bytes(data[: int(0.6 * len(data))])
    code, _, err = command("clips", "-o", "out")
    assert code == 0
    assert "frames of 1 file could not be read" in err
    code, _, err = command("clips", "-o", "out", "--strict", "-q")
    assert code == 1
    assert "frames of 1 file could not be read, first cut.gif (--strict)" in err


def test_the_index_alone_is_made_of_what_is_there(command, tmp_path, capfd):
    assert command("clips", "-r", "-o", "out")[0] == 0
    (tmp_path / "out" / "index.html").unlink()
    assert vidcam(capfd, "batch", "-o", "out", "--index") == (0, f"{Path('out/index.html')}: 2 files\n", "")
    assert (tmp_path / "out" / "index.html").exists()
    assert command("clips", "-o", "out", "--index")[0] == 2
    code, _, err = vidcam(capfd, "batch", "-o", "out", "--index", "--force")
    assert (code, err.count("\n")) == (2, 1)
    code, _, err = vidcam(capfd, "batch", "-o", "none", "--index")
    assert (code, err) == (1, "vidcam: none: no batch has made anything there yet\n")
