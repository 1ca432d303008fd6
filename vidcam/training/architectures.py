"""The networks that vidcam trains, each with its preprocessing as layers: pixels 0 to 255 in, probabilities out.

Plain Keras layers only, so that the files load anywhere in safe mode. How they are trained is in `loop`; where the
weights of the transfer bases come from is in `transfer`.
"""

from __future__ import annotations

from typing import Any

from vidcam._tensorflow import keras, tf
from vidcam.errors import UsageError

CNN_BLOCKS = ((32, 2), (64, 2), (128, 1), (160, 1), (160, 1))
"""Filters and stride of the residual blocks of `cnn`."""
MOMENTUM = 0.95
"""Of the moving statistics: Keras' 0.99 needs more steps than a small data set has."""
FLATTEN_FILTERS = (32, 64, 128, 128)
MIN_SIZE = {"cnn": 32, "cnn_flatten": 48, "mobilenet_v2_s16": 32}
DEFAULT_SIZE = {"cnn": 128, "cnn_flatten": 150, "mobilenet_v2_s16": 160}
MOBILENET_BLOCKS = (
    (24, 2), (24, 1), (32, 2), (32, 1), (32, 1), (64, 2), (64, 1), (64, 1), (64, 1),
    (96, 1), (96, 1), (96, 1), (160, 1), (160, 1), (160, 1),
)  # fmt: skip
"""Filters and strides of MobileNetV2's inverted residual blocks 1 to 15, but that block 13 has stride 1."""
MOBILENET_FIRST = 6
"""The first block of `mobilenet_v2_s16` that learns; those before stay as ImageNet left them."""


def cnn(input_size: tuple[int, int], classes: int, *, training: bool = False, dtype: str = "float32") -> Any:
    """Builds a residual network with global average pooling and one dense layer, stride 8 (He et al. 2016).

    With that head CAM and Grad-CAM agree exactly, and the maps have an eighth of the input's sides.

    Args:
        input_size: (width, height) in pixels.
        classes: the number of classes; two give one sigmoid output, more a softmax.
        training: end in logits, and normalise batches with TensorFlow's fused kernel; the same weights in the same
            order.
        dtype: the policy the network computes in.

    Returns:
        The `keras.Model`.
    """
    layers = keras.layers
    normalization = _fused_normalization() if training else layers.BatchNormalization

    def conv(x: Any, filters: int, size: int, name: str, *, stride: int = 1, relu: bool = True) -> Any:
        how = {"padding": "same", "use_bias": False, "kernel_initializer": "he_normal", "dtype": dtype}
        x = layers.Conv2D(filters, size, stride, name=name, **how)(x)
        x = normalization(momentum=MOMENTUM, name=f"{name}_bn", dtype=dtype)(x)
        return layers.ReLU(name=f"{name}_relu", dtype=dtype)(x) if relu else x

    def block(x: Any, filters: int, stride: int, name: str) -> Any:
        shortcut = x
        if stride > 1:
            shortcut = layers.AveragePooling2D(stride, padding="same", name=f"{name}_pool", dtype=dtype)(shortcut)
        if shortcut.shape[-1] != filters:
            shortcut = conv(shortcut, filters, 1, f"{name}_shortcut", relu=False)
        y = conv(x, filters, 3, f"{name}_conv1", stride=stride)
        y = conv(y, filters, 3, f"{name}_conv2", relu=False)
        return layers.ReLU(name=f"{name}_out", dtype=dtype)(layers.Add(name=f"{name}_add", dtype=dtype)([y, shortcut]))

    inputs = _inputs(input_size)
    x = layers.Rescaling(1 / 127.5, -1.0, name="scale", dtype=dtype)(inputs)
    x = conv(x, 32, 3, "stem", stride=2)
    for i, (filters, stride) in enumerate(CNN_BLOCKS, 1):
        x = block(x, filters, stride, f"block{i}")
    x = layers.GlobalAveragePooling2D(name="pool", dtype="float32")(x)
    return keras.Model(inputs, head(x, classes, logits=training), name="cnn")


