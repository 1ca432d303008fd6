"""Recording what is seen now: H.264 with the times at which pictures were taken, playable after a crash.

The pictures go to a Matroska file beside the asked one, `NAME.recording.mkv`, in clusters of a fifth of a second, so
that what a killed program leaves plays up to there. At the end it is copied, without encoding again, to the asked
format.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from vidcam._files import OutputFile
from vidcam.errors import UsageError, VidcamError
from vidcam.media.color import to_yuv420p
from vidcam.media.container import reason
from vidcam.media.write.h264 import CONTAINERS, add_h264, open_output
from vidcam.types import Array

_TICK = Fraction(1, 1000)  # what Matroska counts in
# zerolatency: no picture waits in the encoder for later ones. Two seconds between key frames make it seekable.
_H264 = {"preset": "veryfast", "crf": "20", "tune": "zerolatency", "g": "60"}
_MATROSKA = {"cluster_time_limit": "200", "flush_packets": "1"}


class Recording:
    """A video file that grows while things happen.

    Args:
        path: the file to make: .mp4, .mov or .mkv.
        overwrite: whether an existing file may be replaced.

    Raises:
        UsageError: it exists, or its name says another format.
        VidcamError: it cannot be written there.
    """

    def __init__(self, path: Path, overwrite: bool = False) -> None:
        check_recording(path, overwrite)
        self.path = path
        self.working = _unused(path)
        self.frames = 0
        self._overwrite = overwrite
        self._stream: Any = None
        self._container: Any = None
        self._zero = 0.0
        self._last = -1

    def write(self, rgb: Array, time: float) -> None:
        """Adds a picture.

        Args:
            rgb: uint8 (H, W, 3). The first one's size is the file's; others are fitted into it.
            time: seconds on any steady clock, later than the one before.
        """
        with self._errors():
            if self._stream is None:
                self._begin(rgb, time)
            frame = to_yuv420p(fit_into(rgb, self._size))
            frame.pts = self._last = max(round((time - self._zero) / _TICK), self._last + 1)
            frame.time_base = _TICK
            self._container.mux(self._stream.encode(frame))
            self.frames += 1

    def _begin(self, rgb: Array, time: float) -> None:
        self._size = (rgb.shape[1] + rgb.shape[1] % 2, rgb.shape[0] + rgb.shape[0] % 2)
        self._zero = time
        self._container = open_output(self.working, ".mkv", _MATROSKA)
        self._stream = add_h264(self._container, self._size, rate=Fraction(30), tick=_TICK, options=_H264)

    def finish(self) -> bool:
        """Completes the file and gives it its name.

        Returns:
            Whether there is one: False where no picture came.

        Raises:
            VidcamError: the copy failed; the working file is left and named.
        """
        if self._container is None:
            return False
        with self._errors():
            self._container.mux(self._stream.encode(None))
            self._container.close()
        self._container = None
        target = OutputFile(self.path, self._overwrite)
        try:
            with self._errors():
                _copy(self.working, target.temporary, self.path.suffix.lower())
            target.commit()
        finally:
            target.discard()
        self.working.unlink(missing_ok=True)
        return True

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (av.error.FFmpegError, OSError) as error:
            kept = f"; what was recorded is in {self.working}" if self.working.exists() else ""
            raise VidcamError(f"{self.path}: cannot be written: {reason(error)}{kept}") from None


def check_recording(path: Path, overwrite: bool) -> None:
    """Checks the name of a recording before there is one.

    Raises:
        UsageError: the file exists, or its name says another format.
        VidcamError: its folder cannot be written to.
    """
    if path.suffix.lower() not in CONTAINERS:
        raise UsageError(f"{path}: a recording is one of {', '.join(CONTAINERS)}")
    OutputFile(path, overwrite).discard()


def fit_into(rgb: Array, size: tuple[int, int]) -> Array:
    """Fits a picture into a size: whole, at its own aspect, with black around; one row or column short is repeated.

    Args:
        rgb: uint8 (H, W, 3).
        size: (width, height) in pixels.

    Returns:
        uint8 (height, width, 3).
    """
    height, width = rgb.shape[:2]
    right, bottom = size[0] - width, size[1] - height
    if right in (0, 1) and bottom in (0, 1):
        return np.pad(rgb, ((0, bottom), (0, right), (0, 0)), mode="edge") if right or bottom else rgb
    scale = min(size[0] / width, size[1] / height)
    new = (max(1, min(size[0], round(width * scale))), max(1, min(size[1], round(height * scale))))
    shrunk = cv2.resize(rgb, new, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    canvas = np.zeros((size[1], size[0], 3), np.uint8)
    x, y = (size[0] - new[0]) // 2, (size[1] - new[1]) // 2
    canvas[y : y + new[1], x : x + new[0]] = shrunk
    return canvas


def _unused(path: Path) -> Path:
    """Returns a name beside the file for the recording while it grows; one that a crash left is never touched."""
    names = (path.with_name(f"{path.stem}.recording{n}.mkv") for n in ("", *(f"-{i}" for i in range(2, 1000))))
    name = next((n for n in names if not n.exists()), None)
    if name is None:
        raise VidcamError(f"{path}: too many unfinished recordings beside it; move them away")
    return name


def _copy(source: Path, target: Path, suffix: str) -> None:
    """Copies a Matroska file's packets into another container."""
    with av.open(f"file:{source.absolute()}") as read, open_output(target, suffix) as written:
        stream = read.streams.video[0]
        copy = written.add_stream_from_template(stream)
        for packet in read.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                written.mux_one(packet)
