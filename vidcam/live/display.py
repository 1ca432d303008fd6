"""The display: at each tick the newest frame with the newest map, handed to whatever shows or keeps pictures.

It waits for nothing that is slow: not for the explainer, not for an encoder, not for a viewer.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from vidcam.live.capture import Capture
from vidcam.live.controls import Controls, LiveSettings
from vidcam.live.explaining import ExplainedFrame, Explaining
from vidcam.live.painter import OLD, Painter, lost, waiting
from vidcam.live.slot import Item, Slot
from vidcam.types import Array

INTERVAL = 1 / 30
"""Seconds between two pictures, at least."""
PATIENCE = 0.6
"""How much of the interval a picture may be late for a frame taken just now: a camera of 50 frames a second has one."""
YOUNG = 0.004
"""Seconds of age at which a frame is as good as new."""
STALLED = 2.0
"""Seconds without a frame after which a live source counts as lost, whatever its driver says."""
REFRESH = 0.25
"""Seconds after which the picture is drawn anew without news, so that ages and reasons stay true."""


@dataclass(frozen=True, slots=True)
class Painted:
    """A picture for the outputs.

    Attributes:
        picture: RGB uint8 (H, W, 3): overlay and caption, or the greyed frame.
        frame: the frame under it, RGB uint8.
        number: the frame's number in its slot, 0 before the first.
        time: seconds of `time.monotonic`: when the frame was taken, or now where the source is lost.
        fresh: whether the frame has not been shown before, or its loss is news.
        settings: how it was drawn.
    """

    picture: Array
    frame: Array
    number: int
    time: float
    fresh: bool
    settings: LiveSettings


class Output(Protocol):
    """Shows or keeps pictures; `show` must not wait."""

    def wanted(self) -> bool:
        """Tells whether a picture would be looked at."""

    def show(self, shown: Painted) -> None:
        """Takes the next picture; it must not be written to."""


class Figures:
    """Frames a second, latency and ages, as they are told to people.

    Attributes:
        latency: seconds from capture to screen, smoothed.
        shown: frames shown so far.
        oldest: the greatest latency so far, in seconds.
    """

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=60)
        self._maps: deque[float] = deque(maxlen=20)
        self.latency = 0.0
        self.oldest = 0.0
        self.shown = 0

    def frame(self, taken: float, now: float) -> None:
        """Notes that a frame is on the screen."""
        self._times.append(now)
        age = now - taken
        self.latency = age if self.shown == 0 else 0.9 * self.latency + 0.1 * age
        self.oldest = max(self.oldest, age)
        self.shown += 1

    def map(self, now: float) -> None:
        """Notes that a new map is on the screen."""
        self._maps.append(now)

    def rate(self, now: float) -> float:
        """Returns frames a second over the last two seconds."""
        return _rate(self._times, now)

    def map_rate(self, now: float) -> float:
        """Returns maps a second over the last few seconds."""
        return _rate(self._maps, now, 5.0)


def _rate(times: deque[float], now: float, span: float = 2.0) -> float:
    recent = [t for t in times.copy() if now - t <= span]
    return (len(recent) - 1) / (recent[-1] - recent[0]) if len(recent) > 1 and recent[-1] > recent[0] else 0.0


class Display:
    """Draws and hands out pictures; one thread, the main one, calls it.

    Args:
        frames: the newest frame.
        maps: the newest map.
        controls: how it is shown.
        capture: why there are no frames, where there are none.
        explaining: what it is busy with.
        clock: seconds.
    """

    def __init__(
        self,
        frames: Slot[Array],
        maps: Slot[ExplainedFrame],
        controls: Controls,
        capture: Capture,
        explaining: Explaining,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.outputs: list[Output] = []
        self.figures = Figures()
        self._frames = frames
        self._maps = maps
        self._controls = controls
        self._capture = capture
        self._explaining = explaining
        self._clock = clock
        self._painter = Painter()
        self._frame: Item[Array] | None = None
        self._map = 0
        self._drawn: tuple[object, ...] = ()
        self._at = float("-inf")

    def news(self) -> bool:
        """Tells whether a step would show anything that is not on the screen."""
        return self._state() != self._drawn or self._clock() - self._at >= REFRESH

    def wait(self, seconds: float) -> None:
        """Waits for news, or so long."""
        with self._frames.wake:
            self._frames.wake.wait_for(self.news, timeout=seconds)

    def wait_younger(self, due: float, seconds: float) -> None:
        """Waits for a younger frame, or so long."""
        with self._frames.wake:
            self._frames.wake.wait_for(lambda: not self.waits(due), timeout=seconds)

    def waits(self, due: float) -> bool:
        """Tells whether a younger frame comes so soon that the picture due then had better wait for it."""
        return self._frames.worth_waiting(self._clock(), due - YOUNG, PATIENCE * INTERVAL)

    def step(self) -> None:
        """Shows the newest there is."""
        began = self._clock()
        self._drawn, self._at = self._state(), began
        item, seen = self._frames.take(), self._maps.take()
        settings = self._controls.settings
        fresh = item is not None and (self._frame is None or item.number > self._frame.number)
        self._frame = item
        wanted = [output for output in self.outputs if output.wanted()]
        if wanted:
            shown = self._draw(item, seen, settings, fresh=fresh, now=began)
            for output in wanted:
                output.show(shown)
        now = self._clock()
        if fresh and item is not None:
            self.figures.frame(item.time, now)
        if seen is not None and seen.number > self._map:
            self._map = seen.number
            self.figures.map(now)

    def _draw(
        self,
        item: Item[Array] | None,
        seen: Item[ExplainedFrame] | None,
        settings: LiveSettings,
        *,
        fresh: bool,
        now: float,
    ) -> Painted:
        trouble = self.trouble(now)
        if item is None:
            picture = waiting((640, 480), trouble or f"waiting for {self._capture.name}")
            return Painted(picture, picture, 0, now, False, settings)
        if trouble:
            return Painted(lost(item.value, trouble), item.value, item.number, now, True, settings)
        picture = self._painter.paint(item.value, seen, settings)
        return Painted(picture, item.value, item.number, item.time, fresh, settings)

    def _state(self) -> tuple[object, ...]:
        return self._frames.number, self._maps.number, self._controls.changes, self._capture.trouble

    def trouble(self, now: float) -> str:
        """Returns why the picture is an old one, or an empty text."""
        capture, item = self._capture, self._frames.newest()
        if self._controls.settings.paused or capture.ended or not capture.live:
            return ""
        if capture.trouble:
            return f"{capture.trouble}; trying again"
        if item is not None and now - item.time > STALLED:
            return f"no picture from {capture.name} for {now - item.time:.0f} s"
        return ""

    def lines(self) -> Sequence[str]:
        """Returns what is told beside the picture: a message, what is being done, rate and latency."""
        now = self._clock()
        settings = self._controls.settings
        figures = f"{self.figures.rate(now):.0f} frames/s, {1000 * self.figures.latency:.0f} ms"
        seen = self._maps.newest()
        age = now - seen.time if seen and not settings.paused else 0.0
        return (
            self._controls.message,
            "paused" if settings.paused else "",
            self._explaining.busy,
            f"map {age:.1f} s old" if age > OLD else "",
            figures,
        )

    def state(self) -> dict[str, Any]:
        """Returns everything that a page shows beside the picture, as plain values."""
        now, settings, seen = self._clock(), self._controls.settings, self._maps.newest()
        classes: list[dict[str, Any]] = []
        target: list[str] = []
        nothing = False
        if seen:
            e, labels = seen.value.explanation, seen.value.labels
            order = e.probabilities[0].argsort()[::-1][:5]
            classes = [{"label": labels[i], "probability": round(float(e.probabilities[0][i]), 4)} for i in order]
            target = [labels[i] for i in e.targets[0]]
            nothing = seen.value.nothing
        return {
            "source": self._capture.name,
            "model": self._explaining.model,
            "classes": classes,
            "target": target,
            "nothing": nothing,
            "locked": settings.target != "top",
            "rate": round(self.figures.rate(now), 1),
            "latency_ms": round(1000 * self.figures.latency),
            "map_rate": round(self.figures.map_rate(now), 1),
            "map_age": round(now - seen.time, 2) if seen else None,
            "frames": self.figures.shown,
            "dropped": self._frames.dropped,
            "trouble": self.trouble(now),
            "busy": self._explaining.busy,
            "message": self._controls.message,
            "method": settings.method,
            "methods": self._controls.methods,
            "colormap": settings.look.colormap,
            "alpha": settings.look.alpha,
            "view": settings.look.view,
            "overlay": settings.overlay,
            "paused": settings.paused,
        }
