"""The OpenCV window: pictures with their figures out, keys in. The main thread calls it, as window systems want it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence

import cv2

from vidcam.live.controls import Controls
from vidcam.live.display import Painted
from vidcam.live.painter import with_figures

TITLE = "vidcam live"
LARGEST_WINDOW = (1600, 900)
"""(width, height) in pixels that a new window has at most; it can be resized."""
_PROBE = "import cv2, os; cv2.namedWindow('vidcam'); os._exit(0)"


def display_problem() -> str:
    """Returns why no window can be opened, or an empty text.

    Qt ends the whole process where it finds no display, so another process tries it.
    """
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "there is no display (DISPLAY is not set)"
    if sys.platform != "linux":
        return ""
    try:
        tried = subprocess.run(
            [sys.executable, "-c", _PROBE], capture_output=True, timeout=60, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return "the display does not answer"
    if tried.returncode == 0:
        return ""
    if b"not implemented" in tried.stderr:
        return "this OpenCV has no windows (opencv-python-headless)"
    return f"the display {os.environ.get('DISPLAY', '')} cannot be opened"


class DesktopWindow:
    """Shows pictures and reads keys.

    Args:
        controls: take the keys.
        lines: returns what is told beside the picture.
    """

    def __init__(self, controls: Controls, lines: Callable[[], Sequence[str]]) -> None:
        self._controls = controls
        self._lines = lines
        self._size: tuple[int, int] | None = None
        self._opened = False

    def wanted(self) -> bool:
        return True

    def show(self, shown: Painted) -> None:
        picture = with_figures(shown.picture, self._lines(), shown.settings)
        size = (picture.shape[1], picture.shape[0])
        if not self._opened:
            cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        if size != self._size:
            scale = min(1.0, LARGEST_WINDOW[0] / size[0], LARGEST_WINDOW[1] / size[1])
            cv2.resizeWindow(TITLE, round(size[0] * scale), round(size[1] * scale))
            self._size = size
        cv2.imshow(TITLE, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        self._opened = True
        self.pump()

    def pump(self) -> None:
        """Lets the window system draw, and hands on the keys that were pressed."""
        if not self._opened:
            return
        for _ in range(8):
            key = cv2.pollKey()
            if key < 0:
                break
            self._controls.press(chr(key & 0xFF))
        if not _is_open():
            self._opened = False
            self._controls.do("quit")

    def close(self) -> None:
        """Closes the window."""
        if self._opened:
            cv2.destroyAllWindows()
            cv2.pollKey()
            self._opened = False


def _is_open() -> bool:
    try:
        return bool(cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) >= 1)
    except cv2.error:  # with the last window Qt's part of OpenCV is gone
        return False