def cnn_flatten(input_size: tuple[int, int], classes: int, *, training: bool = False, dtype: str = "float32") -> Any:
    """Builds the textbook network: convolutions with max pooling, flatten, a hidden dense layer, dropout.

    Args and returns as for `cnn`.
    """
    layers = keras.layers
    inputs = _inputs(input_size)
    x = layers.Rescaling(1 / 255, name="scale", dtype=dtype)(inputs)
    for i, filters in enumerate(FLATTEN_FILTERS, 1):
        x = layers.Conv2D(filters, 3, activation="relu", name=f"conv{i}", dtype=dtype)(x)
        x = layers.MaxPooling2D(2, name=f"pool{i}", dtype=dtype)(x)
    x = layers.Flatten(name="flatten", dtype=dtype)(x)
    x = layers.Dense(512, activation="relu", name="hidden", dtype=dtype)(x)
    x = layers.Dropout(0.5, name="dropout", dtype=dtype)(x)
    return keras.Model(inputs, head(x, classes, logits=training), name="cnn_flatten")


def mobilenet_v2_s16(
    input_size: tuple[int, int], classes: int, *, training: bool = False, dtype: str = "float32"
) -> Any:
    """Builds MobileNetV2 (Sandler et al. 2018) up to the expansion of its last block, at stride 16, to be fine-tuned.

    Block 13 does not halve the map, which so has a sixteenth of the input's sides instead of a thirty-second. Layers
    are named as in `keras.applications.MobileNetV2`; `transfer.fold` brings its weights into them, normalisation folded
    into the convolutions: over the few pictures of a small data set it is better left as ImageNet has it.

    Args and returns as for `cnn`.
    """
    layers = keras.layers
    free = False

    def conv(x: Any, name: str, filters: int | None, stride: int = 1, *, size: int = 1, relu: bool = True) -> Any:
        how = {"strides": stride, "padding": "same", "name": name, "dtype": dtype, "trainable": free}
        layer = layers.DepthwiseConv2D(size, **how) if filters is None else layers.Conv2D(filters, size, **how)
        x = layer(x)
        return layers.ReLU(6.0, name=f"{name}_relu", dtype=dtype)(x) if relu else x

    inputs = _inputs(input_size)
    x = layers.Rescaling(1 / 127.5, -1.0, name="scale", dtype=dtype)(inputs)
    x = conv(x, "Conv1", 32, 2, size=3)
    x = conv(x, "expanded_conv_depthwise", None, size=3)
    x = conv(x, "expanded_conv_project", 16, relu=False)
    for i, (filters, stride) in enumerate(MOBILENET_BLOCKS, 1):
        free = i >= MOBILENET_FIRST
        shortcut = x
        x = conv(x, f"block_{i}_expand", 6 * x.shape[-1])
        x = conv(x, f"block_{i}_depthwise", None, stride, size=3)
        x = conv(x, f"block_{i}_project", filters, relu=False)
        if stride == 1 and shortcut.shape[-1] == filters:
            x = layers.Add(name=f"block_{i}_add", dtype=dtype)([x, shortcut])
    x = conv(x, "block_16_expand", 6 * x.shape[-1])
    x = layers.GlobalAveragePooling2D(name="pool", dtype="float32")(x)
    return keras.Model(inputs, head(x, classes, logits=training), name="mobilenet_v2_s16")


def head(x: Any, classes: int, *, logits: bool) -> Any:
    """Adds the last dense layer, always in float32: one sigmoid output for two classes, else a softmax."""
    units, activation = (1, "sigmoid") if classes == 2 else (classes, "softmax")
    activation = "linear" if logits else activation
    return keras.layers.Dense(units, activation=activation, name="predictions", dtype="float32")(x)


def check_size(arch: str, input_size: tuple[int, int], minimum: int) -> None:
    """Raises a UsageError where an input size is too small for an architecture."""
    if min(input_size) < minimum:
        raise UsageError(
            f"--input-size {'x'.join(map(str, input_size))}: too small for {arch}, which needs {minimum} at least"
        )


def _inputs(input_size: tuple[int, int]) -> Any:
    width, height = input_size
    return keras.Input((height, width, 3), name="pixels", dtype="float32")


def _fused_normalization() -> Any:
    """Batch normalisation trained with TensorFlow's fused kernel: Keras' own takes twice the time on a CPU."""

    class FusedBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]
        def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
            if not training:
                return super().call(inputs, training=False)
            out, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
                x=inputs,
                scale=tf.cast(self.gamma, "float32"),
                offset=tf.cast(self.beta, "float32"),
                mean=tf.zeros([0]),
                variance=tf.zeros([0]),
                epsilon=self.epsilon,
            )
            for moving, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(self.momentum * moving + (1.0 - self.momentum) * new)
            return out

    return FusedBatchNormalization
