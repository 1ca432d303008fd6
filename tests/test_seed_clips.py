"""The main job on real clips with real weights: the heat is on the animal, frame by frame, and nothing else changes."""

from __future__ import annotations

import av
import numpy as np
import pytest

import vidcam
from vidcam.models import load_model
from vidcam.render import heat_of, peak_of
from vidcam.types import Track

CAT_BOXES = {
    0: (110, 120, 325, 440),
    30: (60, 0, 300, 440),
    60: (90, 40, 290, 560),
    100: (110, 0, 270, 500),
}
"""Frame -> x0, y0, x1, y1 around the cat, in pixels of cat_video_2.mp4."""


@pytest.fixture(scope="module")
def weights(shared_data):
    return shared_data / "weights" / "mobilenet_v2_imagenet.keras"


def share_in_box(track: Track, frame: int) -> float:
    x0, y0, x1, y1 = CAT_BOXES[frame]
    raw = track.maps[frame]
    heat = heat_of(raw, track.placement, peak_of(raw)).astype(float)
    return float(heat[y0:y1, x0:x1].sum() / heat.sum())


@pytest.mark.parametrize(
    ("options", "least"), [({"fit": "keep"}, 0.70), ({"fit": "squash"}, 0.65), ({"input_size": 320}, 0.78)]
)
def test_the_heat_is_on_the_cat(shared_data, weights, tmp_path, options, least):
    clip = shared_data / "seed" / "videos" / "cat_video_2.mp4"
    classifier = load_model("mobilenet_v2", weights=weights, **options)
    result = vidcam.run(
        clip, tmp_path / "out.mp4", model=classifier, target="tabby", maps=tmp_path / "m.npz", preset="ultrafast"
    )
    assert (result.frames, result.size) == (115, (360, 640))
    assert {f: share_in_box(result.track, f) >= least for f in CAT_BOXES} == dict.fromkeys(CAT_BOXES, True)
    with av.open(str(clip)) as before, av.open(str(tmp_path / "out.mp4")) as after:
        assert after.streams.video[0].average_rate == 30
        times = [[float(f.time) for f in c.decode(video=0)] for c in (before, after)]
        np.testing.assert_allclose(times[0], times[1], atol=1e-3)
    with av.open(str(clip)) as before, av.open(str(tmp_path / "out.mp4")) as after:
        sound = [[bytes(p) for p in c.demux(audio=0) if p.size] for c in (before, after)]
        assert sound[0] == sound[1]
        assert len(sound[0]) > 100


def test_the_dog_clip_and_a_gif(shared_data, weights, tmp_path):
    classifier = load_model("mobilenet_v2", weights=weights)
    videos = shared_data / "seed" / "videos"
    result = vidcam.run(videos / "dog_video_2.mp4", tmp_path / "dog.mp4", model=classifier, end=2, preset="ultrafast")
    assert (result.frames, result.size) == (60, (720, 1280))
    gif = vidcam.run(
        videos / "cat_video_2.mp4", tmp_path / "cat.gif", model=classifier, target="tabby", end=1, width=180, fps=10
    )
    assert (gif.frames, gif.size) == (10, (180, 320))


def test_the_weights_are_those_of_imagenet(shared_data, weights):
    """Every fifth class has a sample picture; MobileNetV2 finds most of them."""
    from PIL import Image

    explainer = vidcam.Explainer(load_model("mobilenet_v2", weights=weights, fit="squash"))
    right = []
    for path in sorted((shared_data / "imagenet_samples").glob("*.jpg"))[::4]:
        rgb = np.asarray(Image.open(path).convert("RGB"))
        right.append(explainer(rgb).targets[0][0] == int(path.name.split("_")[0]))
    assert len(right) == 50
    assert np.mean(right) >= 0.7  # of a thousand classes
