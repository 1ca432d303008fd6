"""The page of one clip in a headless Chromium: original and overlay in step, told by the numbers in their pictures.

With VIDCAM_SCREENSHOTS set to a folder the screenshots stay there to be looked at.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.clips import clip_pictures
from tests.report.test_clip import make_track, two_models
from tests.report.watched import Watched, drawn, keep, press
from vidcam.report.clip import write_clip_page

FRAMES = 48
READY = "!!document.getElementById('overlay') && [original, overlay].every(v => v.readyState >= 2 && !v.seeking)"
SETTLED = "[original, overlay].every(v => v.readyState >= 2 && !v.seeking && v.paused)"


@pytest.fixture(scope="module")
def browser():
    browser = Watched()
    yield browser
    browser.close()


def numbered(path: Path, flipped: bool) -> Path:
    """Writes a video whose frames carry their number in six bright or dark fields."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=12, options={"crf": "12", "g": "24"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for i in range(FRAMES):
            bits = np.array([(i >> k) & 1 for k in range(6)], np.uint8)
            row = np.repeat((1 - bits if flipped else bits) * 255, 16)
            picture = np.broadcast_to(row[np.newaxis, :, np.newaxis], (64, 96, 3))
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 12)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def number(page, selector: str, flipped: bool) -> int:
    row = drawn(page, selector)[32, 8::16, 0] > 127
    return sum(int(bit != flipped) << k for k, bit in enumerate(row))


def numbers(page) -> tuple[int, int, int]:
    """Returns the numbers in the original and in the overlay, and the one that the page says."""
    said = int(page.evaluate("where.textContent").split("·")[1].split("/")[0]) - 1
    return number(page, "#original", False), number(page, "#overlay", True), said


