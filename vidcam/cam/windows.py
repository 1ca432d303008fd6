"""Windows that slide over a clip, for networks that see time: which frames a window shows; `moments` makes maps of it.

A clip is sampled: every frame is a sample, or, at a rate, every so many-th of a second is, with the frame that is on
the screen then. Windows of as many samples as the network takes begin every `step` samples, and one more ends with
the last sample. No window reaches across a cut: what follows a cut is a clip of its own. One that is shorter than a
window is filled up with its last frame. At a rate, a frame that stands longer than a window ends its scene, too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Generic, TypeVar

import numpy as np

from vidcam.errors import UsageError
from vidcam.types import Array

T = TypeVar("T")
NEAR = 0.1
"""Samples by which a frame may miss the time of one and still be it: containers round times to milliseconds."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a network that sees time is shown a clip.

    Attributes:
        length: frames in a window.
        step: samples from one window to the next, at most `length`.
        fps: samples a second; None to take every frame, whatever the times say.
    """

    length: int
    step: int
    fps: float | None = None

    @classmethod
    def of(cls, length: int, step: int | None = None, fps: float | None = None) -> Sampling:
        """Checks the choice of a step and a rate.

        Args:
            length: frames in a window.
            step: samples from one window to the next; None for half a window.
            fps: samples a second; None for every frame.

        Raises:
            UsageError: one is out of range.
        """
        step = max(1, length // 2) if step is None else step
        if not 1 <= step <= length:
            raise UsageError(
                f"--clip-stride {step} is out of range: windows are of {length} frames, and one begins at most that "
                "many after the other"
            )
        if fps is not None and not 0 < fps <= 1000:
            raise UsageError(f"--clip-fps {fps:g} is out of range; it is more than 0 and at most 1000")
        return cls(length, step, fps)

    def told(self) -> dict[str, str]:
        """Says how the network was shown a clip, as provenance."""
        rate = {"clip_fps": f"{self.fps:g}"} if self.fps else {}
        return {"window": f"{self.length} frames, a new one every {self.step}", **rate}


@dataclass(frozen=True, slots=True)
class Coming(Generic[T]):
    """A clip's next frame.

    Attributes:
        item: what to hand on with its moment; None where nobody asks what the network sees in it.
        picture: gives it fitted to the network's input, uint8 (h, w, C); asked only where it is a sample.
        time: seconds.
        cut: whether a scene begins with it.
    """

    item: T | None
    picture: Callable[[], Array]
    time: float
    cut: bool


@dataclass(frozen=True, slots=True)
class Waiting(Generic[T]):
    """A frame that waits for its windows.

    Attributes:
        place: in samples from its scene's first.
        item: see `Coming`.
    """

    place: float
    item: T | None


@dataclass(frozen=True, slots=True)
class ClipWindow:
    """What the network is shown at once.

    Attributes:
        start: the place of its first sample.
        pictures: uint8 (T, h, w, C).
    """

    start: int
    pictures: Array


@dataclass(frozen=True, slots=True)
class Settled:
    """No window to come holds a frame before this place; infinite where the scene ends."""

    before: float


WindowEvent = Waiting[T] | ClipWindow | Settled


def windows(frames: Iterable[Coming[T]], sampling: Sampling) -> Iterator[WindowEvent[T]]:
    """Slides windows over a clip as its frames come; holds as many pictures as a window has samples, and one more.

    Args:
        frames: in order.
        sampling: how the network is shown a clip.

    Yields:
        Every frame, the windows, and which frames have had all of theirs.
    """
    scene = _Scene[T](sampling)
    for frame in frames:
        if scene.frames and (frame.cut or scene.place(frame.time) - scene.count > sampling.length):
            yield from scene.end()
            scene = _Scene(sampling)
        yield from scene.add(frame)
    if scene.frames:
        yield from scene.end()


class _Scene(Generic[T]):
    """The windows of one scene, see `windows`.

    Attributes:
        frames: so far.
        count: samples so far.
    """

    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling
        self._samples: deque[Array] = deque(maxlen=sampling.length)
        self._start = 0  # of the next window
        self._began = 0.0
        self._last: Callable[[], Array] | None = None
        self.frames = self.count = 0

    def add(self, frame: Coming[T]) -> Iterator[WindowEvent[T]]:
        if not self.frames:
            self._began = frame.time
        place = self.place(frame.time)
        if self._last is not None:  # what was on the screen when samples were due
            while self.count < place - NEAR:
                yield from self._sample(self._last())
        if self.count <= place + NEAR:
            yield from self._sample(frame.picture())
        self._last = frame.picture
        self.frames += 1
        yield Waiting(place, frame.item)
        # The scene's last window begins behind the one before it.
        yield Settled(self._start - self._sampling.step + 0.5)

    def end(self) -> Iterator[WindowEvent[T]]:
        length = self._sampling.length
        if self.count < length:
            yield ClipWindow(0, np.stack([*self._samples, *repeat(self._samples[-1], length - self.count)]))
        elif self._start - self._sampling.step != self.count - length:
            yield ClipWindow(self.count - length, np.stack(self._samples))
        yield Settled(float("inf"))

    def place(self, time: float) -> float:
        """Returns where a frame that comes now lies, in samples from the scene's first."""
        fps = self._sampling.fps
        return float(self.frames) if fps is None or not self.frames else (time - self._began) * fps

    def _sample(self, picture: Array) -> Iterator[ClipWindow]:
        self._samples.append(picture)
        self.count += 1
        if self.count == self._start + self._sampling.length:
            yield ClipWindow(self._start, np.stack(self._samples))
            self._start += self._sampling.step
