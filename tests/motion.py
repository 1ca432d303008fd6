"""Drawn clips that only a network that sees time can tell apart: one shape moves left or right, others rest.

Rows and columns wrap around and every place is as likely as any other at every time, so that a single frame says
nothing about the direction.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
from keras import layers

LENGTH, SIDE, SHAPE, RESTING = 6, 16, 4, 1


@dataclass(frozen=True)
class Clips:
    """Pictures uint8 (N, T, H, W, 3); 0 for left, 1 for right; where the moving shape and those at rest are."""

    pictures: np.ndarray
    labels: np.ndarray
    moving: np.ndarray
    resting: np.ndarray


def draw(count: int, seed: int, length: int = LENGTH) -> Clips:
    """Draws clips of bright squares on noise; masks are bool (N, T, H, W)."""
    rng = np.random.default_rng(seed)
    moving = np.zeros((count, length, SIDE, SIDE), bool)
    resting = np.zeros_like(moving)
    labels = np.arange(count) % 2
    for n in range(count):
        rows = rng.permutation(SIDE // 8)[: RESTING + 1] * 8 + rng.integers(0, 8 - SHAPE + 1, RESTING + 1)
        columns = rng.integers(0, SIDE, RESTING + 1)
        for t in range(length):
            for number, (y, x) in enumerate(zip(rows, columns, strict=True)):
                at = x + (2 * labels[n] - 1) * t * (number == 0)
                mask = moving if number == 0 else resting
                mask[n, t, y : y + SHAPE, (at + np.arange(SHAPE)) % SIDE] = True
    light = np.where(moving | resting, 190, 60)[..., np.newaxis] + rng.normal(0, 8, (count, length, SIDE, SIDE, 3))
    return Clips(light.clip(0, 255).astype(np.uint8), labels, moving, resting)


def conv3d(length: int | None = LENGTH) -> keras.Model:
    """Convolutions over time and space, pooled over both."""
    return keras.Sequential(
        [
            keras.Input((length, SIDE, SIDE, 3)),
            layers.Rescaling(1 / 127.5, offset=-1),
            layers.Conv3D(12, (3, 5, 5), padding="same", activation="relu", name="conv_1"),
            layers.Conv3D(16, 3, strides=(1, 2, 2), padding="same", activation="relu", name="conv_2"),
            layers.GlobalAveragePooling3D(name="gap"),
            layers.Dense(2, activation="softmax", name="head"),
        ],
        name="conv3d",
    )


def cnn_lstm(length: int = LENGTH) -> keras.Model:
    """A CNN for each frame, whose columns an LSTM follows over time."""
    inputs = keras.Input((length, SIDE, SIDE, 3))
    x = layers.TimeDistributed(layers.Rescaling(1 / 127.5, offset=-1))(inputs)
    x = layers.TimeDistributed(layers.Conv2D(8, 5, strides=2, padding="same", activation="relu"), name="conv")(x)
    x = layers.TimeDistributed(layers.MaxPooling2D((SIDE // 2, 1)))(x)
    x = layers.TimeDistributed(layers.Flatten())(x)
    x = layers.LSTM(16, name="lstm")(x)
    return keras.Model(inputs, layers.Dense(2, activation="softmax", name="head")(x), name="cnn_lstm")
