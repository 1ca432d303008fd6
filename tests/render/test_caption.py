"""Captions are legible on any background and fit pictures of any size."""

from __future__ import annotations

import numpy as np
import pytest

from vidcam.render import draw_caption
from vidcam.render.caption import wrapped


@pytest.mark.parametrize("background", [0, 128, 255])
@pytest.mark.parametrize("size", [(1080, 1920), (640, 360), (160, 240), (96, 96)])
def test_text_is_bright_on_dark_on_any_background(background, size):
    picture = np.full((*size, 3), background, np.uint8)
    draw_caption(picture, "tabby 87 %")
    corner = picture[: size[0] // 5, : size[1] // 2].astype(int)
    assert corner.max() > 225
    box = np.argwhere((picture != background).any(axis=2)) if background else np.argwhere(picture[..., 0] > 0)
    rows = np.ptp(box[:, 0]) + 1
    assert rows >= 5  # letters, not specks
    dark = picture[box[:, 0].min() : box[:, 0].max(), box[:, 1].min() : box[:, 1].max(), 0]
    assert np.percentile(dark, 25) <= 0.31 * 255
    # The rest of the picture is untouched.
    assert (picture[size[0] // 2 :] == background).all()


def test_long_texts_and_tiny_pictures_never_leave_the_picture():
    for size in ((1, 1), (4, 4), (12, 30), (40, 40), (200, 60)):
        picture = np.full((*size, 3), 200, np.uint8)
        draw_caption(picture, "Old English sheepdog + West Highland white terrier 3.1 %")
        draw_caption(picture, "")
        assert picture.shape == (*size, 3)


def test_a_part_of_the_picture_can_have_its_own_caption():
    picture = np.full((120, 400, 3), 255, np.uint8)
    draw_caption(picture, "dog", left=200)
    assert (picture[:, :200] == 255).all()
    assert (picture[:, 200:] != 255).any()


def test_a_text_that_is_too_long_for_a_line_takes_more_and_covers_less_than_half():
    text = "Grad-CAM++: West Highland white terrier + Old English sheepdog 12 %, 3.1 %"
    for size in ((90, 160), (284, 160), (180, 320)):
        picture = np.full((*size, 3), 200, np.uint8)
        draw_caption(picture, text)
        drawn = np.argwhere((picture != 200).any(axis=2))
        assert 20 < np.ptp(drawn[:, 0]) < 0.5 * size[0]  # two lines or three


def test_lines_break_at_blanks_only():
    lines = wrapped("Old English sheepdog and a Weimaraner", 12, 90)
    assert " ".join(lines) == "Old English sheepdog and a Weimaraner"
    assert len(lines) > 1
    assert wrapped("Pneumonoultramicroscopic", 12, 20) == ("Pneumonoultramicroscopic",)
