"""The page of a batch in a headless Chromium, from disk: playing, finding, sorting, the keyboard, a thousand clips.

With VIDCAM_SCREENSHOTS set to a folder the screenshots stay there to be looked at.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from tests.clips import clip_pictures, make_gif, make_video
from tests.report.watched import Watched, keep, move, press
from vidcam.report.gallery import ClipCard, write_gallery

EVIL = "<img src=x onerror=alert(1)>.gif"
NAMES = "Array.from(document.querySelectorAll('.card'), c => c.clip.source)"
LIVE = "document.querySelectorAll('.thumb video, .thumb .live').length"


@pytest.fixture(scope="module")
def browser():
    browser = Watched()
    yield browser
    browser.close()


def entry(source: str, output: str, confidence: float, **more) -> ClipCard:
    curve = tuple(confidence + 0.05 * (-1) ** i for i in range(10))
    plain = ClipCard(
        source, output, "p 1#.jpg", "", 12, 1.2, (64, 48), "cat", confidence, confidence - 0.05,
        times=tuple(i / 10 for i in range(10)),
        curves={"cat": curve, "dog": tuple(0.4 - c / 4 for c in curve)},
        classes={"cat": 10, "cow": 2},
    )  # fmt: skip
    return replace(plain, **more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A batch of five: three clean, one flagged for everything, one failed."""
    folder = tmp_path_factory.mktemp("bätch 100%41 #1")
    odd = folder / "a b?c=d"
    odd.mkdir()
    make_gif(odd / EVIL)
    make_video(odd / "50% \"quoted\" 'ü'.mp4")
    make_gif(folder / "plain.gif")
    Image.fromarray(clip_pictures(1)[0]).save(folder / "p 1#.jpg")
    Image.fromarray(clip_pictures(1)[0]).save(folder / "still.png")
    entries = [
        entry("clip 10.gif", "plain.gif", 0.95, flicker=0.3),
        entry("clip 9.mp4", "a b?c=d/50% \"quoted\" 'ü'.mp4", 0.8, border=0.2),
        entry(
            "still.png", "still.png", 0.85,
            target="<b>dog</b>", poster="", frames=1, times=(0.0,), curves={"dog": (0.85,)},
        ),
        entry(EVIL, f"a b?c=d/{EVIL}", 0.1, switches=9, border=0.7, poster=""),
        ClipCard(EVIL, failed="<i>is</i> empty"),
    ]  # fmt: skip
    write_gallery(folder / "index.html", entries, "Three & <b>more</b>")
    return folder


def thumb(name: str) -> str:
    """Marks a clip's thumb, and returns its selector."""
    return f"Array.from(document.querySelectorAll('.card')).find(c => c.clip.source === {name!r}).id = 'it'"


def test_names_are_text_and_nothing_leaves_the_disk(browser, folder):
    page = browser.open_file(folder / "index.html")
    assert page.evaluate("document.querySelector('h1').textContent") == "Three & <b>more</b>"
    assert page.evaluate("document.title") == "Three & <b>more</b>"
    shown = page.evaluate("Array.from(document.querySelectorAll('.card .name'), e => e.textContent)")
    assert shown == [EVIL, "clip 9.mp4", "still.png", "clip 10.gif"]
    assert page.evaluate("document.querySelector('#failed li').textContent") == f"{EVIL}<i>is</i> empty"
    assert "<b>dog</b>" in page.evaluate("document.getElementById('clips').textContent")
    assert page.evaluate("document.querySelectorAll('b:not(.number), i, [onerror], img[src=x]').length") == 0
    # Every poster has been found under its odd name.
    page.wait_for("Array.from(document.images).every(i => i.complete) && document.images.length === 3")
    assert page.evaluate("Array.from(document.images, i => i.naturalWidth)") == [64, 64, 64]
    for name in (EVIL, "clip 9.mp4", "clip 10.gif"):
        page.evaluate(thumb(name))
        move(page, "#it .thumb")
        page.wait_for("document.querySelectorAll('#it .live.ready').length === 1")
        page.evaluate("document.getElementById('it').id = ''")
    assert browser.left_disk() == []
    assert len(browser.requests) >= 6
    page.close()


