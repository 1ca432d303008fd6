"""What stays of a session: recordings and snapshots, written beside the display, which never waits for them."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from datetime import datetime
from fractions import Fraction
from pathlib import Path

from vidcam.errors import VidcamError
from vidcam.live.display import Painted
from vidcam.media import Info, open_sink
from vidcam.media.write.recording import Recording

AHEAD = 8
"""Pictures that may wait for the encoder; what comes on top is left out and counted."""


class Recorder:
    """Records what is shown, while it is on.

    Args:
        say: takes messages for the user.

    Attributes:
        files: the recordings made so far.
        dropped: pictures that the encoder was too slow for.
        failure: why a recording ended early, None where none did.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._thread: threading.Thread | None = None
        self._queue: queue.Queue[Painted | None] = queue.Queue(AHEAD)
        self._closing: list[threading.Thread] = []
        self._last = float("-inf")
        self.path: Path | None = None
        self.files: list[Path] = []
        self.dropped = 0
        self.failure: VidcamError | None = None

    @property
    def on(self) -> bool:
        return self.path is not None

    def wanted(self) -> bool:
        return self.on

    def start(self, path: Path, overwrite: bool = False) -> None:
        """Begins a recording.

        Raises:
            VidcamError: the file cannot be made.
        """
        recording = Recording(path, overwrite)
        self.path = path
        self._queue = queue.Queue(AHEAD)
        self._thread = threading.Thread(target=self._write, args=(recording, self._queue), name="record")
        self._thread.start()

    def show(self, shown: Painted) -> None:
        if not shown.fresh or shown.number == 0 or shown.time <= self._last:
            return
        self._last = shown.time
        try:
            self._queue.put_nowait(shown)
        except queue.Full:
            self.dropped += 1

    def stop(self, *, wait: bool = False) -> None:
        """Ends the recording; the file is completed beside the display, or at once where `wait` is set."""
        thread, self._thread, self.path = self._thread, None, None
        if thread is not None:
            closing = threading.Thread(target=self._close, args=(self._queue, thread), name="close recording")
            closing.start()
            self._closing.append(closing)
        for closing in self._closing if wait else ():
            closing.join()

    @staticmethod
    def _close(pictures: queue.Queue[Painted | None], thread: threading.Thread) -> None:
        while thread.is_alive():  # one that failed takes nothing more
            with contextlib.suppress(queue.Full):
                pictures.put(None, timeout=0.1)
                thread.join()

    def _write(self, recording: Recording, pictures: queue.Queue[Painted | None]) -> None:
        try:
            while (shown := pictures.get()) is not None:
                recording.write(shown.picture, shown.time)
            if recording.finish():
                self.files.append(recording.path)
                self._say(f"recorded {recording.path}")
        except Exception as error:  # of any kind: nobody else would hear of it
            line = next(iter(str(error).splitlines()), "")
            self.failure = (
                error
                if isinstance(error, VidcamError)
                else VidcamError(f"{recording.path}: the recording failed ({type(error).__name__}: {line})")
            )
            if self._queue is pictures:  # not one that was begun meanwhile
                self.path = None
            self._say(str(self.failure))


def stamped(suffix: str) -> Path:
    """Returns a name in the current folder that tells the time, such as `live-20250102-030405.mp4`, not yet taken."""
    return unused(Path(f"live-{datetime.now():%Y%m%d-%H%M%S}{suffix}"))


def unused(path: Path) -> Path:
    """Returns the path, or where it is taken one with the next free number."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free


def snapshot(shown: Painted) -> list[Path]:
    """Writes the frame and the picture with its overlay as PNG.

    Returns:
        The files: `live-TIME.png` with the overlay, `live-TIME-frame.png` without.

    Raises:
        VidcamError: they cannot be written.
    """
    overlay = stamped(".png")
    files = {overlay.with_name(f"{overlay.stem}-frame.png"): shown.frame, overlay: shown.picture}
    for path, picture in files.items():
        size = (picture.shape[1], picture.shape[0])
        with open_sink(path, source=Info(path=shown.settings.method, kind="image", size=size)) as sink:
            sink.write(picture, Fraction(0))
    return list(files)


class Snapper:
    """Takes the next picture that is shown, once asked; an output of the display."""

    def __init__(self, keep: Callable[[Painted], None]) -> None:
        self._keep = keep
        self.asked = False

    def wanted(self) -> bool:
        return self.asked

    def show(self, shown: Painted) -> None:
        if shown.number:
            self.asked = False
            self._keep(shown)
