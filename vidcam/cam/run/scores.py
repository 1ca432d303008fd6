"""What methods without a gradient need: the target's logit on many changed inputs, a forward pass each.

Score-CAM masks the picture by each channel of a layer; Recipro-CAM hands the head one position's features at a time.
"""

from __future__ import annotations

import cv2
import numpy as np

from vidcam.cam.run import Engine
from vidcam.types import Array

MASKED_AT_ONCE = 32
"""Masked pictures in one forward pass."""


def masked_scores(engine: Engine, images: Array, activations: Array, weights: Array, top_channels: int | None) -> Array:
    """Scores pictures masked by each channel of a layer.

    A mask is a channel of the activations, resized to the model's input (bilinear, half-pixel centres) and min-max
    scaled; it multiplies the input as the model takes it, after preprocessing (Wang et al. 2020, eq. 4 to 6).

    Args:
        engine: what computes.
        images: uint8 (B, H, W, C).
        activations: (B, h, w, K).
        weights: (B, classes), of each picture's logits in its score.
        top_channels: how many channels of each picture get a pass, those with the greatest variance; None for all.

    Returns:
        (B, K), the scores; -inf for channels without a pass: constant ones, and all but the top ones.
    """
    scores = np.full((len(images), activations.shape[3]), -np.inf, np.float32)
    for score, image, channels, of in zip(scores, images, activations, weights, strict=True):
        lively = _lively(channels, top_channels)
        for at in np.array_split(lively, range(MASKED_AT_ONCE, len(lively), MASKED_AT_ONCE)):
            if len(at):
                score[at] = engine.classify_masked(image, _masks(channels[..., at], image.shape[:2])) @ of
    return scores


def _masks(channels: Array, size: tuple[int, int]) -> Array:
    """Returns channels (h, w, N) as masks of a (height, width), 0 to 1, float32 (N, H, W)."""
    masks = np.empty((channels.shape[2], *size), np.float32)
    for mask, channel in zip(masks, np.moveaxis(channels, 2, 0), strict=True):
        cv2.resize(np.ascontiguousarray(channel, np.float32), size[::-1], dst=mask, interpolation=cv2.INTER_LINEAR)
    masks -= masks.min((1, 2), keepdims=True)
    peaks = masks.max((1, 2), keepdims=True)
    np.divide(masks, peaks, out=masks, where=peaks != 0.0)
    return masks


def _lively(channels: Array, top: int | None) -> Array:
    """Returns the indices of the channels (h, w, K) that are not constant, or of those that vary most."""
    spread = channels.max(axis=(0, 1)) - channels.min(axis=(0, 1))
    lively = np.flatnonzero(~(spread == 0.0))  # NaN is no constant
    if top is None or len(lively) <= top:
        return lively
    variance = channels[..., lively].var(axis=(0, 1))
    return np.sort(lively[np.argsort(-variance, kind="stable")[:top]])


def position_scores(engine: Engine, size: tuple[int, int], layer: int, activations: Array, weights: Array) -> Array:
    """Scores what a layer sees at each position alone.

    Args:
        engine: what computes.
        size: (height, width) of the pictures.
        layer: which of the target layers.
        activations: (B, h, w, K), of that layer.
        weights: (B, classes), of each picture's logits in its score.

    Returns:
        (B, h w + 1), the scores row by row, and the one with no position at all.
    """
    rows, columns = activations.shape[1:3]
    scores = np.empty((len(activations), rows * columns + 1), np.float32)
    for score, features, of in zip(scores, activations, weights, strict=True):
        for start in range(0, len(score), MASKED_AT_ONCE):
            count = min(MASKED_AT_ONCE, len(score) - start)
            alone = np.zeros((count, *features.shape), np.float32)
            for i in range(count):
                row, column = divmod(start + i, columns)
                if row < rows:
                    alone[i, row, column] = features[row, column]
            score[start : start + count] = engine.classify_features(alone, layer, size) @ of
    return scores