def test_a_clip_plays_under_the_pointer_and_only_there(browser, folder):
    page = browser.open_file(folder / "index.html")
    assert page.evaluate(LIVE) == 0
    page.evaluate(thumb("clip 9.mp4"))
    move(page, "#it .thumb")
    page.wait_for("document.querySelector('#it video.live.ready')?.currentTime > 0")
    assert page.evaluate("(v => [v.muted, v.loop, v.paused])(document.querySelector('#it video'))") == [
        True,
        True,
        False,
    ]
    keep("gallery_hover.png", page)
    move(page, "h1")
    page.wait_for(f"{LIVE} === 0")
    page.evaluate("document.getElementById('it').id = ''")
    page.evaluate(thumb("clip 10.gif"))
    move(page, "#it .thumb")
    page.wait_for("document.querySelector('#it img.live.ready')?.naturalWidth === 64")
    assert page.evaluate("document.querySelector('#it .live').src").endswith("/plain.gif")
    page.close()


def test_clips_are_found_and_sorted(browser, folder):
    page = browser.open_file(folder / "index.html")

    def choose(**values: str) -> list[str]:
        for name, value in values.items():
            page.evaluate(
                f"{{ const e = document.getElementById({name!r}); e.value = {value!r};"
                "e.dispatchEvent(new Event('input', {bubbles: true})); }"
            )
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return page.evaluate(NAMES)

    everything = [EVIL, "clip 9.mp4", "still.png", "clip 10.gif"]
    assert choose(sort="flagged") == everything
    assert choose(sort="unsure") == everything
    assert choose(sort="sure") == everything[::-1]
    assert choose(sort="name") == [EVIL, "clip 9.mp4", "clip 10.gif", "still.png"]
    assert choose(sort="switches")[0] == EVIL
    assert choose(sort="border")[:2] == [EVIL, "clip 9.mp4"]
    assert choose(sort="flicker")[0] == "clip 10.gif"
    assert choose(sort="name", text="CLIP 1") == ["clip 10.gif"]
    assert choose(text="cow mp4") == ["clip 9.mp4"]  # a class that is seldom explained
    assert choose(text="nobody") == []
    assert not page.evaluate("document.getElementById('nothing').hidden")
    page.click("#reset")
    page.wait_for(f"{NAMES}.length === 4")
    assert choose(**{"class": "=<b>dog</b>"}) == ["still.png"]
    assert choose(**{"class": ""}, low="80", high="90", sort="name") == ["clip 9.mp4", "still.png"]
    assert page.evaluate("document.getElementById('between').textContent") == "80–90 %"
    assert page.evaluate("document.getElementById('count').textContent") == "2 of 4 clips"
    # One end of the range pushes the other.
    choose(low="96")
    assert page.evaluate("document.getElementById('high').value") == "96"
    choose(low="0", high="100")
    page.click("[data-flag=any]")
    page.wait_for(f"{NAMES}.length === 1")
    page.click("[data-flag=border]")
    assert choose() == [EVIL]
    assert page.evaluate("document.querySelector('[data-flag=border]').getAttribute('aria-pressed')") == "true"
    page.click("[data-flag=all]")
    page.wait_for(f"{NAMES}.length === 4")
    assert browser.left_disk() == []
    page.close()


def test_the_keyboard_plays_opens_steps_and_closes(browser, folder):
    page = browser.open_file(folder / "index.html")
    page.evaluate("document.querySelector('#failed summary').focus()")
    press(page, "Tab")
    page.wait_for(
        "document.activeElement.matches('.thumb') && document.querySelectorAll('.thumb .live.ready').length === 1"
    )
    press(page, "Enter", "\r")
    page.wait_for("detail.open")
    assert page.evaluate("document.getElementById('detail-name').textContent") == EVIL
    assert page.evaluate("document.querySelectorAll('#detail .reasons li').length") == 3
    page.wait_for("document.querySelector('#detail img.big').naturalWidth === 64")
    press(page, "ArrowRight")
    page.wait_for("document.getElementById('detail-name').textContent === 'clip 9.mp4'")
    page.wait_for("document.querySelector('#detail video.big').currentTime > 0")
    page.wait_for("document.querySelector('#detail .cursor').getAttribute('visibility') === 'visible'")
    assert page.evaluate(LIVE) == 0
    keep("gallery_detail.png", page)
    press(page, "Escape")
    page.wait_for("!detail.open")
    page.wait_for("document.activeElement.closest('.card')?.clip.source === 'clip 9.mp4'")
    assert page.evaluate("document.querySelectorAll('video.big').length") == 0
    page.close()


