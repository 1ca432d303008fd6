"""Recipro-CAM: identities, a literal loop over positions, and where it takes Grad-CAM's place."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.networks import flatten_cnn, gap_cnn, pictures
from vidcam.cam import Explainer
from vidcam.errors import UsageError
from vidcam.models import load_model

ENGINES = ("tensorflow", "openvino")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("end", ["softmax", "sigmoid"])
def test_behind_a_global_pooling_it_is_grad_cam(engine, end):
    classifier = load_model(gap_cnn(end=end, classes=3 if end == "softmax" else 1))
    explainer = Explainer(classifier, "reciprocam", engine=engine)
    frames = pictures(3)
    for target in ("top", 0):
        expected = explainer.by("gradcam")(frames, target).maps
        np.testing.assert_allclose(explainer(frames, target).maps, expected, atol=1e-5 * np.abs(expected).max() + 1e-7)
    against = explainer.by("reciprocam", against=True)(frames, 1).maps
    np.testing.assert_allclose(against, -explainer(frames, 1).maps, atol=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_map_is_the_logit_of_each_position_alone(engine):
    model = flatten_cnn()
    classifier = load_model(model)
    explainer = Explainer(classifier, "reciprocam", engine=engine)
    assert explainer.layer == "conv_2"
    frames = pictures(2)
    last = model.get_layer("conv_2")
    body = keras.Model(model.inputs, last.output)
    after = model.layers[model.layers.index(last) + 1 :]

    def logits(features):
        x = tf.constant(features)
        for layer in after[:-1]:
            x = layer(x, training=False)
        return (x @ after[-1].kernel + after[-1].bias).numpy()

    features = body.predict(frames.astype("float32"), verbose=0)
    found = explainer(frames, 2).maps
    for b in range(2):
        nothing = logits(np.zeros_like(features[:1]))[0, 2]
        for i, j in np.ndindex(features.shape[1:3]):
            alone = np.zeros_like(features[:1])
            alone[0, i, j] = features[b, i, j]
            assert abs(found[b, i, j] - (logits(alone)[0, 2] - nothing)) < 1e-4 * np.abs(found).max()


def test_several_layers_are_merged():
    classifier = load_model(gap_cnn())
    both = Explainer(classifier, "reciprocam", ["first", "last"], engine="openvino")
    plain = Explainer(classifier, "reciprocam", ["first", "last"], engine="tensorflow")
    frames = pictures(1)
    expected = plain(frames, 1).maps
    np.testing.assert_allclose(both(frames, 1).maps, expected, atol=1e-4 * np.abs(expected).max())


def test_where_no_gradient_is_known_it_takes_grad_cams_place_and_says_why(tmp_path):
    model = gap_cnn()

    @tf.function(input_signature=[tf.TensorSpec([None, 32, 32, 3])])
    def odd(x):
        for layer in model.layers[:-3]:
            x = layer(x, training=False)
        return tf.cumsum(tf.reduce_mean(x, [1, 2]), 1)

    module = tf.Module()
    module.odd, module.model = odd, model
    tf.saved_model.save(module, str(tmp_path / "odd"), signatures=odd)
    classifier = load_model(tmp_path / "odd")
    explainer = Explainer(classifier)
    assert explainer.method.name == "reciprocam"
    assert "Recipro-CAM instead of Grad-CAM: no gradient is known of CumSum" in explainer.note
    frames = pictures(2)
    explanation = explainer(frames, 7)
    # A running sum of means is linear: the eight channels' sum at each position, over the positions' count.
    features = keras.Model(model.inputs, model.get_layer("last").output).predict(frames.astype("float32"), verbose=0)
    np.testing.assert_allclose(explanation.maps, features.sum(3) / 64, rtol=1e-3, atol=1e-5)
    with pytest.raises(UsageError, match="method hirescam needs a gradient, and there is none"):
        explainer.by("hirescam")
    assert np.isfinite(explainer.by("scorecam", top_channels=2)(frames).maps).all()
