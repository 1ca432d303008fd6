"""Maps over time on real clips: what the defaults of `run` were chosen by, and Eigen-CAM's sign."""

from __future__ import annotations

from itertools import islice, pairwise

import numpy as np
import pytest

from vidcam.cam import Explainer
from vidcam.media import open_source
from vidcam.metrics.flicker import centroid, flicker, lag
from vidcam.models import load_model
from vidcam.render import History, Look, parse_normalize

CLIPS = ("cat_video_2.mp4", "dog_video_2.mp4")
FRAMES = 60


@pytest.fixture(scope="module")
def maps(shared_data):
    """Returns Grad-CAM's and Eigen-CAM's maps and the times of the first two seconds of each clip."""
    weights = shared_data / "weights" / "mobilenet_v2_imagenet.keras"
    classifier = load_model("mobilenet_v2", weights=weights)
    found = {}
    for clip in CLIPS:
        with open_source(shared_data / "seed" / "videos" / clip) as source:
            frames = list(islice(source, FRAMES))
        fitted = [classifier.prepare(frame.rgb()) for frame in frames]
        for method in ("gradcam", "eigencam"):
            explainer = Explainer(classifier, method)
            e = explainer.explain_inputs([x for x, _ in fitted], fitted[0][1])
            found[clip, method] = e.maps, np.array([float(f.time) for f in frames]), e.targets
    return found


def shown(raw, times, targets, normalize, smooth):
    """Returns the heat on the screen, 0 to 1."""
    kind, peak = parse_normalize(normalize)
    history = History(kind, smooth, peak)
    scaled = [history(m, float(t), target) for m, t, target in zip(raw, times, targets, strict=True)]
    return np.stack([np.clip(m / p, 0, 1) for m, p in scaled])


@pytest.mark.parametrize("clip", CLIPS)
def test_the_default_flickers_at_most_half_as_much_as_scaling_each_frame(maps, clip):
    raw, times, targets = maps[clip, "gradcam"]
    look = Look()
    # Where the class changes the heat has to; between two changes it holds still.
    changed = np.array([False, *(a != b for a, b in pairwise(targets))])
    ones = [()] * len(raw)
    steady, plain = shown(raw, times, ones, look.normalize, look.smooth), shown(raw, times, ones, "frame", 0.0)
    assert flicker(steady) < 0.5 * flicker(plain)
    # Also by the plainest measure there is, the mean change from frame to frame.
    change = [np.abs(np.diff(h, axis=0)).mean() / h.mean() for h in (steady, plain)]
    assert change[0] < 0.5 * change[1]
    steady = shown(raw, times, targets, look.normalize, look.smooth)
    assert flicker(steady, changed) < 0.5 * flicker(plain, changed)
    assert flicker(steady) < flicker(plain)


@pytest.mark.parametrize("clip", CLIPS)
def test_the_default_runs_less_than_a_fifth_of_a_second_behind(maps, clip):
    raw, times, targets = maps[clip, "gradcam"]
    look = Look()
    late = lag(
        centroid(shown(raw, times, targets, look.normalize, look.smooth)),
        centroid(np.maximum(raw, 0)),
        float(np.median(np.diff(times))),
    )
    assert late < 0.2


def test_the_hottest_place_speaks_for_the_class_in_the_caption(maps):
    """A clip whose top class changes often: a thousand classes are not sure of this cat."""
    raws, times, targets = maps[CLIPS[0], "gradcam"]
    assert sum(a != b for a, b in pairwise(targets)) > 5
    heat = shown(raws, times, targets, Look().normalize, Look().smooth)
    assert all(raw[np.unravel_index(h.argmax(), h.shape)] > 0 for raw, h in zip(raws, heat, strict=True))


@pytest.mark.parametrize("clip", CLIPS)
def test_the_sign_of_eigencam_does_not_flip_between_neighbouring_frames(maps, clip):
    raw = maps[clip, "eigencam"][0]
    flat = raw.reshape(len(raw), -1).astype(np.float64)
    cosine = (flat[1:] * flat[:-1]).sum(1) / np.sqrt((flat[1:] ** 2).sum(1) * (flat[:-1] ** 2).sum(1))
    assert cosine.min() > 0.5
    assert (raw.sum((1, 2)) > 0).all()