def test_no_two_curves_of_a_clip_are_alike_and_a_name_opens_its_clip(browser, tmp_path):
    def clip(i: int) -> ClipCard:
        names = [f"class {i}", "seldom", "never", "hardly"]
        curves = {name: tuple(0.9 / (k + 1) for _ in range(10)) for k, name in enumerate(names)}
        return entry(f"{i}.gif", f"{i}.gif", 0.9, poster="", target=names[0], classes={names[0]: 12}, curves=curves)

    write_gallery(tmp_path / "index.html", [clip(i) for i in range(12)], "Many classes")
    page = browser.open_file(tmp_path / "index.html", height=3000)
    page.wait_for("document.querySelectorAll('.spark .curve').length === 48")
    drawn = page.evaluate(
        "Array.from(document.querySelectorAll('.spark'), e => Array.from(e.querySelectorAll('.curve'), c => "
        "getComputedStyle(c).stroke))"
    )
    grey = page.evaluate("getComputedStyle(document.querySelector('.soft')).color")
    assert all(len(set(colours)) == 4 for colours in drawn)
    assert not [colours for colours in drawn if grey in colours]
    page.click(".card:nth-child(3) .told .name .file")
    page.wait_for("detail.open")
    assert page.evaluate("document.getElementById('detail-name').textContent") == "2.gif"
    page.close()


def test_a_file_that_is_gone_is_said(browser, folder, tmp_path):
    write_gallery(tmp_path / "index.html", [entry("gone.mp4", "gone.mp4", 0.9, poster="")], "Gone")
    page = browser.open_file(tmp_path / "index.html")
    page.click(".thumb")
    page.wait_for("document.querySelector('#detail .stage').textContent.includes('not where')")
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844), (320, 700)])
def test_the_page_fits_its_window(browser, folder, scheme, width, height):
    page = browser.open_file(folder / "index.html", width, height, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = page.evaluate(
        "Array.from(document.querySelectorAll('button, select, #text, .card, #failed li'), e => {"
        "const b = e.getBoundingClientRect(); return [b.left, b.right, b.width, b.height]; }).filter(b => b[2] || b[3])"
    )
    assert len(boxes) >= 15
    for left, right, w, h in boxes:
        assert left >= 0
        assert right <= width
        assert min(w, h) >= 24
    assert page.evaluate(
        "Array.from(document.querySelectorAll('input, select, button'), e => e.ariaLabel || e.textContent)"
        ".every(Boolean)"
    )
    keep(f"gallery_{width}_{scheme}.png", page)
    page.close()


def test_a_thousand_clips_cost_no_more_media_than_are_seen(browser, folder):
    page_file = folder / "thousand.html"
    many = [
        entry(f"dir {i % 7}/clip {i}.mp4", "a b?c=d/50% \"quoted\" 'ü'.mp4", 0.4 + (i % 60) / 100) for i in range(1000)
    ]
    write_gallery(page_file, many, "A thousand")
    page = browser.open_file(page_file, 1280, 800)
    page.wait_for("document.images.length > 0")
    assert page.evaluate("document.querySelectorAll('.card').length") == 1000
    images, charts, videos = page.evaluate(
        "['img', '.spark > *', 'video'].map(s => document.querySelectorAll(s).length)"
    )
    assert images < 100
    assert charts < 100
    assert videos == 0
    for selector in (".card:nth-child(1) .thumb", ".card:nth-child(2) .thumb"):
        move(page, selector)
        page.wait_for(f"document.querySelectorAll({selector + ' video.ready'!r}).length === 1")
        assert page.evaluate("document.querySelectorAll('video').length") == 1
    # What is scrolled to gets its picture.
    page.evaluate("document.querySelector('.card:last-child').scrollIntoView()")
    page.wait_for("document.querySelectorAll('.card:last-child img').length === 1")
    assert page.evaluate("document.images.length") < 200
    page.evaluate(
        "document.getElementById('text').value = 'clip 99';"
        "document.getElementById('text').dispatchEvent(new Event('input', {bubbles: true}))"
    )
    found = sum("99" in str(i) for i in range(1000))
    page.wait_for(f"document.querySelectorAll('.card').length === {found}")
    assert page.evaluate("document.querySelectorAll('video').length") <= 1
    assert browser.left_disk() == []
    page.close()
