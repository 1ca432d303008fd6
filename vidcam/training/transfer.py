"""Networks on a base that ImageNet trained: where its weights come from, its features, and what fine-tuning frees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vidcam._tensorflow import keras, tf
from vidcam.errors import VidcamError
from vidcam.models import zoo
from vidcam.models.archive import first_line
from vidcam.training.architectures import head
from vidcam.training.augment import Variation, augment, draw_looks
from vidcam.types import Array

CAFFE_MEAN_RGB = (123.68, 116.779, 103.939)
EFFICIENTNET_MEAN = (0.485, 0.456, 0.406)
EFFICIENTNET_STD = (0.229, 0.224, 0.225)
BATCHES = 1 << 24
"""More than a view has batches, so that no two views share a seed."""


@dataclass(frozen=True, slots=True)
class Base:
    """What there is to know about a transfer base.

    Attributes:
        top: the first layer that fine-tuning frees.
        first: the layer that sees the pixels first, whose input channels are turned where the weights expect BGR.
        minimum: the smallest input side in pixels.
    """

    top: str
    first: str
    minimum: int = 32


BASES: dict[str, Base] = {
    "mobilenet_v2": Base("block_13_expand", "Conv1"),
    "resnet50": Base("conv5_block1_1_conv", "conv1_conv"),
    "vgg16": Base("block5_conv1", "block1_conv1"),
    "xception": Base("block13_sepconv1", "block1_conv1", 71),
    "efficientnet_b0": Base("block6a_expand_conv", "stem_conv"),
}


def build(
    arch: str,
    input_size: tuple[int, int],
    classes: int,
    weights: Path | None,
    *,
    dense: int = 0,
    dropout: float = 0.2,
) -> tuple[Any, Any, Any]:
    """Builds a network on a base with ImageNet weights: scaling, base, global average pooling, head.

    Args:
        arch: a name of `BASES`.
        input_size: (width, height) in pixels.
        classes: the number of classes.
        weights: the base's weights file (`.keras`, `.weights.h5` or `.h5`, with or without its top), None to let Keras
            download them.
        dense: units of a hidden layer between pooling and output, 0 for none.
        dropout: the share of features left out in training.

    Returns:
        Three models that share their layers: pixels -> logits; pixels -> pooled features; features -> logits.

    Raises:
        VidcamError: the weights cannot be had.
    """
    entry = zoo.ZOO[arch]
    width, height = input_size
    inputs = keras.Input((height, width, 3), name="pixels")
    if entry.preprocess == "tf":
        x = keras.layers.Rescaling(1 / 127.5, -1.0, name="scale")(inputs)
    elif entry.preprocess == "caffe":  # stays RGB: the first layer's channels are turned instead
        x = keras.layers.Rescaling(1.0, [-m for m in CAFFE_MEAN_RGB], name="scale")(inputs)
    else:
        x = keras.layers.Rescaling(1.0, name="scale")(inputs)
    base = entry.constructor()(include_top=False, weights=None, input_tensor=x)
    for layer in base.layers:
        layer.trainable = False
    _load(base, arch, weights)
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(base.output)
    features = keras.Input(pooled.shape[1:], name="features")
    top = _top(features, classes, dense, dropout)
    return keras.Model(inputs, top(pooled), name=arch), keras.Model(inputs, pooled), top


def fold(model: Any, weights: Path | None) -> None:
    """Gives a network without normalisation MobileNetV2's ImageNet weights, normalisation folded into convolutions.

    Args:
        model: a network some of whose layers are named as those of `keras.applications.MobileNetV2`.
        weights: as for `build`.

    Raises:
        VidcamError: the weights cannot be had.
    """
    base = zoo.ZOO["mobilenet_v2"].constructor()(include_top=False, weights=None)
    _load(base, "mobilenet_v2", weights)
    names = {layer.name for layer in base.layers}
    for layer in model.layers:
        if not layer.weights or layer.name not in names:
            continue
        (kernel,) = base.get_layer(layer.name).get_weights()
        after = base.get_layer("bn_Conv1" if layer.name == "Conv1" else f"{layer.name}_BN")
        gamma, beta, mean, variance = after.get_weights()
        factor = gamma / np.sqrt(variance + after.epsilon)
        depthwise = kernel.shape[-1] == 1
        layer.set_weights([kernel * (factor[:, None] if depthwise else factor), beta - mean * factor])


def finished(model: Any, top: Any, classes: int) -> Any:
    """Rebuilds a network of `build` as one flat model that ends in probabilities, with the same weights.

    Args:
        model: pixels -> logits.
        top: features -> logits, as it is part of the model.
        classes: the number of classes.

    Returns:
        The `keras.Model`.
    """
    x = model.get_layer("pool").output
    for layer in top.layers[1:-1]:
        x = layer(x)
    flat = keras.Model(model.input, head(x, classes, logits=False), name=model.name)
    flat.get_layer("predictions").set_weights(top.get_layer("predictions").get_weights())
    return flat


def unfreeze(model: Any, arch: str) -> None:
    """Frees the top of the base for fine-tuning; batch normalisation stays as ImageNet left it."""
    free = False
    for layer in model.layers:
        free = free or layer.name == BASES[arch].top
        still = isinstance(layer, keras.layers.BatchNormalization)
        if free and layer.weights:
            layer.trainable = not still


def features(
    network: Any, pixels: Array, aspects: Array | None, variation: Variation | None, seed: tuple[int, int]
) -> Iterator[Array]:
    """Yields the pooled features of batches of pictures, float32 (B, k); with a variation, of varied views of them."""
    size = tf.constant(pixels.shape[1:3])
    looks = draw_looks(len(pixels), *seed)
    aspects = np.ones(len(pixels), np.float32) if aspects is None else aspects

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator, unused-ignore]
    def forward(x: Any, draws: Any, aspect: Any, number: Any) -> Any:
        x = tf.cast(x, tf.float32)
        if variation is not None:
            number = tf.stack([seed[0], seed[1] * BATCHES + number])
            x = augment(x, draws, aspect, size, seed=number, variation=variation)
        return network(x, training=False)

    for i in range(0, len(pixels), 32):
        part = slice(i, i + 32)
        parts = (tf.constant(a[part]) for a in (pixels, looks, aspects))
        yield forward(*parts, tf.constant(i // 32)).numpy()


def _top(features: Any, classes: int, dense: int, dropout: float) -> Any:
    x = features
    if dense:
        x = keras.layers.Dense(dense, activation="relu", name="hidden")(x)
    if dropout:
        x = keras.layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(features, head(x, classes, logits=True), name="top")


def _load(base: Any, arch: str, weights: Path | None) -> None:
    try:
        source = _source(arch, weights)
        if source is None:
            base.load_weights(weights)
        else:
            _copy(source, base)
    except Exception as error:
        if weights is None:
            raise VidcamError(
                f"the ImageNet weights of {arch} could not be downloaded ({first_line(error, 120)}); "
                "without a network, give a weights file with --weights PATH"
            ) from error
        raise VidcamError(
            f"weights {weights}: not weights of {arch}, or damaged ({first_line(error, 120)}); a .keras, "
            ".weights.h5 or .h5 file of that network is needed"
        ) from error
    if zoo.ZOO[arch].preprocess == "caffe":
        first = base.get_layer(BASES[arch].first)
        kernel, *rest = first.get_weights()
        first.set_weights([kernel[:, :, ::-1], *rest])
    if arch == "efficientnet_b0":
        # The published file holds deviations where Keras takes variances; keras.applications corrects it with one more
        # layer, which exists only when it downloads them.
        layer = next(layer for layer in base.layers if _scales(layer))
        layer.set_weights([np.array(EFFICIENTNET_MEAN), np.square(EFFICIENTNET_STD), np.zeros((), np.int64)])
        layer.finalize_state()


def _source(arch: str, weights: Path | None) -> Any | None:
    """Returns a network to copy from by layer name, None where the file is weights of the base alone."""
    constructor = zoo.ZOO[arch].constructor()
    if weights is None:
        return constructor(weights="imagenet", include_top=False)
    if not weights.is_file():
        raise VidcamError("no such file")
    if weights.suffix == ".keras":
        return keras.models.load_model(weights, compile=False)
    whole = constructor(weights=None)
    try:
        whole.load_weights(weights)
    except Exception:  # without the 1000 classes, then: let the base try
        return None
    return whole


def _copy(source: Any, base: Any) -> None:
    """Copies weights layer by layer, in order: some layers of these networks have no name of their own."""
    theirs, own = ([layer for layer in m.layers if layer.weights and not _scales(layer)] for m in (source, base))
    if len(theirs) < len(own):
        raise ValueError(f"{len(theirs)} layers with weights instead of {len(own)}")
    for mine, other in zip(own, theirs, strict=False):
        mine.set_weights(other.get_weights())


def _scales(layer: Any) -> bool:
    return isinstance(layer, keras.layers.Normalization)
