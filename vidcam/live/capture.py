"""The capture thread: from the feed into one slot, again and again, also after the feed was lost."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from vidcam.errors import VidcamError
from vidcam.live.controls import Controls
from vidcam.live.slot import Slot
from vidcam.media.feeds.base import Feed, FeedEnded, FeedLost
from vidcam.types import Array

FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0
"""Seconds before the first attempt to reconnect, doubled with each, up to the second."""


class Capture:
    """Keeps the slot filled with the newest frame.

    Args:
        opener: opens the feed.
        frames: takes RGB uint8 (H, W, 3) and the time each was taken.
        controls: whether it is paused.
        mirror: flip left and right.

    Attributes:
        trouble: why there are no new frames, empty while there are.
        ended: whether a file has been played to its end.
        failure: an error that ends the session.
    """

    def __init__(
        self, opener: Callable[[], Feed], frames: Slot[Array], controls: Controls, *, mirror: bool = False
    ) -> None:
        self._opener = opener
        self._frames = frames
        self._controls = controls
        self._mirror = mirror
        self._feed: Feed | None = None
        self._wait = FIRST_WAIT
        self.name = ""
        self.notes: tuple[str, ...] = ()
        self.live = True
        self.trouble = ""
        self.ended = False
        self.failure: BaseException | None = None

    def open(self) -> None:
        """Opens the feed for the first time.

        Raises:
            VidcamError: that fails.
        """
        self._feed = self._opener()
        self.name, self.notes, self.live = self._feed.name, self._feed.notes, self._feed.live

    def run(self, stop: threading.Event) -> None:
        """Fills the slot until told to stop; closes the feed at the end."""
        try:
            while not stop.is_set():
                self.step(stop)
        except FeedEnded:
            self.ended = True
        except BaseException as error:
            self.failure = error
        finally:
            if self._feed is not None:
                self._feed.close()
            with self._frames.wake:
                self._frames.wake.notify_all()

    def step(self, stop: threading.Event) -> None:
        """Reads one frame, or tries once to get a lost feed back."""
        if self._feed is None:
            self._reconnect(stop)
            return
        if self._controls.settings.paused and not self._feed.live:
            stop.wait(0.02)
            return
        try:
            picture, taken = self._feed.read(stop)
        except FeedLost as error:
            if not stop.is_set():
                self._lose(str(error))
            return
        self._wait, self.trouble = FIRST_WAIT, ""
        # A paused picture stands; what a camera sees meanwhile is read, or it would come late afterwards.
        if not self._controls.settings.paused:
            self._frames.put(np.ascontiguousarray(picture[:, ::-1]) if self._mirror else picture, taken)

    def _lose(self, reason: str) -> None:
        self.trouble = reason
        if self._feed is not None:
            self._feed.close()
            self._feed = None

    def _reconnect(self, stop: threading.Event) -> None:
        if stop.wait(self._wait):
            return
        self._wait = min(2 * self._wait, LONGEST_WAIT)
        try:
            self._feed = self._opener()
        except VidcamError as error:
            self.trouble = str(error)
