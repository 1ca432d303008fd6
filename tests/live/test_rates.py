"""What must hold with 60 frames a second and five maps a second: ages, order, drops, memory.

Numbers are read back from the pixels that are shown. Ages are checked with a clock of the test's own, so that they do
not depend on the machine; the threads are checked for what holds on any machine.
"""

from __future__ import annotations

import gc
import threading
import time
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

from tests.live.fakes import LOOK, CountedFeed, FakeExplainer, counted, read_count, read_map, session
from vidcam.live.controls import Controls, LiveSettings
from vidcam.live.display import INTERVAL, Display, Painted
from vidcam.live.explaining import Explaining
from vidcam.live.slot import Slot
from vidcam.types import Explanation

FRAME, EXPLAIN = 1 / 60, 0.2


class Screen:
    """An output that keeps what is read from its pictures."""

    def __init__(self, clock) -> None:
        self.clock = clock
        self.seen: list[tuple[float, int, int, bool]] = []  # time, frame's number, map's number, fresh
        self.busy = lambda: None

    def wanted(self) -> bool:
        return True

    def show(self, shown: Painted) -> None:
        if shown.number:
            self.seen.append((self.clock(), read_count(shown.picture), read_map(shown.picture), shown.fresh))
        self.busy()


class Parts:
    """Everything but the threads, with a clock to turn by hand."""

    def __init__(self) -> None:
        self.now = self.began = 100.0
        wake = threading.Condition()
        self.frames, self.maps = Slot(wake), Slot(wake)
        self.controls = Controls(LiveSettings(LOOK, "gradcam", "top"), wake, self.clock)
        self.capture = SimpleNamespace(name="camera", trouble="", ended=False, live=True)
        self.explaining = Explaining(self.explainer, self.frames, self.maps, self.controls, self.clock)
        self.display = Display(self.frames, self.maps, self.controls, self.capture, self.explaining, clock=self.clock)
        self.screen = Screen(self.clock)
        self.display.outputs.append(self.screen)
        self.takes = 0.0
        self.rate = 60.0
        self.due = self.began + 0.013
        self.explained: list[float] = []

    def clock(self) -> float:
        return self.now

    def explainer(self, method: str) -> FakeExplainer:
        """An explainer during whose work time goes on for the camera and the display."""
        explainer = FakeExplainer(method)
        explain_inputs = explainer.explain_inputs

        def slow(*arguments) -> Explanation:
            self.explained.append(self.now)
            end = self.now + self.takes
            while self.now < end:
                self.tick()
            return explain_inputs(*arguments)

        explainer.explain_inputs = slow
        return explainer

    def tick(self) -> None:
        """Half a millisecond of the camera and of the display at its own interval, not in step with one another."""
        self.now += 0.0005
        number = self.frames.number + 1
        if self.now >= self.began + number / self.rate:
            self.frames.put(counted(number), self.began + number / self.rate)
        if self.now >= self.due and not self.display.waits(self.due) and self.display.news():
            self.display.step()
            self.due = max(self.due + INTERVAL, self.now)

    def simulate(self, seconds: float, takes: float = EXPLAIN) -> None:
        """Lets a camera at 60/s and an explainer that takes 0.2 s run."""
        self.takes, end = takes, self.now + seconds
        while self.now < end:
            self.tick()
            self.explaining.step()


def test_ages_at_sixty_frames_and_five_maps_a_second():
    parts = Parts()
    parts.simulate(12.0)
    seen = parts.screen.seen
    assert len(seen) > 12 / INTERVAL * 0.95
    first = 100.0
    shown_until = [t for t, *_ in seen[1:]] + [parts.now]
    ages = [until - (first + n * FRAME) for (_, n, _, _), until in zip(seen, shown_until, strict=True)]
    assert max(ages[:-1]) <= INTERVAL + FRAME
    mapped = [(t, m) for t, _, m, _ in seen if m and t > first + 1.0]
    map_ages = [t - (first + m * FRAME) for t, m in mapped]
    assert len(mapped) > 300
    explain_interval = float(np.median(np.diff(parts.explained)))
    assert max(map_ages) <= 2 * explain_interval
    assert max(map_ages) > 1.5 * EXPLAIN  # the explainer really is slow
    assert explain_interval < 1.1 * EXPLAIN  # and waits little for young frames


def test_no_map_is_given_up_for_a_younger_frame_where_frames_are_rare():
    parts = Parts()
    parts.simulate(6.0, takes=0.05)  # three frames of the camera
    assert len(parts.explained) > 6.0 / 0.05 * 0.97


def test_a_camera_that_stops_does_not_keep_its_last_frame_from_being_explained():
    parts = Parts()
    parts.simulate(2.0)
    parts.rate = 1e-9
    last = parts.frames.number
    parts.simulate(1.0)
    assert parts.maps.newest().value.frame == last
    assert parts.screen.seen[-1][1] == last


def test_frames_and_maps_are_never_out_of_order_and_drops_are_counted():
    parts = Parts()
    parts.simulate(6.0)
    fresh = [n for _, n, _, is_fresh in parts.screen.seen if is_fresh]
    assert fresh == sorted(set(fresh))
    again = [n for _, n, _, is_fresh in parts.screen.seen if not is_fresh]
    assert set(again) <= set(fresh)
    maps = [m for _, _, m, _ in parts.screen.seen]
    assert maps == sorted(maps)
    waiting = parts.frames.number - fresh[-1]
    assert waiting <= 3
    # Each frame was shown, was left out, or (the newest) still lies in the slot.
    assert len(fresh) + parts.frames.dropped + min(waiting, 1) == parts.frames.number
    assert parts.frames.dropped > 100


