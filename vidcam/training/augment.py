"""What varies in a training picture from epoch to epoch: position, size, mirroring, light.

One resampling and one multiplication for a whole batch, so that it costs a CPU little beside the network.
"""

from __future__ import annotations

from typing import Any

from vidcam._tensorflow import tf

AREA = (0.45, 1.1)
"""The share of the picture that a crop covers; above 1 a border of grey shows."""
ASPECT = (0.8, 1.25)
GAIN, TINT, LIGHT = 0.25, 0.06, 25.0
BORDER = 128.0


def augment(pixels: Any, seed: Any) -> Any:
    """Varies a batch of pictures: a random crop brought back to size, half of them mirrored, contrast, tint, light.

    Args:
        pixels: uint8 (B, H, W, 3).
        seed: int32 (2,); the same seed varies the same way.

    Returns:
        float32 (B, H, W, 3), 0 to 255.
    """
    shape = tf.shape(pixels)
    count = shape[0]
    draws = tf.random.stateless_uniform((count, 10), seed)
    area = AREA[0] + (AREA[1] - AREA[0]) * draws[:, 0]
    aspect = tf.exp(tf.math.log(ASPECT[0]) + (tf.math.log(ASPECT[1]) - tf.math.log(ASPECT[0])) * draws[:, 1])
    height, width = tf.sqrt(area / aspect), tf.sqrt(area * aspect)
    top, left = (1.0 - height) * draws[:, 2], (1.0 - width) * draws[:, 3]
    mirrored = draws[:, 4] < 0.5
    x0 = tf.where(mirrored, left + width, left)  # a box from right to left mirrors
    x1 = tf.where(mirrored, left, left + width)
    boxes = tf.stack([top, x0, top + height, x1], axis=1)
    varied = tf.image.crop_and_resize(pixels, boxes, tf.range(count), shape[1:3], extrapolation_value=BORDER)
    gain = tf.exp(GAIN * (2.0 * draws[:, 5:6] - 1.0) + TINT * (2.0 * draws[:, 6:9] - 1.0))
    light = LIGHT * (2.0 * draws[:, 9:10] - 1.0)
    return tf.clip_by_value((varied - BORDER) * gain[:, None, None] + (BORDER + light)[:, None, None], 0.0, 255.0)
