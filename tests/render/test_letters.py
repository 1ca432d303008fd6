"""Every letter is written: in the font that ships, in one of the system's, or by its sound; never as an empty box."""

from __future__ import annotations

import numpy as np
import pytest
from fontTools.ttLib import TTFont
from PIL import ImageFont

from vidcam.render import Timeline, draw_caption, letters
from vidcam.render.letters import SHIPPED, font_for, writable

BOX = bytes(ImageFont.truetype(str(SHIPPED), 20).getmask("\uffff"))


@pytest.fixture
def system_fonts(monkeypatch):
    """Says which fonts the system has; none to begin with."""

    def have(*paths):
        monkeypatch.setattr(letters, "_system_fonts", lambda: tuple(paths))
        for cached in (letters.writable, letters.font_for, letters._system_font):
            cached.cache_clear()

    have()
    yield have
    monkeypatch.undo()
    for cached in (letters.writable, letters.font_for, letters._system_font):
        cached.cache_clear()


@pytest.fixture
def cat_font(tmp_path):
    """A font that has one Chinese letter (drawn as an A) besides those that ship."""
    font = TTFont(SHIPPED)
    for table in font["cmap"].tables:
        table.cmap = {**table.cmap, ord("猫"): table.cmap.get(ord("A"))}
    font.save(tmp_path / "Plain.ttf")
    return tmp_path / "Plain.ttf"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("très élégant", "très élégant"),
        ("e\u0301lan", "élan"),
        ("Кошка γάτα Łódź ½ …", "Кошка γάτα Łódź ½ …"),
        ("猫 12 %", "Mao 12 %"),
        ("बिल्ली", "billi"),
        ("a\tb\nc\x07\u200f", "a b c"),
        ("\ue000", "?"),
    ],
)
def test_what_no_font_has_is_spelled(system_fonts, text, shown):
    assert writable(text) == shown
    assert all(c == " " or bytes(font_for(c, 20).getmask(c)) != BOX for c in shown)


def test_a_system_font_is_taken_where_it_has_the_letters(system_fonts, cat_font, tmp_path):
    broken = tmp_path / "Broken.ttf"
    broken.write_bytes(b"no font")
    system_fonts(broken, cat_font)
    assert writable("猫 12 %") == "猫 12 %"
    assert font_for("猫 12 %", 20).path == str(cat_font)
    assert font_for("tabby", 20).path == str(SHIPPED)
    assert writable("犬") == "Quan"  # that font has another letter
    assert writable("猫", system=False) == "Mao"


def test_plain_fonts_come_before_mannered_ones_and_useless_ones_never(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "none"))
    monkeypatch.setattr("pathlib.Path.home", lambda: tmp_path / "nobody")
    (tmp_path / "fonts" / "deep").mkdir(parents=True)
    for name in ("A-BoldItalic.ttf", "B-Bold.otf", "deep/C.ttc", "NotoColorEmoji.ttf", "LastResort.ttf", "notes.txt"):
        (tmp_path / "fonts" / name).touch()
    found = letters._system_fonts.__wrapped__()
    assert [path.name for path in found] == ["C.ttc", "B-Bold.otf", "A-BoldItalic.ttf"]


def test_right_to_left_is_spelled_where_pillow_cannot_set_it(system_fonts, monkeypatch):
    assert writable("قط") == "قط"
    monkeypatch.setattr(letters.features, "check", lambda name: False)
    for cached in (letters.writable, letters._covers):
        cached.cache_clear()
    assert writable("قط").isascii()
    letters._covers.cache_clear()


def test_captions_and_timelines_show_accents_and_no_boxes(system_fonts):
    def caption(text):
        picture = np.zeros((100, 300, 3), np.uint8)
        draw_caption(picture, text)
        return picture

    assert (caption("très") != caption("tr\uffffs")).any()
    assert (caption("très") != caption("tres")).any()
    assert (caption("猫") == caption("Mao")).all()

    def strip(label):
        timeline = Timeline(np.array([0.0, 1.0]), np.array([[0.3], [0.6]]), (label,), (400, 300))
        return timeline.under(np.zeros((300, 400, 3), np.uint8), 0.0)[300:]

    assert (strip("猫") == strip("Mao")).all()
    assert (strip("très") != strip("tres")).any()
