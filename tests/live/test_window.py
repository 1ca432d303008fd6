"""The window on a virtual screen: it opens, keys sent by xdotool do what they say, and what a screenshot shows.

With VIDCAM_SCREENSHOTS set to a folder the screenshots stay there to be looked at.
"""

from __future__ import annotations

import ctypes
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageGrab

from tests.clips import read_frames
from tests.live.fakes import read_count, read_map
from vidcam.live.window import TITLE, display_problem

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def screen():
    """A virtual screen; its name is what DISPLAY takes."""
    for program, package in (("Xvfb", "xvfb"), ("xdotool", "xdotool")):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (apt install {package}); the window is not tested")
    read, write = os.pipe()
    # It chooses a free number itself and says which.
    process = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1000x700x24", "-nolisten", "tcp"],
        pass_fds=(write,),
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as file:
        number = file.readline().strip()
    assert number, "Xvfb did not start"
    yield f":{number}"
    process.terminate()
    process.wait()


class Running:
    """A session with a window in a process of its own."""

    def __init__(self, screen: str, folder: Path) -> None:
        self.environment = {**os.environ, "DISPLAY": screen, "PYTHONPATH": str(ROOT), "QT_QPA_PLATFORM": "xcb"}
        self.screen = screen
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.live.fakes", "--window", "--seconds", "0.1", "--rate", "30"],
            stdout=subprocess.PIPE, text=True, cwd=folder, env=self.environment,
        )  # fmt: skip
        self.lines: queue.Queue[dict] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.state: dict = {}
        try:
            self.wait_for(lambda s: s.get("maps"))
        except AssertionError:
            self.process.kill()
            raise
        self.window = self.xdotool("search", "--sync", "--name", TITLE).split()[-1]
        self.xdotool("windowfocus", "--sync", self.window)

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.put(json.loads(line))

    def xdotool(self, *arguments: str) -> str:
        return subprocess.run(
            ["xdotool", *arguments], env=self.environment, capture_output=True, text=True, check=True, timeout=60
        ).stdout

    def wait_for(self, condition, seconds: float = 60.0) -> dict:
        end = time.monotonic() + seconds
        while not condition(self.state):
            try:
                self.state = self.lines.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"never so; last: {self.state}") from None
        return self.state

    def press(self, key: str, condition) -> dict:
        """Presses a key until it was noticed; OpenCV keeps one key a look, so one may get lost on a busy machine."""
        self.xdotool("key", key)
        return self.wait_for(condition)

    def until(self, name: str, condition, seconds: float = 60.0) -> np.ndarray:
        """Returns the first screenshot, RGB uint8, that a condition is true of."""
        end = time.monotonic() + seconds
        while not condition(picture := self.grab(name)):
            assert time.monotonic() < end, f"{name} never shows it"
        return picture

    def grab(self, name: str) -> np.ndarray:
        """Returns the screen, RGB uint8."""
        image = ImageGrab.grab(xdisplay=self.screen).convert("RGB")
        if folder := os.environ.get("VIDCAM_SCREENSHOTS"):
            image.save(Path(folder) / name)
        return np.asarray(image)


@pytest.fixture
def running(screen, tmp_path):
    running = Running(screen, tmp_path)
    yield running
    running.process.kill()
    running.process.wait()


