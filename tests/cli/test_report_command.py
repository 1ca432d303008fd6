"""`vidcam run --report`: the page beside the output, its name checked before any work, and what happens with Ctrl-C."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clips import make_gif, make_video
from tests.networks import gap_cnn
from tests.report.test_gallery import Reader
from vidcam.cli import main


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    make_video(folder / "clip.mp4", sound=True)
    make_gif(folder / "clip.gif")
    gap_cnn().save(folder / "model.keras")
    (folder / "labels.txt").write_text("cat\ndog\nfish\n")
    return folder


def vidcam(capfd, *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main([str(a) for a in arguments])
    out, err = capfd.readouterr()
    return int(stopped.value.code or 0), out, err


def model(files: Path) -> tuple[object, ...]:
    return "--model", files / "model.keras", "--labels", files / "labels.txt"


def data(page: Path) -> dict:
    return json.loads(Reader(page.read_text("utf-8")).texts["data"])


@pytest.mark.parametrize(("explain", "times"), [("written", [0.0, 0.3, 0.5, 0.8]), ("all", [i / 10 for i in range(9)])])
def test_a_run_leaves_a_page_of_its_frames(files, tmp_path, capfd, explain, times):
    """Of a GIF with fewer frames than the clip, those that it shows."""
    page, out = tmp_path / "p.html", tmp_path / "o.gif"
    options = (
        "--method",
        "gradcam,layercam",
        "--start",
        "0.3",
        "--normalize",
        "frame",
        "--fps",
        "4",
        "--explain",
        explain,
    )
    code, stdout, _ = vidcam(capfd, "run", files / "clip.mp4", "-o", out, *model(files), *options, "--report", page)
    assert code == 0
    assert stdout.startswith(f"{out}: ")
    shown = data(page)
    assert shown["times"] == pytest.approx(times)
    assert {name for name, _ in shown["curves"]} == {"cat", "dog", "fish"}
    how = dict(shown["how"])
    assert (how["method"], how["normalize"], how["target"]) == ("gradcam,layercam", "frame", "top")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["o.gif", "p.html"]


def test_maps_made_before_say_how_themselves(files, tmp_path, capfd):
    maps = tmp_path / "m.npz"
    made = ("--method", "layercam", "--target", "dog", "--maps", maps)
    assert vidcam(capfd, "run", files / "clip.gif", "-o", tmp_path / "o.gif", *model(files), *made)[0] == 0
    drawn = ("--from-maps", maps, "--colormap", "turbo", "--report", tmp_path / "p.html")
    assert vidcam(capfd, "run", files / "clip.gif", "-o", tmp_path / "q.gif", *drawn)[0] == 0
    how = dict(data(tmp_path / "p.html")["how"])
    assert (how["method"], how["target"], how["colormap"]) == ("layercam", "dog", "turbo")


def test_a_wrong_name_is_found_before_the_model_is_loaded(files, tmp_path, capfd):
    page = tmp_path / "p.html"
    page.write_text("mine")
    base = ("run", files / "clip.mp4", "-o", tmp_path / "o.mp4", "--model", tmp_path / "no-model.keras")
    for name, code, said in (
        (page, 2, "exists already"),
        (tmp_path / "p.txt", 2, "end its name in .html"),
        (tmp_path / "no" / "p.html", 1, "does not exist"),
    ):
        got, _, stderr = vidcam(capfd, *base, "--report", name)
        assert (got, stderr.count("\n")) == (code, 1)
        assert said in stderr
        assert "no-model" not in stderr
    assert page.read_text() == "mine"
    good = (*base[:4], *model(files), "--report", page, "--overwrite")
    assert vidcam(capfd, *good)[0] == 0
    assert len(data(page)["times"]) == 12


def test_a_stopped_run_leaves_the_page_of_its_beginning(files, tmp_path, capfd, monkeypatch):
    from vidcam.cli.progress import Bar, Stop

    done = []
    monkeypatch.setattr(Bar, "update", lambda self, *a: done.append(a))
    monkeypatch.setattr(Stop, "__call__", lambda self: len(done) >= 5)
    page = tmp_path / "p.html"
    arguments = ("run", files / "clip.mp4", "-o", tmp_path / "o.mp4", *model(files), "--report", page)
    code, stdout, _ = vidcam(capfd, *arguments)
    assert code == 130
    frames = int(stdout.split(": ")[1].split(" ")[0])
    assert 0 < frames < 12
    assert len(data(tmp_path / "p.partial.html")["times"]) == frames
    assert sorted(p.name for p in tmp_path.iterdir()) == ["o.partial.mp4", "p.partial.html"]
