"""Stages that overlap: each runs in a thread of its own, bounded queues between them, order kept.

Threads suffice because decoding, TensorFlow, OpenCV and encoding release the interpreter's lock. What the stages do is
not known here.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

from vidcam.errors import VidcamError

T = TypeVar("T")
_POLL = 0.1
"""Seconds after which a waiting thread looks whether it is to stop."""
_GRACE = 1.0
"""Seconds that a thread gets to stop in."""
_STUCK = 5.0
"""Seconds that a watched thread may show nothing in before it is left alone."""
_END = object()
_WORKER = threading.local()  # `stop` of the stages that the current thread works for


class Watch:
    """Tells when work makes no progress any more.

    Args:
        pulse: a number that changes whenever something is done.
        message: what to say of work that has stopped.
        seconds: how long the number may stay the same.
    """

    def __init__(self, pulse: Callable[[], int], message: str, seconds: float = 30.0) -> None:
        self.message = message
        self._pulse = pulse
        self._seconds = seconds
        self._last = pulse()
        self._since = self._asked = time.monotonic()

    def stalled(self) -> bool:
        """Returns whether nothing was done for too long; asked while somebody waits for the work."""
        now, pulse = time.monotonic(), self._pulse()
        if pulse != self._last or now - self._asked > 1.0:  # nobody was waiting meanwhile
            self._last, self._since = pulse, now
        self._asked = now
        return now - self._since > self._seconds

    def wait_for(self, thread: threading.Thread) -> None:
        """Waits for the thread that does the work to end, as long as it makes progress."""
        while thread.is_alive():
            before = self._pulse()
            thread.join(_STUCK)
            if self._pulse() == before:
                return


class Stages:
    """Runs iterables in threads until the consumer has all, one of them raises, or the block is left.

    The first exception of any stage stops all and is raised in the consumer. Used as a context manager: at its end no
    thread is working any more, but for one that hangs in a library.

    Attributes:
        hung: whether a thread did not stop; what it works on must be left alone.
    """

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._threads: list[tuple[threading.Thread, Watch | None]] = []
        self.hung = False
        self._gave_up = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stop.set()
        for thread, watch in self._threads:
            if watch is not None:
                watch.wait_for(thread)
            else:
                thread.join(_GRACE if self._gave_up else None)
            self.hung = self.hung or thread.is_alive()

    def overlap(self, items: Iterable[T], ahead: int, name: str, watch: Watch | None = None) -> Iterator[T]:
        """Works on an iterable in a new thread.

        Args:
            items: what to iterate over, in the new thread alone.
            ahead: how many items may wait for the consumer; the memory bound.
            name: of the thread.
            watch: gives the stage up where it makes no progress.

        Returns:
            The same items in the same order, for one consumer.
        """
        waiting: queue.Queue[Any] = queue.Queue(maxsize=ahead)
        thread = threading.Thread(target=self._produce, args=(items, waiting), name=f"vidcam-{name}", daemon=True)
        self._threads.append((thread, watch))
        thread.start()
        return self._consume(waiting, watch)

    def _produce(self, items: Iterable[Any], waiting: queue.Queue[Any]) -> None:
        _WORKER.stop = self._stop
        try:
            for item in items:
                if not self._put(waiting, item):
                    return
            self._put(waiting, _END)
        except BaseException as error:  # whatever it is, it is raised again in the consumer
            if self._error is None and not self._stop.is_set():
                self._error = error
            self._stop.set()

    def _put(self, waiting: queue.Queue[Any], item: Any) -> bool:
        while not self._stop.is_set():
            try:
                waiting.put(item, timeout=_POLL)
                return True
            except queue.Full:
                continue
        return False

    def _consume(self, waiting: queue.Queue[Any], watch: Watch | None) -> Iterator[Any]:
        while True:
            try:
                item = waiting.get(timeout=_POLL)
            except queue.Empty:
                item = None
                if watch is not None and watch.stalled():
                    self._gave_up = True
                    raise VidcamError(watch.message) from None
            if self._error is not None:
                raise self._error
            if item is _END:
                return
            if item is not None:
                yield item
            elif self._stop.is_set() or _unwanted():
                return


def _unwanted() -> bool:
    """Tells whether the current thread works for stages that are to stop: then it waits for nothing more."""
    stop: threading.Event | None = getattr(_WORKER, "stop", None)
    return stop is not None and stop.is_set()
