"""A source with a frame counter in its pixels and a slow explainer that says, in its maps, which frame it saw.

Run as a script it shows them in a real session, for tests that need a process of their own.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from vidcam.cam import METHODS
from vidcam.errors import UsageError
from vidcam.live.controls import LiveSettings
from vidcam.live.server import Server
from vidcam.live.session import _Session
from vidcam.live.window import DesktopWindow
from vidcam.media.feeds.base import Feed, FeedEnded
from vidcam.render import Look
from vidcam.types import Explanation, Placement

BITS = 16
LOOK = Look(smooth=0.0, normalize="fixed=1")
"""Maps as they are, so that their bits can be read back."""
LABELS = ("cat", "dog", "a fish of whose name there is more than there is room for it")


def counted(number: int, width: int = 320, height: int = 240) -> np.ndarray:
    """Returns a picture, RGB uint8, with the number as white and black blocks along its lower edge."""
    picture = np.full((height, width, 3), (90, 120, 90), np.uint8)
    x = number * 5 % width
    picture[height // 4 : height // 2, x : x + 20] = (230, 200, 40)
    side = width // BITS
    for bit in range(BITS):
        picture[-side - 4 : -4, bit * side : (bit + 1) * side] = 255 if number >> bit & 1 else 0
    return picture


def read_count(picture: np.ndarray) -> int:
    """Reads the number back from a picture of any quality, also under an overlay."""
    side = picture.shape[1] // BITS
    row = picture[-4 - side // 2 - 2 : -4 - side // 2 + 2].mean(axis=(0, 2))
    return sum(int(row[b * side + side // 2 - 2 : b * side + side // 2 + 2].mean() > 115) << b for b in range(BITS))


def read_map(picture: np.ndarray) -> int:
    """Reads the number of the frame that the overlay's map was made of: hot and cold columns, red and blue."""
    side = picture.shape[1] // BITS
    rows = picture[int(0.62 * picture.shape[0]) : int(0.7 * picture.shape[0])].astype(int)
    redder = (rows[..., 0] - rows[..., 2]).mean(axis=0)
    return sum(int(redder[b * side + side // 2] > 0) << b for b in range(BITS))


def resident() -> int:
    """Returns the bytes of memory that this process holds (Linux)."""
    import resource

    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


class CountedFeed(Feed):
    """Pictures at a rate; those that nobody is in time for are gone, as with a camera."""

    name = "counter"

    def __init__(self, rate: float = 60.0, last: int | None = None, size: tuple[int, int] = (320, 240)) -> None:
        self.rate, self.last, self.size = rate, last, size
        self.produced = 0
        self._began = time.monotonic()

    def read(self, stop: threading.Event) -> tuple[np.ndarray, float]:
        number = max(self.produced + 1, int((time.monotonic() - self._began) * self.rate))
        if self.last is not None and number > self.last:
            raise FeedEnded
        due = self._began + number / self.rate
        stop.wait(max(0.0, due - time.monotonic()))
        picture = counted(number, *self.size)
        self.produced = number
        return picture, due

    def close(self) -> None:
        pass


class FakeExplainer:
    """Takes its time, and lays the counter that it read from the frame into the map's columns."""

    def __init__(self, method: str = "gradcam", seconds: float = 0.0, building: float = 0.0) -> None:
        if method == "cam":
            raise UsageError("cam: this network has another head; use gradcam")
        time.sleep(building)
        self.method = METHODS[method]
        self.seconds = seconds
        self.note = ""
        self.classifier = SimpleNamespace(prepare=self._prepare, labels=LABELS, name="fake", neither=None)

    @staticmethod
    def _prepare(rgb: np.ndarray) -> tuple[np.ndarray, Placement]:
        height, width = rgb.shape[:2]
        box = (0.0, 0.0, float(width), float(height))
        return rgb, Placement((width, height), (width, height), box, box)

    def explain_inputs(self, inputs, placement, target="top") -> Explanation:
        time.sleep(self.seconds)
        number = read_count(inputs[0])
        maps = np.array([[[float(number >> bit & 1) for bit in range(BITS)]]], np.float32)
        maps = np.where(maps > 0, 1.0, 1e-3).astype(np.float32)
        chosen = (number % 3,) if target == "top" else tuple(target)
        probabilities = np.full((1, 3), 0.1, np.float32)
        probabilities[0, number % 3] = 0.8
        return Explanation(maps, np.log(probabilities), probabilities, (chosen,), placement)


def session(feed, make=FakeExplainer, **settings) -> _Session:
    """Returns a session of a feed that is already open, or of a function that opens one."""
    opener = feed if callable(feed) else lambda: feed
    given = {"look": LOOK, "method": "gradcam", "target": "top", **settings}
    return _Session(opener, make, LiveSettings(**given), mirror=False)


def main() -> None:
    """Shows counted frames in a window or to browsers; prints the settings as they change."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--window", action="store_true")
    parser.add_argument("--serve", type=int)
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("--duration", type=float, default=120.0)
    parser.add_argument("--rate", type=float, default=60.0)
    options = parser.parse_args()
    with session(CountedFeed(options.rate), lambda method: FakeExplainer(method, options.seconds)) as live:
        server = None
        if options.serve is not None:
            server = Server(("127.0.0.1", options.serve), live.controls, live.state)
            live.display.outputs.append(server)
            print(json.dumps({"url": server.address.url}), flush=True)
        live.start()
        window = DesktopWindow(live.controls, live.lines) if options.window else None
        last = None

        def pump() -> None:
            nonlocal last
            if window:
                window.pump()
            s = live.controls.settings
            now = {
                "method": s.method, "view": s.look.view, "colormap": s.look.colormap, "alpha": s.look.alpha,
                "target": str(s.target), "overlay": s.overlay, "paused": s.paused, "help": s.help,
                "recording": live.recorder.on, "message": live.controls.message,
                "maps": live._maps.number > 0, "shown": live.display.figures.shown > 0,
            }  # fmt: skip
            if now != last:
                last = now
                print(json.dumps(now), flush=True)

        live.pump = pump
        if window:
            live.display.outputs.append(window)
        live.run(options.duration, lambda: False)
        if window:
            window.close()
        if server:
            server.close()
    print(json.dumps({"files": [str(p) for p in live.result(False).files]}), flush=True)


if __name__ == "__main__":
    main()
