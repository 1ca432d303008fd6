"""Cameras, through OpenCV's VideoCapture."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any

import cv2

from vidcam.errors import VidcamError
from vidcam.media.feeds.base import Feed, FeedLost
from vidcam.types import Array

TRIED = 4
"""Cameras that are tried where none is named."""
_BACKEND = {"linux": cv2.CAP_V4L2, "win32": cv2.CAP_DSHOW, "darwin": cv2.CAP_AVFOUNDATION}.get(
    sys.platform, cv2.CAP_ANY
)


class Camera(Feed):
    """An open camera."""

    def __init__(self, capture: Any, name: str, size: tuple[int, int] | None, fps: float | None) -> None:
        self.name = name
        self._capture = capture
        # Where it is heeded, the driver keeps one picture instead of four old ones.
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        if size is not None or fps is not None:
            # Uncompressed, USB 2 carries large pictures a few times a second only.
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        if size is not None:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
        if fps is not None:
            capture.set(cv2.CAP_PROP_FPS, fps)
        self.notes = self._differences(size, fps)

    def read(self, stop: threading.Event) -> tuple[Array, float]:
        if not self._capture.grab():
            raise FeedLost(f"{self.name} gives no more pictures; is it still plugged in?")
        taken = time.monotonic()
        good, picture = self._capture.retrieve()
        if not good or picture is None or picture.ndim < 2:
            raise FeedLost(f"{self.name} gave a picture that cannot be read")
        rgb: Array = cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB if picture.ndim == 2 else cv2.COLOR_BGR2RGB)
        return rgb, taken

    def close(self) -> None:
        self._capture.release()

    def _differences(self, size: tuple[int, int] | None, fps: float | None) -> tuple[str, ...]:
        notes = []
        width, height = (int(self._capture.get(p)) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        if size is not None and (width, height) != size:
            notes.append(f"{self.name} gives {width}x{height} instead of {size[0]}x{size[1]}")
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        if fps is not None and rate > 0 and abs(rate - fps) > 0.5:
            notes.append(f"{self.name} gives {rate:g} frames a second instead of {fps:g}")
        return tuple(notes)


def open_camera(device: int | str | None, size: tuple[int, int] | None = None, fps: float | None = None) -> Camera:
    """Opens a camera.

    Args:
        device: its index, its device path, or None for the first of a few that opens.
        size: (width, height) in pixels to ask for; what it gives instead is in `notes`.
        fps: frames a second to ask for.

    Returns:
        The camera.

    Raises:
        VidcamError: it cannot be opened: says what was tried, and what else is there.
    """
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    devices: list[int | str] = list(range(TRIED)) if device is None else [device]
    for tried in devices:
        capture = cv2.VideoCapture(tried, _BACKEND)
        if capture.isOpened():
            return Camera(capture, f"camera {tried}", size, fps)
        capture.release()
    raise VidcamError(_no_camera(devices))


def _no_camera(devices: list[int | str]) -> str:
    """Says in one line why no camera opened."""
    tried = ", ".join(str(d) for d in devices)
    message = f"no camera opens; tried {'camera' if len(devices) == 1 else 'cameras'} {tried}"
    if sys.platform == "linux":
        there = sorted(str(p) for p in Path("/dev").glob("video*"))
        message += (
            f"; {', '.join(there)} {'is' if len(there) == 1 else 'are'} there"
            if there
            else " (no /dev/video* is there)"
        )
    return (
        f"{message}. Plug one in, close the program that may hold it, check that you may use it, "
        "or name another SOURCE: a device, a URL, a video file"
    )