def test_the_window_shows_overlay_and_caption_and_its_keys_work(running, tmp_path):
    picture = running.until("window.png", lambda p: read_map(p[:240, :320]))[:240, :320]
    assert 0 < read_map(picture) <= read_count(picture)
    hot, cold = picture[160:168].max(axis=(0, 1)), picture[160:168].min(axis=(0, 1))
    assert (hot.astype(int) - cold).max() > 60  # colours that the plain field behind does not have
    caption = picture[4:30, 4:90]
    assert caption.max() > 240  # white letters
    assert caption.min() < 90  # on a dark box

    darkness = lambda p: np.median(p[70:170, 80:240])  # noqa: E731 - where the list of keys lies on its dark box
    assert darkness(picture) > 60
    running.press("h", lambda s: s["help"])
    shown = running.until("window_help.png", lambda p: darkness(p) < 40)
    assert shown[70:170, 80:240].max() > 240  # its letters
    running.press("h", lambda s: not s["help"])
    running.until("window.png", lambda p: darkness(p) > 60)
    running.press("m", lambda s: s["method"] == "gradcam++")
    running.press("c", lambda s: s["colormap"] == "magma")
    running.press("plus", lambda s: s["alpha"] == 0.5)
    running.press("minus", lambda s: s["alpha"] == 0.4)
    running.press("t", lambda s: s["target"] != "top")
    running.press("t", lambda s: s["target"] == "top")
    running.press("o", lambda s: not s["overlay"])
    running.press("o", lambda s: s["overlay"])
    running.press("s", lambda s: s["message"].startswith("snapshot live-"))
    running.press("r", lambda s: s["recording"])
    first = read_count(running.grab("window_recording.png")[:240, :320])
    running.until("window_recording.png", lambda p: read_count(p[:240, :320]) > first + 15)  # half a second is recorded
    running.press("r", lambda s: not s["recording"])
    running.wait_for(lambda s: s["message"].startswith("recorded live-"))
    running.press("x", lambda s: s["message"] == "key x does nothing; h lists the keys")
    running.press("space", lambda s: s["paused"])
    before: list[int] = []

    def stands(picture: np.ndarray) -> bool:
        """Whether the picture is that of three screenshots before, which may have been taken before the pause."""
        before.append(read_count(picture[:240, :320]))
        return len(before) > 3 and len(set(before[-4:])) == 1

    running.until("window_paused.png", stands)
    count, end = before[-1], time.monotonic() + 0.5  # in which 15 more pictures come from the source
    while time.monotonic() < end:
        assert read_count(running.grab("window_paused.png")[:240, :320]) == count > 0
    running.press("v", lambda s: s["view"] == "heatmap")
    running.press("q", lambda s: "files" in s)
    assert running.process.wait(60) == 0
    written = sorted(p.name for p in tmp_path.iterdir())
    assert sorted(running.state["files"]) == written
    assert sorted(Path(n).suffix for n in written) == [".mp4", ".png", ".png"]
    pictures, times = read_frames(next(tmp_path.glob("*.mp4")))
    counts = [read_count(p) for p in pictures]
    assert counts == sorted(set(counts))
    # At the times at which they were taken: the counter runs at 30 a second.
    for (a, s), (b, t) in zip(
        list(zip(counts, times, strict=True))[:-1], list(zip(counts, times, strict=True))[1:], strict=True
    ):
        assert t - s == pytest.approx((b - a) / 30, abs=0.002)


def ask_to_close(screen: str, window: int) -> None:
    """Does what a window manager does when somebody clicks on a window's cross (ICCCM, WM_DELETE_WINDOW)."""
    x = ctypes.CDLL("libX11.so.6")  # xdotool needs it, too
    x.XOpenDisplay.restype = ctypes.c_void_p
    x.XInternAtom.restype = ctypes.c_ulong
    display = ctypes.c_void_p(x.XOpenDisplay(screen.encode()))
    atoms = [x.XInternAtom(display, name, 0) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW")]

    class ClientMessage(ctypes.Structure):
        _fields_ = [
            ("type", ctypes.c_int),
            ("serial", ctypes.c_ulong),
            ("send_event", ctypes.c_int),
            ("display", ctypes.c_void_p),
            ("window", ctypes.c_ulong),
            ("message_type", ctypes.c_ulong),
            ("format", ctypes.c_int),
            ("data", ctypes.c_long * 5),
            ("room", ctypes.c_long * 24),
        ]

    event = ClientMessage(type=33, window=window, message_type=atoms[0], format=32)
    event.data[0] = atoms[1]
    x.XSendEvent(display, ctypes.c_ulong(window), 0, ctypes.c_long(0), ctypes.byref(event))
    x.XCloseDisplay(display)


def test_closing_the_window_or_escape_ends_the_session(screen, tmp_path):
    for how in ("key", "close"):
        running = Running(screen, tmp_path)
        if how == "key":
            running.xdotool("key", "Escape")
        else:
            ask_to_close(screen, int(running.window))
        try:
            assert running.process.wait(60) == 0
        finally:
            running.process.kill()


def test_whether_there_is_a_display_is_found_out_beforehand(screen, monkeypatch):
    monkeypatch.setenv("DISPLAY", screen)
    assert display_problem() == ""
    monkeypatch.setenv("DISPLAY", ":9999")
    assert display_problem() == "the display :9999 cannot be opened"
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert display_problem() == "there is no display (DISPLAY is not set)"


def test_screenshots_can_be_read(screen):
    """The tests above read the screen through Pillow; without its X support they would see nothing."""
    assert isinstance(ImageGrab.grab(xdisplay=screen), Image.Image)