@pytest.fixture(scope="module")
def page_file(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clip page #1")
    source, overlay = numbered(folder / "s.mp4", False), numbered(folder / "o.mp4", True)
    write_clip_page(folder / "p.html", source, overlay, make_track(source, ("<b>cat</b>", "dog", "cow")))
    source.unlink()
    overlay.unlink()
    return folder / "p.html"


@pytest.fixture
def page(browser, page_file):
    page = browser.open_file(page_file)
    page.wait_for(READY)
    yield page
    page.close()


def test_every_step_shows_one_frame_of_both(browser, page):
    assert numbers(page) == (0, 0, 0)
    for i in (1, 2, 3):
        press(page, "ArrowRight")
        page.wait_for(SETTLED)
        assert numbers(page) == (i, i, i)
    press(page, "ArrowLeft")
    page.wait_for(SETTLED)
    assert numbers(page) == (2, 2, 2)
    press(page, "End")
    page.wait_for(SETTLED)
    assert numbers(page) == (FRAMES - 1,) * 3
    page.click("#back")
    page.wait_for(SETTLED)
    assert numbers(page) == (FRAMES - 2,) * 3
    for i in (5, 40, 23, 24, 25):
        page.evaluate(f"scrub.value = {i}; scrub.dispatchEvent(new Event('input'))")
        page.wait_for(SETTLED)
        assert numbers(page) == (i, i, i)
    assert browser.left_disk() == []
    assert len(browser.requests) == len([u for u in browser.requests if u.startswith(("blob:", "data:"))]) + 1


def test_it_plays_in_step_and_stops_on_one_frame(page):
    page.click("#play")
    page.wait_for("overlay.currentTime > 0.6 && !overlay.paused && !original.paused")
    # Even where the original is thrown out of step, it comes back.
    page.evaluate("original.currentTime = 3.5")
    page.wait_for("Math.abs(original.currentTime - overlay.currentTime) < 0.1 && !original.seeking")
    page.click("#play")
    page.wait_for(SETTLED)
    assert page.evaluate("document.getElementById('play').ariaLabel") == "Play"
    a, b, said = numbers(page)
    assert a == b == said
    assert said > 5


def test_it_begins_anew_at_the_end(page):
    press(page, "End")
    page.wait_for(SETTLED)
    press(page, "ArrowLeft")
    page.wait_for(SETTLED)
    page.evaluate("window.ends = 0; overlay.addEventListener('ended', () => { window.ends += 1; })")
    press(page, " ")
    page.wait_for("window.ends >= 1 && overlay.currentTime > 0.2 && overlay.currentTime < 3 && !overlay.paused")
    press(page, " ")
    page.wait_for(SETTLED)
    a, b, said = numbers(page)
    assert a == b == said


def test_the_curves_are_a_place_to_seek_in(page):
    box = page.evaluate("(b => [b.left, b.top, b.width, b.height])(chart.getBoundingClientRect())")
    for share in (0.25, 0.75):
        at = {"x": box[0] + share * box[2], "y": box[1] + 0.5 * box[3], "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            page.call("Input.dispatchMouseEvent", type=kind, **at)
        page.wait_for(SETTLED)
        a, b, said = numbers(page)
        assert a == b == said == round(share * (FRAMES - 1))
        cursor = page.evaluate("Number(document.querySelector('.cursor').getAttribute('x1')) / 1000")
        assert cursor == pytest.approx(said / (FRAMES - 1), abs=1e-3)


def test_a_page_of_two_models_jumps_to_where_they_disagree(browser, tmp_path):
    """They disagree in frames 10 to 19 and 30 to 35; classes named alike are told apart by their model."""
    source, overlay = numbered(tmp_path / "s.mp4", False), numbered(tmp_path / "o.mp4", True)
    tracks, comparison = two_models(source, [(10, 20), (30, 36)])
    write_clip_page(tmp_path / "p.html", source, overlay, tracks, comparison=comparison)
    page = browser.open_file(tmp_path / "p.html")
    page.wait_for(READY)
    said = "Array.from(document.querySelectorAll('#apart li button'), e => [e.textContent, e.ariaCurrent])"
    assert page.evaluate(said) == [
        ["0.83 s to 1.67 s cat against dog", "false"],
        ["2.50 s to 3.00 s cat against dog", "false"],
    ]
    for key, frame in (("d", 10), ("d", 30), ("d", 10), ("D", 30), ("D", 10)):
        press(page, key)
        page.wait_for(SETTLED)
        assert numbers(page) == (frame, frame, frame)
    press(page, "ArrowLeft")
    page.click("#apart li:nth-child(2) button")
    page.wait_for(SETTLED)
    assert numbers(page) == (30, 30, 30)
    assert [now for _, now in page.evaluate(said)] == ["false", "true"]
    told = "Array.from(document.querySelectorAll('#legend li.explained .name'), e => e.textContent)"
    assert page.evaluate(told) == ["a <b>: cat", "b: dog"]
    shaded = page.evaluate(
        "Array.from(document.querySelectorAll('.apart'), e => [e.x.baseVal.value, e.width.baseVal.value])"
    )
    step = 1000 / (FRAMES - 1)
    np.testing.assert_allclose(shaded, [[10 * step, 10 * step], [30 * step, 6 * step]], rtol=1e-4)
    assert page.evaluate("wipe.hidden")  # a line between the original and several pictures of it
    keep("clip_two_models.png", page)
    page.close()


def test_what_is_said_is_said_of_the_frame_shown(page):
    for i in (0, 17, FRAMES - 1):
        page.evaluate(f"scrub.value = {i}; scrub.dispatchEvent(new Event('input'))")
        told = page.evaluate(
            "Array.from(document.querySelectorAll('#legend li'), e => [e.querySelector('.name').textContent,"
            "e.querySelector('.number').textContent, e.classList.contains('explained')])"
        )
        curves = page.evaluate("data.curves")
        for (name, value, explained), (curve_name, curve) in zip(told, curves, strict=True):
            assert name == curve_name
            assert float(value.removesuffix(" %")) == pytest.approx(curve[i] / 100, abs=0.51)
            assert explained == (curve[i] == max(c[i] for _, c in curves))
    assert "<b>cat</b>" in [name for name, _, _ in told]
    assert page.evaluate("document.querySelectorAll('b').length") == 0


def test_the_wipe_lays_one_over_the_other(page):
    page.click("#wipe")
    boxes = page.evaluate("[original, overlay].map(v => (b => [b.left, b.top, b.width])(v.getBoundingClientRect()))")
    assert boxes[0] == boxes[1]
    page.evaluate("divider.value = 30; divider.dispatchEvent(new Event('input'))")
    assert "30%" in page.evaluate("getComputedStyle(document.getElementById('right')).clipPath")
    keep("clip_wipe.png", page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844), (320, 700)])
def test_the_page_fits_its_window(browser, page_file, scheme, width, height):
    page = browser.open_file(page_file, width, height, scheme)
    page.wait_for(READY)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = page.evaluate(
        "Array.from(document.querySelectorAll('button, select, video, #chart, #legend li, dd'), e => {"
        "const b = e.getBoundingClientRect(); return [b.left, b.right, b.width, b.height]; }).filter(b => b[2] || b[3])"
    )
    assert len(boxes) >= 18
    assert all(left >= 0 and right <= width + 0.5 and min(w, h) > 0 for left, right, w, h in boxes)
    keep(f"clip_{width}_{scheme}.png", page)
    page.close()


def test_a_picture_is_two_pictures_and_bars(browser, tmp_path):
    for name in ("photo.jpg", "out.png"):
        Image.fromarray(clip_pictures(1)[0]).save(tmp_path / name)
    photo = tmp_path / "photo.jpg"
    write_clip_page(tmp_path / "p.html", photo, tmp_path / "out.png", make_track(photo))
    page = browser.open_file(tmp_path / "p.html")
    page.wait_for("Array.from(document.images).filter(i => i.complete && i.naturalWidth === 64).length === 2")
    assert page.evaluate("document.querySelectorAll('.bars .bar').length") == 3
    assert page.evaluate("getComputedStyle(document.getElementById('play')).display") == "none"
    assert page.evaluate("document.getElementById('plot').hidden")
    assert browser.left_disk() == []
    keep("clip_picture.png", page)
    page.close()
