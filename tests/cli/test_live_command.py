"""`vidcam live` as a user meets it: what it says, what it records, and one line for everything that is wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from tests.clips import make_video, read_frames
from vidcam.cli import main
from vidcam.live import session

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def no_display(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)


@pytest.fixture
def no_model(monkeypatch):
    """Fails where a model is loaded: what is wrong is to be said before that."""

    def load(**_: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("vidcam.models.load_model", load)


def vidcam(capfd, *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main(["live", *(str(a) for a in arguments)])
    out, err = capfd.readouterr()
    return int(stopped.value.code or 0), out, err


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    from tests.networks import gap_cnn

    path = tmp_path_factory.mktemp("model") / "model.keras"
    gap_cnn().save(path)
    return path


@pytest.fixture
def clip(tmp_path) -> Path:
    return make_video(tmp_path / "clip.mp4", 12, fps=10)


def check_line(stderr: str, *parts: str) -> None:
    (line,) = stderr.splitlines()
    assert line.startswith("vidcam: ")
    for part in parts:
        assert part in line


def test_no_display_and_no_serve_is_said_before_anything_else(clip, no_model, capfd):
    code, out, err = vidcam(capfd, clip)
    assert (code, out) == (1, "")
    check_line(err, "there is no display (DISPLAY is not set)", "--serve PORT")


@pytest.mark.skipif(any(Path("/dev").glob("video*")), reason="there is a camera")
def test_no_camera_says_which_were_tried(no_model, monkeypatch, capfd):
    monkeypatch.setattr(session, "OPENING", 60.0)
    code, _, err = vidcam(capfd, "--serve", "0", "--quiet")
    assert code == 1
    check_line(
        err, "no camera opens; tried cameras 0, 1, 2, 3", "close the program that may hold it", "name another SOURCE"
    )
    code, _, err = vidcam(capfd, "3", "--serve", "0", "--quiet")
    check_line(err, "tried camera 3")


def test_a_busy_port_is_said(clip, no_model, capfd):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        code, _, err = vidcam(capfd, clip, "--serve", port)
    assert code == 1
    check_line(err, f"--serve 127.0.0.1:{port}: ", "another program uses it; choose another port")


@pytest.mark.parametrize(
    ("arguments", "code", "parts"),
    [
        (["none.mp4"], 1, ["none.mp4: no such file", "a camera's index"]),
        (["text.mp4"], 1, ["text.mp4: is no video"]),
        (["ftp://camera/1"], 2, ["ftp://camera/1: unknown kind of address"]),
        (["http://127.0.0.1:9/stream"], 1, ["http://127.0.0.1:9/stream: connection refused"]),
        (["rtsp://me:secret@127.0.0.1:9/x"], 1, ["rtsp://127.0.0.1:9/x: connection refused"]),
        (["clip.mp4", "--camera-size", "640x480"], 2, ["--camera-size is for cameras"]),
        (["clip.mp4", "--camera-fps", "30"], 2, ["--camera-fps is for cameras"]),
        (["0", "--loop"], 2, ["--loop is for video files"]),
        (["clip.mp4", "--view", "timeline"], 2, ["view timeline needs the whole clip"]),
        (["clip.mp4", "--normalize", "clip"], 2, ["normalize clip needs the whole clip"]),
        (["clip.mp4", "--method", "gradcan"], 2, ["method 'gradcan' is unknown"]),
        (["clip.mp4", "--method", "gradcam,layercam"], 2, ["live shows one at a time"]),
        (["clip.mp4", "--method", "eigencam", "--against"], 2, ["eigencam explains no class"]),
        (["clip.mp4", "--target", "clip-top"], 2, ["clip-top is known at the end of a clip only"]),
        (["clip.mp4", "--colormap", "mud"], 2, ["colormap 'mud' is unknown"]),
        (["clip.mp4", "--record", "clip.mp4"], 2, ["clip.mp4: exists already"]),
        (["clip.mp4", "--record", "seen.avi"], 2, ["seen.avi: a recording is one of"]),
        (["clip.mp4", "--serve", "web"], 2, ["--serve web: give a port"]),
        (["clip.mp4", "--duration", "soon"], 2, ["soon"]),
    ],
)
def test_bad_input_is_one_line(arguments, code, parts, clip, tmp_path, monkeypatch, capfd, no_model):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(session, "OPENING", 60.0)  # nothing is loaded meanwhile, however slow the machine is
    (tmp_path / "text.mp4").write_text("This is no video.")
    serve = [] if "--serve" in arguments else ["--serve", "0", "--quiet"]
    got, out, err = vidcam(capfd, *arguments, *serve)
    assert (got, out) == (code, "")
    check_line(err, *parts)
    assert "secret" not in err


def test_a_session_without_a_screen_records_what_is_seen(clip, model, tmp_path, capfd):
    seen = tmp_path / "seen.mp4"
    code, out, err = vidcam(
        capfd, clip, "--loop", "--serve", "0", "--record", seen, "--duration", "3", "--model", model, "--mirror"
    )
    assert code == 0
    assert re.fullmatch(r"serving at http://127\.0\.0\.1:\d+/; Ctrl-C ends\n", err)
    first, last = out.splitlines()
    assert first == str(seen)
    assert re.fullmatch(r"\d+ frames shown, \d+ left out, \d+ maps in \d+\.\d s; \d+ ms from capture to screen", last)
    pictures, times = read_frames(seen)
    assert {p.shape for p in pictures} == {(48, 64, 3)}
    assert 1.0 < times[-1] < 4.0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip.mp4", "seen.mp4"]


def test_an_unknown_label_ends_the_session_with_its_message(clip, model, capfd):
    code, _, err = vidcam(capfd, clip, "--loop", "--serve", "0", "--model", model, "--target", "elephant", "--quiet")
    assert code == 2
    check_line(err, "target 'elephant' is no class of this model")


def test_an_address_that_others_reach_is_told_once_with_its_key(clip, model, capfd):
    code, out, err = vidcam(capfd, clip, "--serve", "0.0.0.0:0", "--duration", "0.1", "--model", model)
    assert code == 0
    key = re.search(r"serving at http://[^/;]+:\d+/([^/;]{20,})/; Ctrl-C ends\n", err)[1]
    assert (out + err).count(key) == 1
    assert "whoever has this address sees the picture and can use the controls" in err


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent as a signal")
def test_ctrl_c_ends_with_a_finished_recording(clip, model, tmp_path):
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    process = subprocess.Popen(
        [sys.executable, "-m", "vidcam", "live", str(clip), "--loop", "--serve", "0", "--model", str(model),
         "--record", str(tmp_path / "seen.mp4")],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**environment, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    watchdog = threading.Timer(200, process.kill)
    watchdog.start()
    try:
        url = re.search(r"http://[^;]+", process.stderr.readline())[0]
        state = {"classes": []}
        while not state["classes"]:
            with urllib.request.urlopen(f"{url}state", timeout=30) as answer:
                state = json.loads(answer.read())
            time.sleep(0.1)
        assert state["model"] == "model"
        assert state["recording"] == "seen.mp4"
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate()
        assert process.returncode == 130
        assert out.splitlines()[0] == str(tmp_path / "seen.mp4")
        assert len(read_frames(tmp_path / "seen.mp4")[0]) > 1
        assert sorted(p.name for p in tmp_path.iterdir()) == ["clip.mp4", "seen.mp4"]
    finally:
        watchdog.cancel()
        process.kill()
