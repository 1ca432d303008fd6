"""Runs a live session in real time at 60 frames and 5 maps a second and says how old what was shown was.

    python -m tests.benchmarks.live_rates --frames 10000

With a display it opens the window. Frame and map numbers are read back from the pictures' pixels.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np

from tests.live.fakes import CountedFeed, FakeExplainer, read_count, read_map, resident, session
from vidcam.live.session import _quick_switches
from vidcam.live.window import DesktopWindow


class Meter:
    """An output that notes when which frame and map were shown."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, int, int, bool]] = []

    def wanted(self) -> bool:
        return True

    def show(self, shown) -> None:
        if shown.number:
            self.rows.append((time.monotonic(), read_count(shown.picture), read_map(shown.picture), shown.fresh))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=480)
    options = parser.parse_args()
    feed = CountedFeed(60.0, options.frames, (options.width, options.height))
    meter = Meter()
    explained: list[float] = []  # 0.19 s and what is around it make five maps a second

    class Explainer(FakeExplainer):
        def explain_inputs(self, *arguments):
            explained.append(time.monotonic())
            return super().explain_inputs(*arguments)

    with _quick_switches(), session(feed, lambda method: Explainer(method, 0.19)) as live:
        live.start()
        if os.environ.get("DISPLAY"):
            window = DesktopWindow(live.controls, live.lines)
            live.display.outputs.append(window)
            live.pump = window.pump
        live.display.outputs.append(meter)  # after the window: what it notes has been shown
        live.run(10.0, lambda: False)
        before = resident()
        live.run(None, lambda: False)
        grown = resident() - before
    began = feed._began
    times = np.array([row[0] for row in meter.rows])
    frames = np.array([row[1] for row in meter.rows])
    maps = np.array([row[2] for row in meter.rows])
    fresh = np.array([row[3] for row in meter.rows])
    ages = {
        "fresh picture when shown": (times - began - frames / 60)[fresh],
        "picture when replaced": times[1:] - began - frames[:-1] / 60,
        "map when shown": (times - began - maps / 60)[maps > 0],
    }
    bounds = {"displays": np.diff(times), "explanations": np.diff(explained)}
    for name, between in bounds.items():
        print(f"between {name}: median {1000 * np.median(between):.0f} ms, most {1000 * between.max():.0f} ms")
    for name, age in ages.items():
        median, high, most = (1000 * float(v) for v in (np.median(age), np.percentile(age, 99), age.max()))
        print(f"{name}: median {median:.0f} ms, 99 % {high:.0f} ms, most {most:.0f} ms (picture {age.argmax()})")
    twice, back = int((np.diff(frames[fresh]) <= 0).sum()), int((np.diff(maps) < 0).sum())
    print(f"out of order or twice as new: {twice} frames, {back} maps")
    print(f"{int(fresh.sum())} of {live._frames.number} frames shown, {live._frames.dropped} left out")
    print(f"{live._maps.number} maps")
    print(f"memory after the first 10 s: {grown / 2**20:+.1f} MiB")


if __name__ == "__main__":
    main()
