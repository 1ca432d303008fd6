"""The page in a headless Chromium: the counter read back from what it shows, its controls, several viewers, its layout.

With VIDCAM_SCREENSHOTS set to a folder the screenshots stay there to be looked at.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.live.browser import Browser
from tests.live.fakes import LABELS, CountedFeed, FakeExplainer, read_count, read_map, session
from vidcam.live.server import Server

SHOWN = "document.getElementById('picture')?.dataset.number && document.querySelectorAll('#classes li').length === 3"


@pytest.fixture(scope="module")
def browser():
    browser = Browser()
    yield browser
    browser.close()


@contextmanager
def served() -> Iterator[Any]:
    """A session with a server, run in a thread of its own."""
    with session(CountedFeed(30.0), lambda method: FakeExplainer(method, 0.1)) as live, ExitStack() as stack:
        server = Server(("127.0.0.1", 0), live.controls, live.state)
        stack.callback(server.close)
        live.display.outputs.append(server)
        live.url = server.address.url
        live.start()
        over = threading.Event()
        thread = threading.Thread(target=live.run, args=(None, over.is_set))
        thread.start()
        stack.callback(thread.join)
        stack.callback(over.set)
        yield live


@pytest.fixture
def live(browser):
    with served() as live:
        yield live


def keep(name: str, picture: np.ndarray) -> None:
    if folder := os.environ.get("VIDCAM_SCREENSHOTS"):
        Image.fromarray(picture).save(Path(folder) / name)


def test_the_page_shows_moving_overlays_and_its_controls_work(browser, live):
    browser.errors.clear()
    page = browser.open(live.url)
    page.wait_for(SHOWN)
    counts, maps = [], []
    for _ in range(8):
        last = page.evaluate("Number(document.getElementById('picture').dataset.number)")
        page.wait_for(f"Number(document.getElementById('picture').dataset.number) > {last}")
        picture = page.picture()
        counts.append(read_count(picture))
        maps.append(read_map(picture))
    assert counts == sorted(counts)
    assert maps == sorted(maps)
    # A frame is shown once more where a new map comes before the next frame.
    assert len(set(counts)) > len(counts) // 2
    assert len(set(maps)) > 1
    assert all(0 < m <= n for n, m in zip(counts, maps, strict=True))
    assert page.evaluate("document.querySelector('#classes li.target span').textContent") in LABELS
    assert "ms" in page.evaluate("document.getElementById('latency').textContent")
    assert page.evaluate("document.getElementById('viewers').textContent") == "1"

    page.click("[data-action=pause]")
    page.wait_for("document.querySelector('[data-action=pause]').getAttribute('aria-pressed') === 'true'")
    assert live.controls.settings.paused
    page.click("[data-action=pause]")
    page.wait_for("document.querySelector('[data-action=pause]').getAttribute('aria-pressed') === 'false'")
    page.click("[data-action=lock]")
    page.wait_for("document.querySelector('[data-action=lock]').getAttribute('aria-pressed') === 'true'")
    assert live.controls.settings.target != "top"
    page.click("[data-action=overlay]")
    page.wait_for("document.querySelector('[data-action=overlay]').getAttribute('aria-pressed') === 'false'")
    assert not live.controls.settings.overlay
    for name, value in (("method", "layercam"), ("view", "side-by-side"), ("colormap", "turbo"), ("alpha", "0.8")):
        event = "input" if name == "alpha" else "change"
        page.evaluate(f"{name}.value = '{value}'; {name}.dispatchEvent(new Event('{event}'))")
        page.wait_for(f"{name}.value === '{value}'")
    page.click("[data-action=overlay]")
    page.wait_for("document.getElementById('picture').width === 640")  # side by side is twice as wide
    s = live.controls.settings
    assert (s.method, s.look.view, s.look.colormap, s.look.alpha) == ("layercam", "side-by-side", "turbo", 0.8)
    assert browser.errors == []
    page.close()


def test_two_viewers_and_one_that_leaves(browser, live):
    first, second = browser.open(live.url), browser.open(live.url)
    for page in (first, second):
        page.wait_for(SHOWN)
    first.wait_for("document.getElementById('viewers').textContent === '2'")
    second.close()
    before = read_count(first.picture())
    first.wait_for("document.getElementById('viewers').textContent === '1'")
    assert read_count(first.picture()) > before
    first.close()


@pytest.mark.parametrize(("name", "width", "height"), [("wide", 1280, 800), ("narrow", 390, 1100), ("tiny", 300, 900)])
def test_the_page_fits_its_window(browser, live, name, width, height):
    page = browser.open(live.url, width, height)
    page.wait_for(SHOWN)
    page.wait_for("Number(document.getElementById('picture').dataset.number) > 3")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = page.evaluate(
        "Array.from(document.querySelectorAll('canvas, button, select, input, li, dd'), e => {"
        "const b = e.getBoundingClientRect(); return [b.left, b.right, b.width, b.height]; })"
    )
    assert len(boxes) >= 15
    for left, right, w, h in boxes:
        assert left >= 0
        assert right <= width + 0.5
        assert min(w, h) > 0
    inside = page.evaluate("document.querySelector('#buttons').getBoundingClientRect().right")
    assert page.evaluate(
        "Math.max(...Array.from(document.querySelectorAll('#classes li'), e => e.getBoundingClientRect().right))"
    ) == pytest.approx(inside, abs=1)
    keep(f"page_{name}.png", page.screenshot())
    page.close()


def test_the_page_says_when_the_program_is_gone(browser):
    with served() as live:
        page = browser.open(live.url)
        page.wait_for(SHOWN)
    page.wait_for("document.getElementById('notice').textContent.includes('does not answer')")
    page.close()
