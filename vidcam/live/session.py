"""`live`: starts the threads, runs the display in the calling thread, and puts everything away at the end."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from vidcam.cam import Explainer
from vidcam.cam.options import MapOptions
from vidcam.cam.targets import CLIP_TOP
from vidcam.errors import UsageError, VidcamError
from vidcam.live.address import parse_address
from vidcam.live.capture import Capture
from vidcam.live.controls import VIEWS, Controls, LiveSettings
from vidcam.live.display import INTERVAL, Display, Painted
from vidcam.live.explaining import ExplainedFrame, Explaining, explainer_maker
from vidcam.live.keeping import Recorder, Snapper, snapshot, stamped, unused
from vidcam.live.server import Server
from vidcam.live.slot import Slot
from vidcam.live.window import DesktopWindow, display_problem
from vidcam.media.feeds.base import Feed
from vidcam.media.feeds.open import feed_opener
from vidcam.media.write.recording import check_recording
from vidcam.render import Look, colormap_names
from vidcam.types import Array, Classifier

OPENING = 0.5
"""Seconds that loading the model waits for a source that does not open at all."""
PUMP = 0.02
"""Seconds between two looks at the keyboard, at most."""


@dataclass(frozen=True, slots=True)
class LiveResult:
    """What a session was.

    Attributes:
        frames: frames shown.
        dropped: frames that a newer one replaced before they were shown.
        maps: maps made.
        seconds: how long it ran.
        latency: the mean time from capture to screen in seconds, of late.
        files: recordings and snapshots.
        notes: one-line things to tell the user.
        interrupted: whether it was cancelled.
    """

    frames: int
    dropped: int
    maps: int
    seconds: float
    latency: float
    files: tuple[Path, ...]
    notes: tuple[str, ...]
    interrupted: bool


def live(
    source: str | int | Path | None = None,
    *,
    model: Callable[[], Classifier],
    how: MapOptions = MapOptions(),
    look: Look = Look(),
    top_channels: int | None = None,
    camera_size: tuple[int, int] | None = None,
    camera_fps: float | None = None,
    loop: bool = False,
    mirror: bool = False,
    serve: str | None = None,
    record: Path | None = None,
    overwrite: bool = False,
    duration: float | None = None,
    say: Callable[[str], None] = lambda text: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> LiveResult:
    """Shows what a classifier looks at, now: in a window, in browsers, or both.

    Args:
        source: a camera's index or device, a URL, a video file; None for the first camera that opens.
        model: loads the classifier; called in another thread while the source opens.
        how: how maps are made, by one method at a time.
        look: how pictures are drawn.
        top_channels: for Score-CAM, which waits for key m; 32 by default.
        camera_size: (width, height) in pixels to ask a camera for.
        camera_fps: frames a second to ask a camera for.
        loop: play a file again and again.
        mirror: flip left and right.
        serve: `[HOST:]PORT` to show the view to browsers.
        record: a file for what is seen, from the beginning.
        overwrite: whether that file may be replaced.
        duration: seconds after which it ends.
        say: takes one-line messages as they come up.
        cancelled: asked all the time; True ends the session.

    Returns:
        What the session was.

    Raises:
        UsageError: something was asked for that makes no sense.
        VidcamError: the source, the model, the port or a file cannot be had; there is neither display nor `serve`.
    """
    if look.view not in VIEWS or look.needs_clip:
        what = f"view {look.view}" if look.view not in VIEWS else f"normalize {look.normalize}"
        raise UsageError(f"{what} needs the whole clip; live has only what was seen so far")
    if look.outline:
        raise UsageError("outline: is drawn around what boxes or masks are about, and live is given none")
    if len(how.methods) > 1:
        raise UsageError(f"--method {how.method}: live shows one at a time; key m goes to the next")
    if how.target == CLIP_TOP:
        raise UsageError("--target clip-top is known at the end of a clip only; live has only what was seen so far")
    if record is not None:
        check_recording(record, overwrite)
    address = parse_address(serve) if serve is not None else None
    opener = feed_opener(source, size=camera_size, fps=camera_fps, loop=loop)
    problem = display_problem()
    if problem and address is None:
        raise VidcamError(f"{problem}, so no window can be opened; --serve PORT shows the view in a browser instead")
    make = explainer_maker(model, how, top_channels)
    session = _Session(opener, make, LiveSettings(look, how.method, how.target), mirror=mirror)
    with ExitStack() as stack:
        stack.enter_context(_quick_switches())
        stack.enter_context(session)
        if address is not None:
            server = Server(address, session.controls, session.state)
            stack.callback(server.close)
            session.display.outputs.append(server)
            say(f"serving at {server.address.url}; Ctrl-C ends")
            if not server.address.local:
                say("whoever has this address sees the picture and can use the controls; it changes with every start")
        session.start()
        for note in session.capture.notes:
            say(f"note: {note}")
        if not problem:
            window = DesktopWindow(session.controls, session.lines)
            stack.callback(window.close)
            session.display.outputs.append(window)
            session.pump = window.pump
        if record is not None:
            session.recorder.start(record, overwrite)
            session.record_to = record
        interrupted = session.run(duration, cancelled)
    if session.recorder.failure is not None:  # the session went on; what it was asked for is not there
        raise session.recorder.failure
    return session.result(interrupted)


class _Session:
    """The parts of a session and their threads; a context manager that ends them."""

    def __init__(
        self, opener: Callable[[], Feed], make: Callable[[str], Explainer], settings: LiveSettings, *, mirror: bool
    ) -> None:
        wake = threading.Condition()
        frames: Slot[Array] = Slot(wake)
        self._frames = frames
        self._maps: Slot[ExplainedFrame] = Slot(wake)
        self.controls = Controls(settings, wake)
        self.capture = Capture(opener, frames, self.controls, mirror=mirror)
        self.explaining = Explaining(make, frames, self._maps, self.controls)
        self.display = Display(frames, self._maps, self.controls, self.capture, self.explaining)
        self.recorder = Recorder(self.controls.say)
        self.display.outputs.append(self.recorder)
        self.pump: Callable[[], None] = lambda: None
        self.record_to: Path | None = None
        self._keeper = ThreadPoolExecutor(1, "snapshot")
        self._snapshots: list[Future[list[Path]]] = []
        self._snapper = Snapper(self._snap)
        self.display.outputs.append(self._snapper)
        self._stop = threading.Event()
        self._opened = threading.Event()
        self._threads: list[threading.Thread] = []
        self._began = time.monotonic()

    def start(self) -> None:
        """Opens the source while the model loads.

        Raises:
            VidcamError: the source cannot be opened.
        """
        explain = threading.Thread(target=self._explain, name="explain")
        explain.start()
        self._threads.append(explain)
        self.capture.open()
        self._opened.set()
        # A driver that does not return must not keep the program from ending.
        capture = threading.Thread(target=self.capture.run, args=(self._stop,), name="capture", daemon=True)
        capture.start()
        self._threads.append(capture)

    def _explain(self) -> None:
        self._opened.wait(OPENING)
        if not self._stop.is_set():
            self.explaining.run(self._stop)

    def run(self, duration: float | None, cancelled: Callable[[], bool]) -> bool:
        """Runs the display until the user, the time or the file ends it.

        Args:
            duration: seconds from the first picture on, None for no end.
            cancelled: asked all the time.

        Returns:
            Whether it was cancelled.

        Raises:
            Exception: what ended one of the threads.
        """
        first: float | None = None
        due = 0.0
        while not cancelled():
            self._check()
            now = time.monotonic()
            if first is None and self._frames.number:
                first = now
            if self._asked() or (duration is not None and first is not None and now - first >= duration):
                return False
            if self.capture.ended and self._frames.number and not self.display.news():
                return False
            if now < due:
                time.sleep(min(due - now, PUMP))
            elif self.display.waits(due):
                self.display.wait_younger(due, PUMP / 4)
            elif self.display.news():
                self.display.step()
                due = max(due + INTERVAL, now)
            else:
                self.display.wait(PUMP)
            self.pump()
        return True

    def _check(self) -> None:
        for part in (self.capture, self.explaining):
            if part.failure is not None:
                raise part.failure

    def _asked(self) -> bool:
        """Does what was asked for once; returns whether to quit."""
        for request in self.controls.requests():
            if request == "quit":
                return True
            if request == "snapshot":
                self._snapper.asked = True
            elif self.recorder.on:
                self.recorder.stop()
            else:
                self._record()
        return False

    def _record(self) -> None:
        path = unused(self.record_to) if self.record_to else stamped(".mp4")
        try:
            self.recorder.start(path)
        except VidcamError as error:
            self.controls.say(str(error))
        else:
            self.controls.say(f"recording to {path}")

    def _snap(self, shown: Painted) -> None:
        def write() -> list[Path]:
            try:
                files = snapshot(shown)
            except VidcamError as error:
                self.controls.say(str(error))
                return []
            self.controls.say(f"snapshot {files[-1]}")
            return files

        self._snapshots.append(self._keeper.submit(write))

    def lines(self) -> list[str]:
        """Returns what the window tells beside the picture."""
        return ["recording" if self.recorder.on else "", *self.display.lines()]

    def state(self) -> dict[str, Any]:
        """Returns what a page shows beside the picture."""
        return {
            **self.display.state(),
            "recording": self.recorder.path.name if self.recorder.path else "",
            "colormaps": list(colormap_names()),
        }

    def result(self, interrupted: bool) -> LiveResult:
        """Says what the session was, after its end."""
        notes = list(self.capture.notes)
        if self.recorder.dropped:
            lost = self.recorder.dropped
            notes.append(
                f"{lost} picture{'s are' if lost > 1 else ' is'} not in the recording: the encoder was too slow"
            )
        return LiveResult(
            frames=self.display.figures.shown,
            dropped=self._frames.dropped,
            maps=self._maps.number,
            seconds=time.monotonic() - self._began,
            latency=self.display.figures.latency,
            files=(*self.recorder.files, *(p for f in self._snapshots for p in f.result())),
            notes=tuple(notes),
            interrupted=interrupted,
        )

    def __enter__(self) -> _Session:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._opened.set()
        with self._frames.wake:
            self._frames.wake.notify_all()
        self.recorder.stop(wait=True)
        self._keeper.shutdown()
        for thread in self._threads:
            thread.join(timeout=2.0 if thread.daemon else None)


@contextmanager
def _quick_switches() -> Iterator[None]:
    """Keeps OpenCV to the calling thread, and lets threads take turns quickly while graphs are built in Python."""
    threads, interval = cv2.getNumThreads(), sys.getswitchinterval()
    cv2.setNumThreads(1)
    sys.setswitchinterval(0.001)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
        sys.setswitchinterval(interval)
