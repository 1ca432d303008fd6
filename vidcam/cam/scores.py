"""What Score-CAM needs: the target's logit on the picture masked by each channel of a layer, a forward pass each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from vidcam._tensorflow import tf
from vidcam.cam.network import Network, freeze, image_spec
from vidcam.types import Array

CHUNK = 32
"""Masked pictures in one forward pass."""


def masked_scores(network: Network, dtype: str, top_channels: int | None) -> Callable[[Any, Any, Any], Any]:
    """Traces the forward passes on masked pictures.

    A mask is a channel of the activations, resized to the model's input (bilinear, half-pixel centres) and min-max
    scaled; it multiplies the input as the model takes it, after preprocessing (Wang et al. 2020, eq. 4 to 6).

    Args:
        network: the model.
        dtype: of the images.
        top_channels: how many channels of each picture get a pass, those with the greatest variance; None for all.

    Returns:
        (images (B, H, W, C), activations (B, h, w, K), selection (B, classes)) -> the selected logit (B, K), -inf for
        channels without a pass: constant ones, and all but the top ones.
    """

    def forward(image: Any, channels: Any, selection: Any) -> Any:
        x = network.scaled(image[tf.newaxis])
        masks = tf.image.resize(tf.transpose(channels, [2, 0, 1])[..., tf.newaxis], tf.shape(x)[1:3])
        low = tf.reduce_min(masks, axis=(1, 2), keepdims=True)
        high = tf.reduce_max(masks, axis=(1, 2), keepdims=True)
        masks = tf.math.divide_no_nan(masks - low, high - low)
        logits = network.trace_input(x * tf.cast(masks, x.dtype)).logits
        return (tf.tensordot(logits, tf.cast(selection, logits.dtype), 1),)

    signature = [
        tf.TensorSpec(image_spec(network.shape, dtype).shape[1:], dtype),
        tf.TensorSpec([None, None, None], network.exact),
        tf.TensorSpec([None], network.exact),
    ]
    frozen = freeze(forward, signature)

    def scores(images: Any, activations: Any, selection: Any) -> Any:
        result = np.full((activations.shape[0], activations.shape[3]), -np.inf, activations.dtype.as_numpy_dtype)
        for b, channels in enumerate(activations.numpy()):
            lively = _lively(channels, top_channels)
            for at in np.array_split(lively, range(CHUNK, len(lively), CHUNK)):
                if len(at):
                    result[b, at] = frozen(images[b], tf.constant(channels[..., at]), selection[b])[0].numpy()
        return tf.constant(result)

    return scores


def _lively(channels: Array, top: int | None) -> Array:
    """Returns the indices of the channels (h, w, K) that are not constant, or of those that vary most."""
    spread = channels.max(axis=(0, 1)) - channels.min(axis=(0, 1))
    lively = np.flatnonzero(~(spread == 0.0))  # NaN is no constant
    if top is None or len(lively) <= top:
        return lively
    variance = channels[..., lively].var(axis=(0, 1))
    return np.sort(lively[np.argsort(-variance, kind="stable")[:top]])
