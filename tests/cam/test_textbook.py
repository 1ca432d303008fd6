"""The classifiers of the textbooks, with real layers, made-up weights and small inputs: layer, maps and predictions."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from tests.networks import as_classifier, binary_cnn, flatten_cnn, pictures, randomize
from vidcam.cam import Explainer
from vidcam.models import PREPROCESSING, load_model


def resnet_under_a_head() -> keras.Model:
    base = keras.applications.ResNet50(weights=None, include_top=False, input_shape=(64, 64, 3))
    base.trainable = False
    x = layers.Dropout(0.5)(layers.GlobalAveragePooling2D()(base.output))
    return keras.Model(base.input, layers.Dense(3, activation="softmax")(layers.Dense(32, activation="relu")(x)))


def application(name: str, size: int) -> keras.Model:
    return getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3), classes=7)


CASES = {
    "flatten": (flatten_cnn, 32, "conv_2", "none"),
    "binary": (binary_cnn, 48, "relu_4", "none"),
    "vgg16": (lambda: application("VGG16", 32), 32, "block5_conv3", "caffe"),
    "resnet50": (resnet_under_a_head, 64, "conv5_block3_out", "caffe"),
    "xception": (lambda: application("Xception", 71), 71, "block14_sepconv2_act", "tf"),
    "mobilenet_v2": (lambda: application("MobileNetV2", 64), 64, "out_relu", "tf"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_textbook_classifier_works_end_to_end(case):
    make, size, layer, preprocess = CASES[case]
    keras.utils.set_random_seed(0)
    model = make()
    before = [w.numpy().copy() for w in model.weights]
    config = model.to_json()
    classifier = load_model(model, input_size=size)
    assert classifier.preprocess == preprocess
    assert classifier.fit == "squash"
    explainer = Explainer(classifier)
    assert explainer.layer == layer
    frames = pictures(3, size, size)
    explanation = explainer(frames, 1)
    plain = model(PREPROCESSING[preprocess](frames.astype("float32")), training=False).numpy()
    shown = np.hstack([1 - plain, plain]) if plain.shape[1] == 1 else plain
    np.testing.assert_allclose(explanation.probabilities, shown, atol=2e-5)
    shape = next(x for x in model.layers if x.name == layer).output.shape[1:3]
    assert explanation.maps.shape == (3, *shape)
    assert np.isfinite(explanation.maps).all()
    assert np.abs(explanation.maps).max() > 0
    # What the user gave is as it was.
    assert model.to_json() == config
    assert all("call" not in vars(x) for x in model._flatten_layers())
    for now, then in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(now.numpy(), then)


def test_a_grey_model_sees_the_luma():
    model = randomize(
        keras.Sequential(
            [
                keras.Input((16, 16, 1)),
                layers.Rescaling(1 / 255),
                layers.Conv2D(4, 3, name="conv"),
                layers.GlobalAveragePooling2D(),
                layers.Dense(2, activation="softmax"),
            ]
        )
    )
    classifier = load_model(model)
    assert classifier.channels == 1
    red = np.zeros((1, 16, 16, 3), np.uint8)
    red[..., 0] = 255
    seen = Explainer(classifier)(red).probabilities
    np.testing.assert_allclose(seen, model.predict(np.full((1, 16, 16, 1), 76.0), verbose=0), atol=1e-5)


def test_a_one_by_one_convolution_head_serves_cam():
    inputs = keras.Input((32, 32, 3))
    x = layers.Conv2D(6, 3, activation="relu", name="last")(layers.Rescaling(1 / 255)(inputs))
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Reshape((3,))(layers.Conv2D(3, 1)(x))
    model = randomize(keras.Model(inputs, layers.Softmax()(x)))
    frames = pictures(2)
    cam, gradcam = (Explainer(as_classifier(model), m)(frames, 0) for m in ("cam", "gradcam"))
    np.testing.assert_allclose(cam.maps / cam.maps[0].size, gradcam.maps, rtol=1e-4, atol=1e-7)


def test_mixed_precision_agrees_with_float32():
    def make():
        return keras.Sequential(
            [
                keras.Input((32, 32, 3)),
                layers.Rescaling(1 / 255),
                layers.Conv2D(8, 3, activation="relu"),
                layers.GlobalAveragePooling2D(),
                layers.Dense(3, activation="softmax"),
            ]
        )

    exact = randomize(make())
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        half = make()
    finally:
        keras.mixed_precision.set_global_policy("float32")
    half.set_weights(exact.get_weights())
    frames = pictures(4)
    a, b = (Explainer(as_classifier(m))(frames, 1) for m in (exact, half))
    assert b.maps.dtype == np.float32
    assert np.corrcoef(a.maps.ravel(), b.maps.ravel())[0, 1] > 0.999
