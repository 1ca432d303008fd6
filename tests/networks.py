"""Small classifiers with real layers and made-up weights, for the tests of everything that takes a model."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

from vidcam.models import Classifier


def randomize(model: Any, seed: int = 0) -> Any:
    """Gives a model weights that make every layer matter: He-scaled kernels, biases and batch norms off defaults."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        shape = weight.shape
        if weight.name == "moving_variance":
            value = rng.uniform(0.5, 1.5, shape)
        elif weight.name == "gamma":
            value = rng.uniform(0.8, 1.2, shape)
        elif len(shape) > 1:
            value = rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape)
        else:
            value = rng.normal(0, 0.1, shape)
        weight.assign(value.astype("float32"))
    return model


def gap_cnn(classes: int = 3, end: str | None = "softmax", size: int | None = 32, dtype: str | None = None) -> Any:
    """Convolutions, global average pooling, one dense layer: where CAM and Grad-CAM agree."""
    return randomize(
        keras.Sequential(
            [
                keras.Input((size, size, 3), dtype=dtype),
                layers.Rescaling(1 / 255, dtype=dtype),
                layers.Conv2D(6, 3, padding="same", activation="relu", name="first", dtype=dtype),
                layers.MaxPooling2D(name="pool", dtype=dtype),
                layers.Conv2D(8, 3, strides=2, padding="same", activation="relu", name="last", dtype=dtype),
                layers.GlobalAveragePooling2D(name="gap", dtype=dtype),
                layers.Dropout(0.5, dtype=dtype),
                layers.Dense(classes, activation=end, name="head", dtype=dtype),
            ],
            name="gap_cnn",
        )
    )


def flatten_cnn(classes: int = 3, size: int = 32) -> Any:
    """The textbook's three-class network: conv, pool, conv, pool, flatten, dense, dense."""
    return randomize(
        keras.Sequential(
            [
                keras.Input((size, size, 3)),
                layers.Rescaling(1 / 255),
                layers.Conv2D(8, 3, activation="relu", name="conv_1"),
                layers.MaxPooling2D(),
                layers.Conv2D(12, 3, activation="relu", name="conv_2"),
                layers.MaxPooling2D(name="pool_2"),
                layers.Flatten(),
                layers.Dense(16, activation="relu"),
                layers.Dense(classes, activation="softmax"),
            ],
            name="flatten_cnn",
        )
    )


def binary_cnn(size: int = 48) -> Any:
    """Four blocks with batch norms and one sigmoid."""
    stack = [keras.Input((size, size, 3)), layers.Rescaling(1 / 255)]
    for i, filters in enumerate((8, 8, 12, 16), 1):
        stack += [
            layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"conv_{i}"),
            layers.BatchNormalization(),
            layers.ReLU(name=f"relu_{i}"),
            layers.MaxPooling2D(name=f"pool_{i}"),
        ]
    stack += [layers.Flatten(), layers.Dense(8, activation="relu"), layers.Dense(1, activation="sigmoid")]
    return randomize(keras.Sequential(stack, name="binary_cnn"))


class Subclassed(keras.Model):
    """A model whose graph only its `call` knows."""

    def __init__(self, name: str = "subclassed", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.scale = layers.Rescaling(1 / 255)
        self.conv = layers.Conv2D(8, 3, padding="same", activation="relu", name="conv")
        self.pool = layers.GlobalAveragePooling2D()
        self.head = layers.Dense(3, name="head")

    def call(self, x: Any) -> Any:
        return keras.ops.softmax(self.head(self.pool(self.conv(self.scale(x)))))


def subclassed(size: int = 32) -> Any:
    model = Subclassed()
    model(np.zeros((1, size, size, 3), "float32"))
    return randomize(model)


def nested(backbone: Any, classes: int = 3) -> Any:
    """A backbone called as a layer under a head of its own."""
    inputs = keras.Input(backbone.input_shape[1:])
    x = backbone(layers.Rescaling(1 / 255)(inputs), training=False)
    x = layers.Dropout(0.3)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, layers.Dense(classes, activation="softmax", name="head")(x), name="nested")


def as_classifier(model: Any, size: int = 32, **changes: Any) -> Classifier:
    """Wraps a model that scales its own input."""
    classes = max(2, model.output_shape[-1])
    options: dict[str, Any] = {
        "preprocess": "none",
        "input_size": (size, size),
        "channels": 3,
        "fit": "squash",
        "labels": tuple(f"class {i}" for i in range(classes)),
    }
    return Classifier(model, name=model.name, **{**options, **changes})


def pictures(count: int, height: int = 32, width: int = 32, seed: int = 1) -> np.ndarray:
    """Returns uint8 (count, height, width, 3): smooth colour fields with a bright patch, all different."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (count, 4, 4, 3))
    picture = coarse.repeat(-(-height // 4), axis=1)[:, :height].repeat(-(-width // 4), axis=2)[:, :, :width]
    return (0.8 * picture + rng.uniform(0, 50, picture.shape)).clip(0, 255).astype(np.uint8)
