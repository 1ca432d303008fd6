"""The explainer thread: the newest frame to the newest map. Models are loaded and graphs are built here, too."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from vidcam.cam import METHODS, Explainer, alternatives, find_method
from vidcam.cam.options import MapOptions
from vidcam.cam.targets import TOP
from vidcam.errors import UsageError
from vidcam.live.controls import Controls, LiveSettings
from vidcam.live.slot import Slot
from vidcam.pipeline.scenes import Scenes
from vidcam.render.flow import Motions
from vidcam.types import Array, Classifier, Explanation

CHANNELS = 32
"""Score-CAM takes a forward pass a channel; live it takes the most varied ones, unless asked otherwise."""
PATIENCE = 1 / 8
"""How much of an explanation's time may be spent waiting for a frame taken just now, so that a map is never older than
two explain intervals. A camera much faster than the explainer has one soon; for any other the wait would cost maps."""


@dataclass(frozen=True, slots=True)
class ExplainedFrame:
    """What the model sees in a frame.

    Attributes:
        explanation: of that one frame.
        frame: the frame's number in its slot.
        labels: a name for each class.
        settings: as of when it was explained.
        cut: whether a scene begins with it.
        motion: since the frame explained before, see `vidcam.render.flow`; None where nobody looked.
        seconds: how long it took.
        neither: the class that stands for none of the others, None where there is no such.
    """

    explanation: Explanation
    frame: int
    labels: tuple[str, ...]
    settings: LiveSettings
    cut: bool
    motion: Array | None
    seconds: float
    neither: int | None = None

    @property
    def nothing(self) -> bool:
        """Whether the model says that it sees none of its classes, and nobody asked for a class."""
        return self.settings.target == TOP and self.explanation.targets[0] == (self.neither,)


class Explaining:
    """Explains the newest frame whenever it is done with the one before.

    Args:
        make: loads the model when first called, and builds the explainer of a method.
        frames: where the newest frame is.
        maps: takes what is seen, with the time at which the frame was taken.
        controls: the method and the target.
        clock: seconds.

    Attributes:
        busy: what takes long just now: loading the model, building a method; else empty.
        failure: an error that ends the session.
        model: the model's name, once it is loaded.
    """

    def __init__(
        self,
        make: Callable[[str], Explainer],
        frames: Slot[Array],
        maps: Slot[ExplainedFrame],
        controls: Controls,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make = make
        self._frames = frames
        self._maps = maps
        self._controls = controls
        self._clock = clock
        self._explainers: dict[str, Any] = {}
        self._told: set[str] = set()
        self._scenes = Scenes()
        self._motions = Motions()
        self._last: tuple[object, ...] = ()
        self._ready, self._took = float("-inf"), 0.0
        self.busy = "loading the model"
        self.model = ""
        self.failure: BaseException | None = None

    def run(self, stop: threading.Event) -> None:
        """Explains until told to stop."""
        try:
            # Before there is a frame: the camera opens meanwhile.
            self._explainer(self._controls.settings.method)
            while not stop.is_set():
                if not self.step():
                    with self._frames.wake:
                        self._frames.wake.wait_for(lambda: stop.is_set() or self._due(), timeout=self._pause())
        except BaseException as error:
            self.failure = error
            with self._frames.wake:
                self._frames.wake.notify_all()

    def step(self) -> bool:
        """Explains the newest frame; returns whether there was anything to do."""
        item, settings = self._frames.newest(), self._controls.settings
        if item is None or not self._due():
            return False
        self._last = (item.number, settings.method, settings.target)
        try:
            explainer = self._explainer(settings.method)
        except UsageError as error:
            self._controls.refuse(settings.method, self._working(), str(error))
            return True
        began = self._clock()
        fitted, placement = explainer.classifier.prepare(item.value)
        explanation = explainer.explain_inputs([fitted], placement, settings.target)
        if explainer.note and explainer.note not in self._told:
            self._told.add(explainer.note)
            self._controls.say(explainer.note)
        labels = explainer.classifier.labels
        motion = self._motions(fitted).on(explanation.maps.shape[1:])
        self._ready = self._clock()
        self._took = self._ready - began
        neither = explainer.classifier.neither
        cut = self._scenes.cut(fitted)
        seen = ExplainedFrame(explanation, item.number, labels, settings, cut, motion, self._took, neither)
        self._controls.seen(explanation.targets[0], labels)
        self.busy = ""
        self._maps.put(seen, item.time)
        return True

    def _due(self) -> bool:
        settings = self._controls.settings
        number = self._frames.number
        if number == 0 or (number, settings.method, settings.target) == self._last:
            return False
        if (settings.method, settings.target) != self._last[1:]:
            return True
        return not self._waits()

    def _waits(self) -> bool:
        return self._frames.worth_waiting(self._clock(), self._ready, PATIENCE * self._took)

    def _pause(self) -> float:
        """Returns after how many seconds to look again, should no frame come."""
        return max(0.001, PATIENCE * self._took) if self._waits() else 0.5

    def _explainer(self, method: str) -> Any:
        if method not in self._explainers:
            if self._explainers:
                self.busy = f"building {METHODS[method].title}"
            try:
                with _uncollected():
                    explainer = self._make(method)
            except UsageError:
                self.busy = ""
                raise
            # A label that the model does not have is found now, not with the first frame.
            target, labels = self._controls.settings.target, explainer.classifier.labels
            if len(alternatives(target, labels)) > 1:
                raise UsageError(f"--target {target}: live explains one target; join classes by comma, or leave it out")
            self.model = explainer.classifier.name
            self.busy = "the first map"
            self._explainers[method] = explainer
        return self._explainers[method]

    def _working(self) -> str:
        """Returns the method that was shown last."""
        seen = self._maps.newest()
        return seen.value.settings.method if seen else next(iter(self._explainers))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Leaves what is made inside out of garbage collection.

    Importing TensorFlow and tracing graphs makes millions of objects that stay. Looking through them again and again
    takes a quarter of the time until the first map, and later halts all threads, the display's too, each time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


def explainer_maker(
    model: Callable[[], Classifier], how: MapOptions, top_channels: int | None
) -> Callable[[str], Explainer]:
    """Returns what makes the explainer of a method; the model is loaded once, with the first, and its graph shared."""
    made: list[Explainer] = []

    def make(method: str) -> Explainer:
        kind = find_method(method)
        options: dict[str, Any] = {
            "against": how.against and kind.targeted,
            "top_channels": (top_channels or CHANNELS) if kind.scored else None,
        }
        if not made:
            contrast: dict[str, Any] = {"rather_than": how.rather_than, "gamma": how.gamma}
            made.append(Explainer(model(), method, how.layer, batch_size=1, engine=how.engine, **options, **contrast))
        return made[0].by(method, **options)

    return make
