"""Networks that see time: definitions summed over space and time, motion found where it is, a clip from end to end."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from tests import motion
from tests.networks import as_classifier, gap_cnn, pictures, randomize
from vidcam import ClipExplainer, Explainer, load_model, run
from vidcam._contrast import Contrast
from vidcam.cam import METHODS
from vidcam.cam.anatomy import SINGLE_FRAMES, dissect
from vidcam.cam.clips import see_windows
from vidcam.cam.methods import UNDEFINED_OVER_TIME
from vidcam.errors import Unsaid, UsageError
from vidcam.media import open_source
from vidcam.types import Frame, Track


def frames(clip: np.ndarray, fps: int = 10) -> list[Frame]:
    size = (clip.shape[2], clip.shape[1])
    return [Frame(i, Fraction(i, fps), Fraction(1, fps), picture, size) for i, picture in enumerate(clip)]


@pytest.fixture(scope="module")
def trained() -> Any:
    keras.utils.set_random_seed(0)
    model = motion.train(motion.conv3d(), motion.draw(1024, seed=0), 3, 3e-3)
    return load_model(model, labels=("left", "right"))


def looked_at(explainer: ClipExplainer, clips: motion.Clips) -> tuple[float, float, float]:
    """Returns the shares of clips that are told, and of frames whose hottest point is on what moves, on what rests."""
    seen = [one for (one,) in see_windows([(explainer, "top")], clips.pictures)]
    right = np.mean([s.logits.argmax() == label for s, label in zip(seen, clips.labels, strict=True)])
    return float(right), *motion.hottest([s.maps for s in seen], clips)


def test_the_hottest_point_lies_on_what_moves_which_no_single_frame_shows(trained):
    clips = motion.draw(64, seed=1)
    right, moves, rests = looked_at(ClipExplainer(trained), clips)
    assert right >= 0.95
    assert moves >= 0.8
    assert rests <= clips.resting.mean()


def test_under_an_lstm_it_lies_on_what_moves_where_that_is_of_a_kind_of_its_own():
    keras.utils.set_random_seed(0)
    model = motion.train(motion.cnn_lstm(), motion.draw(768, seed=0, colours=motion.OWN_KIND), 5, 5e-3)
    clips = motion.draw(32, seed=1, colours=motion.OWN_KIND)
    classifier = load_model(model, labels=("left", "right"))
    right, moves, rests = looked_at(ClipExplainer(classifier, "gradcam++", batch_size=16), clips)
    assert right >= 0.95
    assert moves >= 0.8
    assert rests <= clips.resting.mean()


def test_pooling_over_space_and_time_and_a_dense_layer_sum_to_the_logit_less_bias(trained):
    clip = motion.draw(1, seed=2).pictures[0]
    bias = trained.model.get_layer("head").bias.numpy()[1]
    gradcam = ClipExplainer(trained).window(clip, 1)
    assert gradcam.maps.shape == (6, 8, 8)
    assert gradcam.maps.sum() == pytest.approx(gradcam.logits[1] - bias, rel=1e-4, abs=1e-5)
    for method in ("cam", "hirescam", "xgradcam"):
        maps = ClipExplainer(trained, method).window(clip, 1).maps
        np.testing.assert_allclose(maps / (maps.size if method == "cam" else 1), gradcam.maps, rtol=1e-3, atol=1e-7)


def over_time(single: Any, length: int) -> Any:
    """The network of one picture on each frame, its pooled maps averaged over time before the same head."""
    inputs = keras.Input((length, 32, 32, 3))
    x = inputs
    for layer in single.layers[:-2]:
        x = layers.TimeDistributed(layer)(x)
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, single.get_layer("head")(x), name="over_time")


def test_one_frame_copied_through_time_gets_the_single_frame_networks_maps():
    single = gap_cnn()
    picture = pictures(1)[0]
    for method in ("gradcam", "layercam", "hirescam"):
        alone = Explainer(as_classifier(single), method, "last", engine="tensorflow")(picture, 2)
        explainer = ClipExplainer(load_model(over_time(single, 4), preprocess="none"), method, "last")
        seen = explainer.window(np.stack([picture] * 4), 2)
        np.testing.assert_allclose(seen.logits, alone.logits[0], rtol=1e-4)
        # Each of four frames has its share of the logit.
        np.testing.assert_allclose(4 * seen.maps, np.stack([alone.maps[0]] * 4), rtol=1e-3, atol=1e-6)


def test_a_cnn_under_an_lstm_is_explained_by_its_frames():
    model = randomize(motion.cnn_lstm())
    explainer = ClipExplainer(load_model(model, preprocess="none"), "hirescam")
    assert explainer.layer.startswith("conv/conv2d")  # not the pooling behind it
    clip = motion.draw(1, seed=3).pictures[0]
    seen = explainer.window(clip, 1)
    assert seen.maps.shape == (6, 8, 8)
    assert (np.abs(seen.maps).reshape(6, -1).max(1) > 0).all()
    assert dissect(explainer.classifier).reason.endswith(SINGLE_FRAMES)


def test_a_layer_that_knows_other_frames_is_not_said_to_see_single_ones(trained):
    inputs = keras.Input((4, 8, 8, 3))
    x = layers.Conv3D(2, (3, 1, 1), padding="same", name="over_time")(inputs)
    x = layers.TimeDistributed(layers.Conv2D(2, 3), name="frame_by_frame")(x)
    behind = randomize(keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling3D()(x))))
    for classifier in (trained, load_model(behind, preprocess="none")):
        anatomy = dissect(classifier)
        assert anatomy.layers[-1].steps == classifier.frames
        assert not anatomy.reason.endswith(SINGLE_FRAMES)


def test_this_rather_than_that_over_time_is_one_classs_map_less_gamma_times_the_others(trained):
    clip = motion.draw(1, seed=9).pictures[0]
    plain = ClipExplainer(trained, engine="tensorflow")
    contrast, on_openvino = (
        ClipExplainer(trained, engine=engine, rather_than="left", gamma=0.5) for engine in ("tensorflow", "openvino")
    )
    for method in [m.name for m in METHODS.values() if m.targeted and m.needs not in UNDEFINED_OVER_TIME]:
        seen = contrast.by(method).window(clip, "right")
        assert seen.target == Contrast((1,), (0,))
        if method in ("cam", "gradcam", "hirescam", "xgradcam"):
            right, left = (plain.by(method).window(clip, c).maps for c in (1, 0))
            np.testing.assert_allclose(seen.maps, right - 0.5 * left, atol=1e-4 * np.abs(seen.maps).max())
        other = on_openvino.by(method).window(clip, "right").maps
        np.testing.assert_allclose(other, seen.maps, atol=1e-4 * np.abs(seen.maps).max())


def test_a_clip_from_file_to_overlay(trained, tmp_path):
    import imageio.v3 as iio

    drawn = np.concatenate(motion.draw(3, seed=4).pictures)
    iio.imwrite(tmp_path / "clip.gif", drawn.repeat(4, 1).repeat(4, 2), duration=100, loop=0)
    with open_source(tmp_path / "clip.gif") as source:
        track = ClipExplainer(trained, step=2)(source, cuts={6, 12})
    assert [t[0] for t in track.targets] == [0] * 6 + [1] * 6 + [0] * 6
    track.save(tmp_path / "maps.npz")
    assert Track.load(tmp_path / "maps.npz").meta["window"] == "6 frames, a new one every 2"
    assert run(tmp_path / "clip.gif", tmp_path / "out.gif", track=tmp_path / "maps.npz").frames == 18


def test_a_clip_shorter_than_the_window_and_one_that_is_longer(trained):
    clip = motion.draw(2, seed=5).pictures
    short = ClipExplainer(trained)(frames(clip[0][:2]))
    assert short.maps.shape[0] == 2
    long = list(ClipExplainer(trained, step=3).moments(frames(np.concatenate(clip))))
    assert len(long) == 12
    assert all(m.importance >= 0 for m in long)


def test_what_is_no_clip_is_refused(trained):
    with pytest.raises(UsageError, match="--clip-frames 4 .* takes 6"):
        load_model(trained.model, clip_frames=4)
    with pytest.raises(UsageError, match="takes one picture at a time; leave --clip-frames"):
        load_model(gap_cnn(), clip_frames=4)
    with pytest.raises(UsageError, match="not a picture .* no clip"):
        load_model(keras.Sequential([keras.Input((4, 8, 8, 5)), layers.GlobalAveragePooling3D(), layers.Dense(2)]))
    with pytest.raises(UsageError, match="sees 6 frames at a time; .vidcam run."):
        Explainer(trained)
    with pytest.raises(UsageError, match="takes one picture at a time"):
        ClipExplainer(as_classifier(gap_cnn()))
    for method in ("scorecam", "reciprocam"):
        with pytest.raises(UsageError, match="not defined over time"):
            ClipExplainer(trained, method)


def test_a_network_of_any_number_of_frames_is_told_how_many():
    model = motion.conv3d(length=None)
    with pytest.raises(Unsaid, match="any number of frames; say with --clip-frames") as left_open:
        load_model(model)
    assert left_open.value.option == "clip_frames"
    assert ClipExplainer(load_model(model, clip_frames=4)).window(np.zeros((4, 16, 16, 3), np.uint8)).maps.shape[0] == 4


def test_both_engines_agree_and_the_graph_is_kept_in_a_file_of_its_own(trained, tmp_path):
    from vidcam.pipeline.export import export

    clip = motion.draw(1, seed=6).pictures[0]
    export(trained, tmp_path / "motion.vidcam")
    kept = load_model(tmp_path / "motion.vidcam")
    assert kept.frames == 6
    wanted = ClipExplainer(trained, engine="tensorflow").window(clip)
    for explainer in (ClipExplainer(trained, engine="openvino"), ClipExplainer(kept)):
        assert explainer.engine == "openvino"
        seen = explainer.window(clip)
        np.testing.assert_allclose(seen.maps, wanted.maps, atol=1e-4 * np.abs(wanted.maps).max())
        np.testing.assert_allclose(seen.logits, wanted.logits, rtol=1e-4)