def test_rate_and_latency_are_what_was_measured():
    parts = Parts()
    parts.simulate(5.0)
    state = parts.display.state()
    assert state["rate"] == pytest.approx(1 / INTERVAL, rel=0.1)
    assert state["map_rate"] == pytest.approx(5, rel=0.1)
    assert 0 <= state["latency_ms"] <= 1000 * FRAME + 1
    assert state["frames"] == parts.display.figures.shown == len([s for s in parts.screen.seen if s[3]])
    assert 0 < state["map_age"] <= 0.45


def test_an_old_map_tells_its_age_after_a_second():
    parts = Parts()
    parts.simulate(1.0)
    assert not any("old" in line for line in parts.display.lines())
    parts.now += 1.5
    (line,) = [line for line in parts.display.lines() if "old" in line]
    assert line == f"map {parts.now - parts.maps.newest().time:.1f} s old"


def test_a_source_that_stalls_is_greyed_with_the_reason():
    parts = Parts()
    parts.simulate(0.5)
    assert parts.display.trouble(parts.now) == ""
    parts.now += 2.5
    assert "no picture from camera for" in parts.display.trouble(parts.now)
    taken: list[Painted] = []
    parts.display.outputs[:] = [SimpleNamespace(wanted=lambda: True, show=taken.append)]
    parts.display.step()
    picture = taken[0].picture
    assert (picture == picture[..., :1]).all()  # grey
    assert taken[0].time == parts.now
    parts.frames.put(counted(900), parts.now)
    parts.display.step()
    assert not (taken[1].picture == taken[1].picture[..., :1]).all()


def test_the_display_takes_the_newest_frame_whatever_the_explainer_does():
    feed = CountedFeed()
    newest: list[int] = []
    with session(feed, lambda method: FakeExplainer(method, EXPLAIN)) as live:
        screen = Screen(time.monotonic)
        step = live.display.step

        def watched() -> None:
            newest.append(live._frames.number and read_count(live._frames.newest().value))
            step()

        live.display.step = watched
        live.display.outputs.append(screen)
        live.start()
        began = time.monotonic()
        live.run(3.0, lambda: time.monotonic() - began > 60)
    fresh = [n for _, n, _, is_fresh in screen.seen if is_fresh]
    assert len(fresh) > 5
    assert fresh == sorted(set(fresh))
    # What lay in the slot when a picture was begun, or something newer, is what was shown.
    at_begin = newest[len(newest) - len(screen.seen) :]
    assert all(n >= m for (_, n, _, _), m in zip(screen.seen, at_begin, strict=True))
    mapped = [(n, m) for _, n, m, _ in screen.seen if m]
    assert mapped
    assert all(m <= n for n, m in mapped)
    assert len({m for _, m in mapped}) < len(fresh)


def test_a_map_that_takes_for_ever_does_not_hold_the_picture():
    release = threading.Event()

    class Stuck(FakeExplainer):
        def explain_inputs(self, inputs, placement, target="top"):
            release.wait(60)
            return super().explain_inputs(inputs, placement, target)

    feed = CountedFeed(rate=200.0)
    with session(feed, Stuck) as live:
        screen = Screen(time.monotonic)
        live.display.outputs.append(screen)
        live.start()
        live.run(None, lambda: len(screen.seen) >= 20)
        assert live._maps.number == 0
        assert all(m == 0 for _, _, m, _ in screen.seen)
        release.set()


def test_a_method_that_is_being_built_does_not_hold_the_picture():
    building, release = threading.Event(), threading.Event()

    def make(method: str) -> FakeExplainer:
        if method != "gradcam":
            building.set()
            release.wait(60)
        return FakeExplainer(method)

    with session(CountedFeed(rate=200.0), make) as live:
        screen = Screen(time.monotonic)
        live.display.outputs.append(screen)
        live.start()
        live.run(None, lambda: live._maps.number > 2)
        live.controls.press("m")
        live.run(None, building.is_set)
        assert live.display.state()["busy"] == "building Grad-CAM++"
        count, maps = len(screen.seen), live._maps.number
        live.run(None, lambda: len(screen.seen) >= count + 20)
        assert live._maps.number == maps
        release.set()
        live.run(None, lambda: live._maps.number > maps + 2)
        assert live._maps.newest().value.settings.method == "gradcam++"


def test_memory_is_flat_over_ten_thousand_frames():
    parts = Parts()
    picture = counted(1, 160, 128)
    parts.display.outputs[:] = [SimpleNamespace(wanted=lambda: True, show=lambda shown: None)]

    def frames(first: int, last: int) -> None:
        for number in range(first, last):
            parts.now += FRAME
            parts.frames.put(picture.copy(), parts.now)
            if number % 12 == 0:
                parts.explaining.step()
            parts.display.lines()
            parts.display.step()

    # What Python and NumPy hold, pictures included; the process around the test has other tests' garbage in it.
    frames(0, 2000)
    tracemalloc.start()
    try:
        frames(2000, 2500)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        frames(2500, 10_000)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 2**20  # a single picture kept of each hundred would be 4 MiB
    assert parts.display.figures.shown == 10_000


def test_the_counter_survives_overlay_and_compression():
    import cv2

    for number in (1, 2, 1000, 54321):
        picture = counted(number)
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 60])
        assert read_count(cv2.imdecode(data, cv2.IMREAD_COLOR)) == number
        assert read_count(np.clip(0.6 * picture, 0, 255).astype(np.uint8)) == number
