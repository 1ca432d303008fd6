"""A video file as if it were live: every picture when its time has come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from vidcam.errors import VidcamError
from vidcam.media.feeds.base import Feed, FeedEnded, FeedLost
from vidcam.media.read.open import open_source
from vidcam.media.read.source import Source
from vidcam.types import Array, Frame

LATE = 0.05
"""Seconds after which a picture is left out rather than shown late."""
SKIPS = 3
"""Pictures left out in a row, at most."""
BEHIND = 0.5
"""Seconds after which the file plays on from where it is: it was paused, or is read more slowly than it plays."""


class Playback(Feed):
    """A video or animation file at its own pace.

    Args:
        path: the file.
        loop: begin again at the end.
        clock: seconds, and
        wait: waits so many seconds or until the event is set; both for tests.
    """

    live = False

    def __init__(
        self,
        path: Path,
        *,
        loop: bool = False,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[threading.Event, float], object] = threading.Event.wait,
    ) -> None:
        self.name = path.name
        self._path = path
        self._loop = loop
        self._clock = clock
        self._wait = wait
        self._open()

    def _open(self) -> None:
        self._source: Source = open_source(self._path)
        if self._source.info.kind == "image":
            self._source.close()
            raise VidcamError(f"{self._path}: is one picture; `vidcam run` explains it")
        self.notes = self._source.info.notes
        self._frames: Iterator[Frame] = iter(self._source)
        self._zero: float | None = None  # the clock's time at the file's time 0
        self._end = 0.0

    def read(self, stop: threading.Event) -> tuple[Array, float]:
        skipped = 0
        while True:
            frame = next(self._frames, None)
            if frame is None:
                self._again(stop)
                continue
            now = self._clock()
            if self._zero is None or now - self._zero - float(frame.time) > BEHIND:
                self._zero = now - float(frame.time)
            due = self._zero + float(frame.time)
            self._end = due + float(frame.duration or 0)
            if due > now:
                self._wait(stop, due - now)
            elif now - due > LATE and skipped < SKIPS:
                skipped += 1
                continue
            if stop.is_set():
                raise FeedLost("stopped")
            picture = frame.rgb()
            return picture, max(due, now)

    def _again(self, stop: threading.Event) -> None:
        """Waits for the last picture's end, and begins again where that is asked for."""
        if self._zero is None:
            raise VidcamError(f"{self._path}: no frame of it can be read")
        self._wait(stop, max(0.0, self._end - self._clock()))
        if not self._loop:
            raise FeedEnded
        if stop.is_set():
            raise FeedLost("stopped")
        self.close()
        self._open()

    def close(self) -> None:
        self._source.close()
