"""Drawn clips that only a network that sees time can tell apart: one shape moves left or right, others rest.

Rows and columns wrap around and every place is as likely as any other at every time, so that a single frame says
nothing about the direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import keras
import numpy as np
from keras import layers

LENGTH, SIDE, SHAPE, RESTING = 6, 16, 4, 1
ALIKE = ((190, 190, 190), (190, 190, 190))
OWN_KIND = ((200, 60, 60), (60, 60, 200))
"""What moves is of another colour than what rests, in every clip: which way it goes, a frame does not show either."""


@dataclass(frozen=True)
class Clips:
    """Pictures uint8 (N, T, H, W, 3); 0 for left, 1 for right; where the moving shape and those at rest are."""

    pictures: np.ndarray
    labels: np.ndarray
    moving: np.ndarray
    resting: np.ndarray


def draw(count: int, seed: int, length: int = LENGTH, colours: Sequence[Sequence[int]] = ALIKE) -> Clips:
    """Draws clips of squares on noise; masks are bool (N, T, H, W), colours those of what moves and of what rests."""
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
    light = np.full((*moving.shape, 3), 60.0)
    for mask, colour in zip((moving, resting), colours, strict=True):
        light[mask] = colour
    light += rng.normal(0, 8, light.shape)
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
    x = layers.TimeDistributed(layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"), name="conv")(x)
    x = layers.TimeDistributed(layers.MaxPooling2D((SIDE // 2, 1)))(x)
    x = layers.TimeDistributed(layers.Flatten())(x)
    x = layers.LSTM(16, name="lstm")(x)
    return keras.Model(inputs, layers.Dense(2, activation="softmax", name="head")(x), name="cnn_lstm")


def train(model: keras.Model, shown: Clips, epochs: int, rate: float) -> keras.Model:
    """Trains a network to tell left from right."""
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    model.fit(shown.pictures, shown.labels, batch_size=32, epochs=epochs, verbose=0)
    return model


def hottest(maps: Sequence[np.ndarray], clips: Clips) -> tuple[float, float]:
    """Returns in what share of frames the hottest point of a clip's maps (T, h, w) is on what moves, on what rests."""
    moves, rests = [], []
    for one, moving, resting in zip(maps, clips.moving, clips.resting, strict=True):
        for t, step in enumerate(one):
            place = np.unravel_index(cv2.resize(step, (SIDE, SIDE)).argmax(), (SIDE, SIDE))
            moves.append(moving[t][place])
            rests.append(resting[t][place])
    return float(np.mean(moves)), float(np.mean(rests))
