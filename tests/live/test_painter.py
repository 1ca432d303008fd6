"""What is drawn: the overlay as `vidcam run` draws it, nothing where the map is of another size, texts that fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.live.fakes import LABELS, LOOK, FakeExplainer, counted
from vidcam.live.controls import LiveSettings
from vidcam.live.explaining import ExplainedFrame
from vidcam.live.painter import Painter, lost, waiting, with_figures
from vidcam.live.slot import Item
from vidcam.render import Look, overlay

PLAIN = LiveSettings(replace(LOOK, caption=False), "gradcam", "top")


def seen(picture: np.ndarray, settings: LiveSettings = PLAIN, number: int = 1, time: float = 1.0, factor: float = 1.0):
    fake = FakeExplainer()
    fitted, placement = fake.classifier.prepare(picture)
    explanation = fake.explain_inputs([fitted], placement)
    explanation = replace(explanation, maps=explanation.maps * np.float32(factor))
    return Item(number, time, ExplainedFrame(explanation, number, LABELS, settings, False, None, 0.1))


def test_the_picture_is_the_overlay():
    picture = counted(1234)
    item = seen(picture)
    expected = overlay(picture, item.value.explanation.maps[0], peak=1.0)
    before = picture.copy()
    np.testing.assert_array_equal(Painter().paint(picture, item, PLAIN), expected)
    np.testing.assert_array_equal(picture, before)


def test_a_class_that_takes_over_shows_its_own_evidence():
    picture, painter = counted(1234), Painter()
    slow = replace(PLAIN, look=replace(PLAIN.look, smooth=0.5, normalize="running"))
    for number in range(1, 6):
        painter.paint(picture, seen(picture, slow, number=number, time=number / 30), slow)
    item = seen(picture, slow, number=6, time=6 / 30)
    explanation = replace(item.value.explanation, maps=0.5 - item.value.explanation.maps, targets=((2,),))
    item = replace(item, value=replace(item.value, explanation=explanation))
    expected = overlay(picture, explanation.maps[0])
    assert (expected != picture).any()
    np.testing.assert_array_equal(painter.paint(picture, item, slow), expected)


def test_no_heat_and_a_grey_caption_where_the_model_sees_none_of_its_classes():
    picture = np.zeros_like(counted(1234))
    item = seen(picture)
    nothing = replace(item, value=replace(item.value, neither=item.value.explanation.targets[0][0]))
    np.testing.assert_array_equal(Painter().paint(picture, nothing, PLAIN), picture)
    said = [Painter().paint(picture, i, replace(PLAIN, look=LOOK))[:60].max() for i in (item, nothing)]
    assert said[1] < 0.75 * said[0]
    asked = replace(PLAIN, target="0")  # who asks for the class sees its map
    item = replace(nothing, value=replace(nothing.value, settings=asked))
    assert (Painter().paint(picture, item, asked) != picture).any()


def test_a_map_of_another_size_is_not_drawn():
    picture = counted(1, 200, 100)
    np.testing.assert_array_equal(Painter().paint(picture, seen(counted(1)), PLAIN), picture)
    np.testing.assert_array_equal(Painter().paint(picture, None, PLAIN), picture)


def test_without_overlay_the_frame_is_left_with_its_caption():
    picture = counted(1234)
    painted = Painter().paint(picture, seen(picture), replace(PLAIN, overlay=False))
    np.testing.assert_array_equal(painted, picture)
    captioned = Painter().paint(picture, seen(picture), replace(PLAIN, look=LOOK, overlay=False))
    assert (captioned != picture).any()
    np.testing.assert_array_equal(captioned[60:], picture[60:])


def test_side_by_side_is_frame_and_overlay():
    picture = counted(99)
    item = seen(picture)
    both = Painter().paint(picture, item, replace(PLAIN, look=replace(PLAIN.look, view="side-by-side")))
    np.testing.assert_array_equal(both[:, :320], picture)
    np.testing.assert_array_equal(both[:, 320:], Painter().paint(picture, item, PLAIN))


def test_the_running_maximum_counts_each_map_once_and_begins_anew_with_another_method():
    picture = counted(1234)
    running = LiveSettings(Look(smooth=0.0, caption=False), "gradcam", "top")
    painter = Painter()
    strong = painter.paint(picture, seen(picture, running, 1, 1.0), running)
    weak_item = seen(picture, running, 2, 1.2, factor=0.25)
    weak = painter.paint(picture, weak_item, running)
    assert (weak != strong).any()  # a quarter of the heat just before is not as hot
    for _ in range(3):
        np.testing.assert_array_equal(painter.paint(picture, weak_item, running), weak)
    other = replace(running, method="hirescam")
    np.testing.assert_array_equal(painter.paint(picture, seen(picture, other, 3, 1.4, factor=0.25), other), strong)


@pytest.mark.parametrize("size", [(64, 48), (320, 240), (1280, 720), (240, 640), (16, 16)])
def test_texts_fit_into_any_picture(size):
    width, height = size
    picture = np.full((height, width, 3), 128, np.uint8)
    greyed = lost(picture, "the camera at the other end of the building gives no more pictures; trying again")
    assert greyed.shape == picture.shape
    assert (greyed[..., 0] == greyed[..., 2]).all()
    shown = with_figures(picture, ["recording", "", "30 frames/s, 20 ms"], replace(PLAIN, help=True))
    assert shown.shape == picture.shape
    assert (picture == 128).all()
    assert waiting(size, "waiting for camera 0").shape == picture.shape
