"""The data that flows: a track survives its file, damaged files are one-line errors."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from vidcam.errors import VidcamError
from vidcam.models import Classifier
from vidcam.types import Explanation, Frame, Placement, Track

PLACEMENT = Placement((640, 360), (224, 224), (0.0, 0.0, 640.0, 360.0), (0.0, 49.0, 224.0, 175.0))


def track() -> Track:
    rng = np.random.default_rng(0)
    frames = [Frame(2 * i, Fraction(i, 30), Fraction(1, 30), np.zeros((4, 4, 3), np.uint8), (4, 4)) for i in range(5)]
    explanations = [
        Explanation(
            rng.normal(size=(n, 7, 7)).astype(np.float32),
            rng.normal(size=(n, 3)).astype(np.float32),
            rng.uniform(size=(n, 3)).astype(np.float32),
            ((0,), (1, 2), (2,))[:n],
            PLACEMENT,
        )
        for n in (3, 2)
    ]
    return Track.concatenate(frames, explanations, ("a", "ü b", "c,d"), {"model": "m", "method": "gradcam"})


def test_a_track_survives_its_file_and_numpy_reads_it(tmp_path):
    before = track()
    path = tmp_path / "maps.npz"
    before.save(path)
    after = Track.load(path)
    assert len(after) == 5
    for name in ("times", "indices", "maps", "logits", "probabilities"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    for name in ("targets", "placement", "labels", "meta"):
        assert getattr(after, name) == getattr(before, name)
    with np.load(path, allow_pickle=False) as data:
        assert data["maps"].shape == (5, 7, 7)
        assert data["times"][1] == pytest.approx(1 / 30)


def test_damaged_tracks_are_one_line_errors(tmp_path):
    path = tmp_path / "maps.npz"
    track().save(path)
    (tmp_path / "cut.npz").write_bytes(path.read_bytes()[:300])
    np.savez(tmp_path / "other.npz", a=np.ones(3))
    np.save(tmp_path / "pickle.npy", np.array([{}], dtype=object))
    for name in ("cut.npz", "other.npz", "pickle.npy", "missing.npz"):
        with pytest.raises(VidcamError, match=name) as caught:
            Track.load(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_a_frame_makes_its_picture_once():
    made = []
    frame = Frame(0, Fraction(0), None, lambda: made.append(1) or np.zeros((2, 3, 3), np.uint8), (3, 2))
    assert not made
    assert frame.rgb() is frame.rgb()
    assert made == [1]


def test_what_is_shown_at_a_prompt_is_two_lines():
    one = track()
    explanation = Explanation(one.maps, one.logits, one.probabilities, one.targets, PLACEMENT)
    assert repr(one).startswith("Track(5 frames, 0.00 to ")
    assert "3 classes" in repr(one)
    assert "m, gradcam; targets " in repr(one)
    assert repr(explanation).startswith("Explanation(5 frames, maps of 7x7, 3 classes\n")
    wide = Explanation(
        np.ones((90, 7, 7)), np.ones((90, 1000)), np.ones((90, 1000)), tuple((i,) for i in range(90)), PLACEMENT
    )
    assert "targets 0 in 1, 1 in 1, 2 in 1, ..." in repr(wide)
    classifier = Classifier(object(), "big", "tf", (224, 224), 3, "keep", tuple(f"label {i}" for i in range(1000)))
    for shown in (repr(one), repr(explanation), repr(wide), repr(classifier), repr(one.first(0))):
        assert shown.count("\n") == 1
        assert len(shown) < 300


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("maps", np.zeros((3, 7), np.float32), "maps"),
        ("maps", np.zeros((4, 7, 7), np.float32), "maps|logits"),
        ("logits", np.zeros((2, 3), np.float32), "logits"),
        ("probabilities", np.zeros((3, 2), np.float32), "probabilities"),
        ("targets", ((0,),) * 2, "targets"),
        ("times", np.zeros(2), "maps"),
        ("indices", np.zeros(4, np.int64), "indices"),
        ("cuts", np.zeros(2, bool), "cuts"),
        ("labels", ("a", "b"), "labels"),
        ("motions", np.zeros((3, 7, 7, 2), np.float16), "motions"),
    ],
)
def test_what_is_made_of_shapes_that_do_not_fit_is_refused(name, value, message):
    parts = {
        "maps": np.zeros((3, 7, 7), np.float32),
        "logits": np.zeros((3, 3), np.float32),
        "probabilities": np.zeros((3, 3), np.float32),
        "targets": ((0,),) * 3,
        "placement": PLACEMENT,
    }
    clip = {"times": np.zeros(3), "indices": np.zeros(3, np.int64), "labels": ("a", "b", "c")}
    Track(**parts, **clip)
    with pytest.raises(ValueError, match=message):
        Track(**{**parts, **clip, name: value})
    if name in parts:
        Explanation(**parts)
        with pytest.raises(ValueError, match=message):
            Explanation(**{**parts, name: value})
