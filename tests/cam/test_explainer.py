"""How the explainer behaves: one graph, no leaks, the user's model untouched, clear errors."""

from __future__ import annotations

import gc
import resource

import keras
import numpy as np
import pytest
from keras import layers

from tests.networks import as_classifier, flatten_cnn, gap_cnn, pictures, subclassed
from vidcam.cam import CAM, Explainer, GradCAM
from vidcam.cam.build import trace
from vidcam.errors import UsageError
from vidcam.models import load_model


def test_a_ragged_last_batch_traces_nothing_again(monkeypatch):
    traced = []
    original = trace.record
    monkeypatch.setattr("vidcam.cam.build.network.record", lambda *a: traced.append(1) or original(*a))
    explainer = Explainer(as_classifier(gap_cnn()), batch_size=4)
    for count in (1, 4, 7, 3, 2):
        assert len(explainer(pictures(count), "top").maps) == count
    for count in (1, 5):
        explainer(pictures(count), 1)
        explainer(pictures(count), [0, 2])
    assert len(traced) == 1  # one graph for all batches and targets


def test_memory_stays_flat_over_500_calls():
    explainer = Explainer(as_classifier(gap_cnn(size=64), 64))
    frames = pictures(8, 64, 64)
    for _ in range(50):
        explainer(frames)
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(500):
        explainer(frames)
    gc.collect()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 32 * 1024  # KiB; the pictures of every call alone would be 49 MB


def test_a_model_is_restored_also_when_tracing_fails():
    model = gap_cnn()
    layer = model.get_layer("last")
    inherited = layer.call.__func__

    class Failure(Exception):
        pass

    def fail(*args, **kwargs):
        raise Failure

    head = model.get_layer("head")
    object.__setattr__(head, "call", fail)
    with pytest.raises(Failure):
        Explainer(as_classifier(model))
    assert head.__dict__["call"] is fail  # what the user had put there is back
    object.__delattr__(head, "call")
    assert "call" not in vars(layer)
    assert layer.call.__func__ is inherited


def test_layers_are_found_by_name_and_path_and_others_listed():
    classifier = as_classifier(gap_cnn())
    assert Explainer(classifier, layer="first").layer == "first"
    with pytest.raises(UsageError, match=r"'firts' .*candidates: first"):
        Explainer(classifier, layer="firts")
    with pytest.raises(UsageError, match="candidates"):
        Explainer(classifier, layer="head")


def test_a_shared_layer_counts_with_its_last_call():
    inputs = keras.Input((16, 16, 3))
    conv = layers.Conv2D(3, 3, padding="same", activation="relu", name="shared")
    x = conv(conv(inputs))
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling2D()(x)))
    explainer = Explainer(as_classifier(model, 16), "cam")  # CAM is defined for the second call only
    assert explainer.layer == "shared"


def test_keep_runs_at_any_size_and_flatten_says_that_it_cannot():
    explainer = Explainer(as_classifier(gap_cnn(), fit="keep"))
    wide = explainer(pictures(2, 60, 120))
    assert wide.maps.shape == (2, 8, 16)
    assert explainer(pictures(1, 90, 30)).maps.shape == (1, 24, 8)
    with pytest.raises(UsageError, match="flattens"):
        Explainer(as_classifier(flatten_cnn(), fit="keep"))
    with pytest.raises(UsageError, match="flattens"):
        Explainer(as_classifier(flatten_cnn(), size=64))


def test_keep_at_the_models_size_equals_squash():
    model = gap_cnn()
    frames = pictures(3)
    keep, squash = (Explainer(as_classifier(model, fit=fit))(frames, 0) for fit in ("keep", "squash"))
    np.testing.assert_allclose(keep.maps, squash.maps, rtol=1e-5, atol=1e-7)


def test_bad_frames_are_errors():
    explainer = Explainer(as_classifier(gap_cnn()))
    for frames in (np.zeros((1, 8, 8, 4), np.uint8), np.zeros((1, 8, 8, 3), np.float32), []):
        with pytest.raises(UsageError):
            explainer(frames)
    with pytest.raises(UsageError, match="one size"):
        explainer([np.zeros((8, 8, 3), np.uint8), np.zeros((8, 9, 3), np.uint8)])
    with pytest.raises(UsageError, match="method"):
        Explainer(as_classifier(gap_cnn()), "smoothgrad")
    with pytest.raises(UsageError, match="load_model"):
        Explainer(gap_cnn())


def test_a_network_without_convolutions_is_an_error():
    model = keras.Sequential([keras.Input((16, 16, 3)), layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(3)])
    with pytest.raises(UsageError, match="convolution"):
        Explainer(load_model(model))


def test_single_picture_classes_give_heat_between_0_and_1():
    model = gap_cnn()
    image = pictures(1)[0].astype("float32")
    heat = GradCAM(model).compute_heatmap(image)
    assert heat.dtype == np.float32
    assert heat.shape == (8, 8)
    assert heat.min() >= 0
    assert heat.max() == 1
    np.testing.assert_allclose(CAM(model).compute_heatmap(image[np.newaxis]), heat, atol=1e-5)
    top = int(model.predict(image[np.newaxis], verbose=0).argmax())
    np.testing.assert_array_equal(GradCAM(model).compute_heatmap(image, top), heat)
    assert GradCAM(model, "first").compute_heatmap(image).shape == (32, 32)
    assert GradCAM(subclassed()).compute_heatmap(image, class_idx=2).shape == (32, 32)
    with pytest.raises(UsageError, match="class 9"):
        GradCAM(model).compute_heatmap(image, 9)
    with pytest.raises(UsageError, match="batch of one"):
        GradCAM(model).compute_heatmap(pictures(2))
    with pytest.raises(UsageError, match="does not fit"):
        GradCAM(flatten_cnn()).compute_heatmap(image[:20])


def test_a_map_without_evidence_is_all_zeros():
    model = gap_cnn(classes=1, end="sigmoid")
    head = model.get_layer("head")
    head.kernel.assign(-np.abs(head.kernel.numpy()))
    heat = GradCAM(model).compute_heatmap(pictures(1)[0], 1)
    np.testing.assert_array_equal(heat, 0)
