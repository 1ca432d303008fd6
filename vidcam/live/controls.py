"""What viewers ask for: keys of the window and buttons of the page set the same things here. Nothing is drawn here."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

from vidcam.cam import METHODS
from vidcam.cam.targets import TOP, Target
from vidcam.errors import UsageError
from vidcam.render import Look, View, colormap_names

VIEWS: tuple[View, ...] = ("overlay", "heatmap", "side-by-side")
"""The views that need no clip; see `vidcam.render.VIEWS`."""
MESSAGE = 4.0
"""Seconds for which a message stays."""
REQUESTS = ("quit", "snapshot", "record")
HELP = (
    ("q, Esc", "quit"),
    ("space", "pause"),
    ("s", "snapshot: frame and overlay as PNG"),
    ("r", "record on or off"),
    ("m", "next method"),
    ("c", "next colormap"),
    ("+ -", "stronger or weaker colours"),
    ("t", "lock this class, or follow the top one"),
    ("o", "overlay on or off"),
    ("v", "next view"),
    ("h", "this list"),
)
KEYS = {
    "q": "quit",
    "\x1b": "quit",
    " ": "pause",
    "s": "snapshot",
    "r": "record",
    "m": "method",
    "c": "colormap",
    "+": "stronger",
    "=": "stronger",  # the same key without shift
    "-": "weaker",
    "t": "lock",
    "o": "overlay",
    "v": "view",
    "h": "help",
}


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """What is shown and how, as of now.

    Attributes:
        look: colours and view.
        method: the class activation method.
        target: what is explained.
        overlay: whether heat is drawn at all.
        paused: whether the picture stands still.
        help: whether the keys are listed on it.
    """

    look: Look
    method: str
    target: Target
    overlay: bool = True
    paused: bool = False
    help: bool = False


class Controls:
    """The settings, changed by any thread, read by all.

    Args:
        settings: to begin with.
        wake: notified with every change.
        clock: seconds.
    """

    def __init__(
        self, settings: LiveSettings, wake: threading.Condition, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._wake = wake
        self._clock = clock
        self._requests: list[str] = []
        self._message = ("", 0.0)
        self._unavailable: set[str] = set()
        self._present: tuple[int, ...] | None = None
        self._labels: tuple[str, ...] = ()
        self.changes = 0

    @property
    def settings(self) -> LiveSettings:
        return self._settings

    @property
    def message(self) -> str:
        """What there is to say just now, or an empty text."""
        text, since = self._message
        return text if self._clock() - since < MESSAGE else ""

    @property
    def methods(self) -> list[str]:
        """The methods that are not known to fail with this network."""
        return [name for name in METHODS if name not in self._unavailable]

    def press(self, key: str) -> None:
        """Does what a key stands for; an unknown one brings a message."""
        if key.lower() in KEYS:  # caps lock or not
            self.do(KEYS[key.lower()])
        elif key.isascii() and key.isprintable():  # others are shift, function keys and the like
            self.say(f"key {key} does nothing; h lists the keys")

    def do(self, action: str, value: object = None) -> None:
        """Does one thing.

        Args:
            action: one of `KEYS`' actions.
            value: for method, colormap, alpha and view: which one, instead of the next.

        Raises:
            UsageError: there is no such action or value.
        """
        with self._wake:
            if action in REQUESTS:
                if action not in self._requests:
                    self._requests.append(action)
            elif action == "lock":
                self._lock()
            elif action == "pause":
                self._settings = replace(self._settings, paused=not self._settings.paused)
            elif action == "overlay":
                self._settings = replace(self._settings, overlay=not self._settings.overlay)
            elif action == "help":
                self._settings = replace(self._settings, help=not self._settings.help)
            elif action == "method":
                self._settings = replace(self._settings, method=_chosen(self.methods, self._settings.method, value))
                self.say(f"method {METHODS[self._settings.method].title}")
            elif action in ("colormap", "alpha", "view", "stronger", "weaker"):
                look = self._looking(action, value)
                self._settings = replace(self._settings, look=look)
                self.say(
                    {"colormap": f"colormap {look.colormap}", "view": look.view}.get(action, f"alpha {look.alpha}")
                )
            else:
                raise UsageError(f"action {action!r} is unknown; choose one of {', '.join(sorted(set(KEYS.values())))}")
            self.changes += 1
            self._wake.notify_all()

    def say(self, text: str) -> None:
        """Shows a message for a few seconds."""
        with self._wake:
            self._message = (text, self._clock())
            self.changes += 1
            self._wake.notify_all()

    def requests(self) -> list[str]:
        """Returns what was asked for once, and forgets it."""
        with self._wake:
            asked, self._requests = self._requests, []
        return asked

    def seen(self, present: tuple[int, ...], labels: tuple[str, ...]) -> None:
        """Notes the classes that are explained now, which `lock` locks."""
        self._present, self._labels = present, labels

    def refuse(self, method: str, instead: str, reason: str) -> None:
        """Goes back from a method that this network does not have."""
        with self._wake:
            self._unavailable.add(method)
            self._settings = replace(self._settings, method=instead)
        self.say(reason)

    def _lock(self) -> None:
        if self._settings.target != TOP:
            self._settings = replace(self._settings, target=TOP)
            self.say("follows the top class")
        elif self._present:
            self._settings = replace(self._settings, target=self._present)
            self.say(f"locked to {' + '.join(self._labels[i] for i in self._present)}")

    def _looking(self, action: str, value: object) -> Look:
        look = self._settings.look
        if action == "colormap":
            return replace(look, colormap=_chosen(list(colormap_names()), look.colormap, value))
        if action == "view":
            return replace(look, view=cast(View, _chosen(list(VIEWS), look.view, value)))
        step = {"stronger": 0.1, "weaker": -0.1}.get(action)
        alpha = look.alpha + step if step else value
        if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not math.isfinite(alpha):
            raise UsageError(f"alpha {alpha!r} is no number from 0 to 1")
        return replace(look, alpha=round(min(1.0, max(0.0, float(alpha))), 2))


def _chosen(names: list[str], present: str, value: object) -> str:
    """Returns the value where it is one of the names; without one the name after the present."""
    if value is None:
        return names[(names.index(present) + 1) % len(names)] if present in names else names[0]
    if value not in names:
        raise UsageError(f"{value!r} is unknown; choose one of {', '.join(names)}")
    return str(value)
