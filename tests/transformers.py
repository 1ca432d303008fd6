"""Small transformers of plain Keras layers with made-up weights, in the layouts that people build."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from tests.networks import randomize


@keras.saving.register_keras_serializable("vidcam_tests")
class Tokens(layers.Layer):
    """Puts class and register tokens before the patches, and adds position embeddings."""

    def __init__(self, extra: int = 1, positions: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.extra, self.positions = extra, positions

    def build(self, shape: Any) -> None:
        if self.extra:
            self.tokens = self.add_weight(shape=(1, self.extra, shape[-1]), name="tokens")
        if self.positions:
            self.embedding = self.add_weight(shape=(1, shape[1] + self.extra, shape[-1]), name="embedding")

    def call(self, x: Any) -> Any:
        if self.extra:
            x = ops.concatenate([ops.tile(self.tokens, (ops.shape(x)[0], 1, 1)), x], axis=1)
        return x + self.embedding if self.positions else x

    def compute_output_shape(self, shape: Any) -> Any:
        return (shape[0], None if shape[1] is None else shape[1] + self.extra, shape[2])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "extra": self.extra, "positions": self.positions}


@keras.saving.register_keras_serializable("vidcam_tests")
class Patches(layers.Layer):
    """The patches' pixels, as the tutorials take them."""

    def __init__(self, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size

    def call(self, x: Any) -> Any:
        x = ops.image.extract_patches(x, self.size)
        return ops.reshape(x, (ops.shape(x)[0], x.shape[1] * x.shape[2], x.shape[3]))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable("vidcam_tests")
class Nudge(layers.Layer):
    """Adds a weight, all zeros, to each token: what differentiates with respect to the tokens by differences."""

    def build(self, shape: Any) -> None:
        self.nudge = self.add_weight(shape=(1, *shape[1:]), initializer="zeros", name="nudge")

    def call(self, x: Any) -> Any:
        return x + self.nudge


def block(x: Any, number: int, heads: int = 2, nudged: bool = False) -> Any:
    """One pre-norm transformer block."""
    width = x.shape[-1]
    y = layers.LayerNormalization(name=f"block_{number}_norm1")(x)
    y = Nudge(name="nudge")(y) if nudged else y
    y = layers.MultiHeadAttention(heads, width // heads, name=f"block_{number}_attention")(y, y)
    x = layers.Add(name=f"block_{number}_add1")([x, y])
    y = layers.LayerNormalization(name=f"block_{number}_norm2")(x)
    y = layers.Dense(2 * width, activation="gelu", name=f"block_{number}_mlp1")(y)
    y = layers.Dense(width, name=f"block_{number}_mlp2")(y)
    return layers.Add(name=f"block_{number}_add2")([x, y])


def vit(
    *, head: str = "token", extra: int = 1, size: tuple[int, int] = (24, 32), patch: int = 8, depth: int = 2,
    patches: str = "conv", classes: int = 3, end: str | None = "softmax", nudged: bool = False,
) -> Any:  # fmt: skip
    """A vision transformer.

    Args:
        head: what the classes are read from: the class `token`, or the patches' `mean`.
        extra: class and register tokens before the patches.
        size: rows and columns of the input.
        patch: side of a patch.
        depth: blocks.
        patches: a `conv` and a reshape, or the pixels `extract`ed.
        classes: of the head.
        end: activation of the head.
        nudged: whether there is a `Nudge` before the last attention.
    """
    inputs = keras.Input((*size, 3))
    x = layers.Rescaling(1 / 255)(inputs)
    if patches == "conv":
        x = layers.Conv2D(12, patch, strides=patch, name="embed")(x)
        x = layers.Reshape((x.shape[1] * x.shape[2], 12), name="lined")(x)
    else:
        x = layers.Dense(12, name="embed")(Patches(patch, name="patches")(x))
    x = Tokens(extra, name="tokens")(x)
    for i in range(depth):
        x = block(x, i, nudged=nudged and i == depth - 1)
    x = layers.LayerNormalization(name="norm")(x)
    x = x[:, 0] if head == "token" else layers.GlobalAveragePooling1D(name="gap")(x[:, extra:] if extra else x)
    return randomize(keras.Model(inputs, layers.Dense(classes, activation=end, name="head")(x), name="vit"))


@keras.saving.register_keras_serializable("vidcam_tests")
class WindowAttention(layers.Layer):
    """Attention inside of windows of a grid, rolled by half a window if asked to, as Swin has it."""

    def __init__(self, window: int, shift: int = 0, heads: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.window, self.shift, self.heads = window, shift, heads

    def build(self, shape: Any) -> None:
        self.width = shape[-1]
        self.qkv = layers.Dense(3 * self.width, name="qkv")
        self.qkv.build((None, None, self.width))
        self.soft = layers.Softmax(name="soft")
        self.drop = layers.Dropout(0.1, name="drop")
        self.project = layers.Dense(self.width, name="project")
        self.project.build((None, None, self.width))

    def call(self, x: Any) -> Any:
        _, h, w, c = x.shape
        n, d = self.window, c // self.heads
        x = ops.roll(x, (-self.shift, -self.shift), (1, 2)) if self.shift else x
        x = ops.reshape(x, (-1, h // n, n, w // n, n, c))
        x = ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, n * n, c))
        qkv = ops.transpose(ops.reshape(self.qkv(x), (-1, n * n, 3, self.heads, d)), (2, 0, 3, 1, 4))
        scores = self.drop(self.soft(ops.matmul(qkv[0], ops.transpose(qkv[1], (0, 1, 3, 2))) / d**0.5))
        x = ops.transpose(ops.matmul(scores, qkv[2]), (0, 2, 1, 3))
        x = self.project(ops.reshape(x, (-1, n * n, c)))
        x = ops.transpose(ops.reshape(x, (-1, h // n, w // n, n, n, c)), (0, 1, 3, 2, 4, 5))
        x = ops.reshape(x, (-1, h, w, c))
        return ops.roll(x, (self.shift, self.shift), (1, 2)) if self.shift else x

    def compute_output_shape(self, shape: Any) -> Any:
        return shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "window": self.window, "shift": self.shift, "heads": self.heads}


def swin(*, tokens: bool = True, size: tuple[int, int] = (32, 48), classes: int = 3) -> Any:
    """Two stages of windowed attention with a merging of patches between; the last has one window only.

    Args:
        tokens: whether blocks hand on (B, N, C) instead of (B, h, w, C).
        size: rows and columns of the input; the first stage's grid is a quarter of it.
        classes: of the head.
    """
    inputs = keras.Input((*size, 3))
    x = layers.Conv2D(8, 4, strides=4, name="embed")(layers.Rescaling(1 / 255)(inputs))
    for stage, window in enumerate((4, 2)):
        for number, shift in enumerate((0, window // 2)):
            name = f"stage_{stage}_block_{number}"
            h, w, c = x.shape[1:]
            x = layers.Reshape((h * w, c), name=f"{name}_in")(x) if tokens else x
            y = layers.LayerNormalization(name=f"{name}_norm1")(x)
            y = layers.Reshape((h, w, c), name=f"{name}_grid")(y) if tokens else y
            y = WindowAttention(window, shift, name=f"{name}_attention")(y)
            y = layers.Reshape((h * w, c), name=f"{name}_tokens")(y) if tokens else y
            x = layers.Add(name=f"{name}_add1")([x, y])
            y = layers.LayerNormalization(name=f"{name}_norm2")(x)
            y = layers.Dense(c, name=f"{name}_mlp2")(layers.Dense(2 * c, activation="gelu", name=f"{name}_mlp1")(y))
            x = layers.Add(name=f"{name}_add2")([x, y])
            x = layers.Reshape((h, w, c), name=f"{name}_out")(x) if tokens else x
        if stage == 0:
            parts = [x[:, i::2, j::2] for i in range(2) for j in range(2)]
            x = layers.Dense(12, name="merge")(layers.LayerNormalization()(layers.Concatenate(name="parts")(parts)))
    x = layers.LayerNormalization(name="norm")(x)
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    return randomize(keras.Model(inputs, layers.Dense(classes, activation="softmax", name="head")(x), name="swin"))


def convnext(size: int = 32, classes: int = 3) -> Any:
    """Two ConvNeXt blocks: depthwise convolution, norm, two dense layers, residual."""
    inputs = keras.Input((size, size, 3))
    x = layers.Conv2D(8, 4, strides=4, name="stem")(layers.Rescaling(1 / 255)(inputs))
    for i in range(2):
        y = layers.LayerNormalization(name=f"block_{i}_norm")(layers.DepthwiseConv2D(5, padding="same")(x))
        y = layers.Dense(8, name=f"block_{i}_out")(layers.Dense(16, activation="gelu", name=f"block_{i}_wide")(y))
        x = layers.Add(name=f"block_{i}_add")([x, y])
    x = layers.LayerNormalization()(layers.GlobalAveragePooling2D()(x))
    return randomize(keras.Model(inputs, layers.Dense(classes, name="head")(x), name="convnext"))


def mobilevit(size: int = 32, classes: int = 3) -> Any:
    """A hybrid: convolutions, a transformer over the patches of what they give, convolutions again."""
    inputs = keras.Input((size, size, 3))
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.Conv2D(8, 3, strides=4, padding="same", activation="relu", name="stem")(x)
    h, w, c = x.shape[1:]
    y = ops.reshape(x, (-1, h // 2, 2, w // 2, 2, c))
    y = ops.reshape(ops.transpose(y, (0, 2, 4, 1, 3, 5)), (-1, 4, (h // 2) * (w // 2), c))
    for i in range(2):
        y = block(y, i)
    y = ops.transpose(ops.reshape(y, (-1, 2, 2, h // 2, w // 2, c)), (0, 3, 1, 4, 2, 5))
    y = layers.Identity(name="folded")(ops.reshape(y, (-1, h, w, c)))
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="fuse")(layers.Concatenate(name="joined")([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    return randomize(keras.Model(inputs, layers.Dense(classes, activation="softmax", name="head")(x), name="mobilevit"))


def any_size_vit(classes: int = 3) -> Any:
    """A transformer that runs at any size: positions come from a convolution, the head is a mean."""
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(12, 8, strides=8, name="embed")(layers.Rescaling(1 / 255)(inputs))
    x = layers.Add()([x, layers.DepthwiseConv2D(3, padding="same", name="positions")(x)])
    x = layers.Reshape((-1, 12), name="lined")(x)
    for i in range(2):
        x = block(x, i)
    x = layers.GlobalAveragePooling1D(name="gap")(layers.LayerNormalization(name="norm")(x))
    return randomize(keras.Model(inputs, layers.Dense(classes, name="head")(x), name="any_size_vit"))
