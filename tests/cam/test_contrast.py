"""Why this rather than that: the difference of two classes' logits is what is explained, drawn, told and kept."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from tests.networks import as_classifier, flatten_cnn, gap_cnn, pictures
from vidcam import Track, run
from vidcam._contrast import Contrast, rival_of
from vidcam.cam import METHODS, Explainer, target_name
from vidcam.cam.targets import resolve_rival, selection_of, target_weights
from vidcam.errors import UsageError
from vidcam.pipeline.draw import caption_text

LINEAR = ("cam", "gradcam", "hirescam", "xgradcam")


def relative(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max() / np.abs(b).max())


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return pictures(6)


@pytest.mark.parametrize("engine", ["tensorflow", "openvino"])
def test_a_linear_methods_map_is_one_classs_less_gamma_times_the_others(frames, engine):
    classifier = as_classifier(gap_cnn())
    plain = Explainer(classifier, "cam", engine=engine)
    contrast = Explainer(classifier, "cam", engine=engine, rather_than="class 2", gamma=0.6)
    for method in LINEAR:
        one, other = (plain.by(method)(frames, c).maps for c in (0, 2))
        seen = contrast.by(method)(frames, 0)
        assert relative(seen.maps, one - 0.6 * other) < 1e-4, method
        assert seen.targets == (Contrast((0,), (2,)),) * 6


def test_every_method_that_explains_a_class_shows_the_difference_and_its_opposite_is_its_negative(frames):
    classifier = as_classifier(flatten_cnn())
    explainer = Explainer(classifier, "gradcam", engine="tensorflow", rather_than=1)
    opposite = Explainer(classifier, "gradcam", engine="tensorflow", rather_than=1, against=True)
    plain = Explainer(classifier, "gradcam", engine="tensorflow")
    elsewhere = Explainer(classifier, "gradcam", engine="openvino", rather_than=1)
    for method in [m.name for m in METHODS.values() if m.targeted and m.needs != "pooled head"]:
        maps = explainer.by(method)(frames[:2], 0).maps
        assert relative(plain.by(method)(frames[:2], 0).maps, maps) > 0.01, method
        assert relative(elsewhere.by(method)(frames[:2], 0).maps, maps) < 1e-4, method
        assert elsewhere.engine == "openvino", method
        if method in LINEAR:
            np.testing.assert_allclose(opposite.by(method)(frames[:2], 0).maps, -maps, rtol=1e-5, atol=1e-7)


def test_several_others_share_gamma(frames):
    classifier = as_classifier(gap_cnn(classes=4))
    maps = [Explainer(classifier, engine="tensorflow")(frames, c).maps for c in range(3)]
    seen = Explainer(classifier, engine="tensorflow", rather_than="class 1,class 2")(frames, 0)
    assert relative(seen.maps, maps[0] - (maps[1] + maps[2]) / 2) < 1e-4


@pytest.mark.parametrize("target", ["top", "class 3"])
def test_next_is_each_frames_best_class_beside_the_target(frames, target):
    classifier = as_classifier(gap_cnn(classes=5))
    seen = Explainer(classifier, engine="tensorflow", rather_than="next")(frames, target)
    fixed = [
        Explainer(classifier, engine="tensorflow", rather_than=rival_of(t))(frames[i : i + 1], list(t)).maps[0]
        for i, t in enumerate(seen.targets)
    ]
    assert relative(seen.maps, np.stack(fixed)) < 1e-4
    for logits, told in zip(seen.logits, seen.targets, strict=True):
        order = [int(c) for c in np.argsort(-logits)]
        first = order[0] if target == "top" else 3
        assert told == Contrast((first,), (next(c for c in order if c != first),))


def test_numpy_and_the_graph_agree_on_the_weights(frames):
    logits = np.array([[3.0, 1.0, 2.0], [0.0, 5.0, 4.0]], np.float32)
    assert target_weights(selection_of(None, 3, rival=None, gamma=0.5), logits).tolist() == [[1, 0, -0.5], [0, 1, -0.5]]
    assert target_weights(selection_of([2], 3, rival=None), logits).tolist() == [[-1, 0, 1], [0, -1, 1]]
    assert target_weights(selection_of([2], 3, rival=(0,), against=True), logits).tolist() == [[1, 0, -1]] * 2


def test_a_contrast_is_the_same_only_where_its_others_are():
    told = Contrast((3,), (5,))
    assert told == pickle.loads(pickle.dumps(told)) == Contrast((3,), (5,))
    assert told != (3,)
    assert told != Contrast((3,), (4,))
    assert len({told, Contrast((3,), (5,)), Contrast((3,), (4,)), (3,)}) == 3
    assert list(told) == [3]


def test_captions_and_names_say_what_it_is_in_contrast_to():
    labels = ("cat", "dog", "fox")
    assert target_name(Contrast((0,), (1, 2)), labels) == "cat rather than dog + fox"
    said = caption_text(Contrast((0,), (1,)), np.array([0.75, 0.2, 0.05]), labels)
    assert said == "cat 75.0 % rather than dog 20.0 %" or said.replace(".0", "") == "cat 75 % rather than dog 20 %"


def test_kept_maps_tables_and_provenance_carry_it(tmp_path: Path, frames):
    import csv

    import imageio.v3 as iio

    iio.imwrite(tmp_path / "clip.gif", frames, duration=100, loop=0)
    result = run(
        tmp_path / "clip.gif",
        tmp_path / "out.gif",
        model=as_classifier(gap_cnn()),
        rather_than="next",
        gamma=0.5,
        maps=tmp_path / "maps.npz",
        predictions=tmp_path / "numbers.csv",
        engine="tensorflow",
    )
    kept = Track.load(tmp_path / "maps.npz")
    assert all(len(rival_of(t)) == 1 for t in kept.targets)
    assert kept.targets == result.track.targets  # type: ignore[union-attr]
    assert (kept.meta["rather_than"], kept.meta["gamma"]) == ("next", "0.5")
    with (tmp_path / "numbers.csv").open() as file:
        assert [row["target"] for row in csv.DictReader(file)] == [target_name(t, kept.labels) for t in kept.targets]


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"rather_than": "class 1"}, "class 1 is explained already"),
        ({"rather_than": "bird"}, "'bird' is no class"),
        ({"rather_than": "top"}, "takes a class, or `next`"),
        ({"rather_than": "next", "method": "eigencam"}, "leave --rather-than out"),
    ],
)
def test_what_makes_no_contrast_is_refused(frames, choice, said):
    with pytest.raises(UsageError, match=said):
        Explainer(as_classifier(gap_cnn()), **{"engine": "tensorflow", **choice})(frames, 1)


def test_gamma_alone_is_refused_and_a_label_may_be_called_next(tmp_path: Path):
    with pytest.raises(UsageError, match="--gamma 2 goes with --rather-than"):
        run(tmp_path / "clip.gif", gamma=2.0)
    assert resolve_rival("next", ("next", "last")) == (0,)
