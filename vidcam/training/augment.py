"""What varies in a training picture from epoch to epoch: the part and shape seen, its size, light, what hides it.

One resampling and one multiplication for a whole batch, so that it costs a CPU little beside the network. Which part of
a picture is seen (`Look`) is drawn apart from the rest, so that a teacher can be shown the same part.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vidcam._lazy import module
from vidcam._tensorflow import tf

if TYPE_CHECKING:
    import numpy as np

    from vidcam.types import Array
else:
    np = module("numpy")  # the command line reads the defaults below, and is quick

SCALE = (0.45, 1.1)
ASPECT = (0.8, 1.25)
TURN = 10.0
"""Degrees that a picture is turned by at most, either way."""
GAIN, TINT, LIGHT, COLOR = 0.25, 0.06, 25.0, (0.4, 1.3)
HIDDEN, PATCH = 0.3, (0.15, 0.5)
"""How many pictures have a part hidden, and that part's sides as shares of the picture's."""
BORDER_GREY = 128.0
DRAWS = 6
"""Numbers that say which part of a picture is seen: area, aspect, top, left, mirrored, turned."""


@dataclass(frozen=True, slots=True)
class Variation:
    """How much pictures vary.

    Attributes:
        scale: the lowest and highest share of the picture's area that a crop covers; above 1 the picture is shrunk and
            what surrounds it shows.
        aspect: the lowest and highest stretch of the width against the height.
        sides: the sides in pixels of the square inputs that batches take turns at, None for the input size.
        grounds: uint8 (M, h, w, 3), what shows around and in front of a picture; None for grey.
    """

    scale: tuple[float, float] = SCALE
    aspect: tuple[float, float] = ASPECT
    sides: tuple[int, ...] | None = None
    grounds: Array | None = None

    def side(self, number: int, seed: int) -> int | None:
        """Returns the side of a batch: small ones oftener, so that each size takes the same time."""
        if self.sides is None:
            return None
        share = 1.0 / np.square(self.sides, dtype=np.float64)
        return int(np.random.default_rng([seed, number]).choice(self.sides, p=share / share.sum()))


def draw_looks(count: int, seed: int, view: int) -> Array:
    """Draws which part of each picture is seen, float32 (count, DRAWS), 0 to 1."""
    return np.random.default_rng([seed, view, count]).random((count, DRAWS), np.float32)


def show_parts(
    pixels: Any, draws: Any, aspects: Any, size: Any, variation: Variation, *, whole: bool = False
) -> tuple[Any, Any]:
    """Shows a part of each picture, stretched, turned, half of them mirrored.

    Args:
        pixels: uint8 (B, h, w, 3), brought to one size whatever their shape was.
        draws: float32 (B, DRAWS), see `draw_looks`.
        aspects: float32 (B,), width through height of the pictures as they were.
        size: int32 (2,), height and width of what is asked for.
        variation: how much.
        whole: show the whole picture where it would be shrunk.

    Returns:
        float32 (B, height, width, 3), 0 to 255, and which of its pixels show the picture, bool (B, height, width, 1).
    """
    (least, most), (narrow, wide) = variation.scale, variation.aspect
    area = tf.exp(math.log(least) + (math.log(most) - math.log(least)) * draws[:, 0])
    area = tf.minimum(area, 1.0) if whole else area
    stretch = tf.exp(math.log(narrow) + (math.log(wide) - math.log(narrow)) * draws[:, 1])
    shape = tf.cast(tf.shape(pixels)[1:3], tf.float32)
    size = tf.cast(size, tf.float32)
    across = tf.sqrt(area * size[1] / size[0] / stretch / aspects)  # the window's sides in those of the picture
    down = tf.sqrt(area * size[0] / size[1] * stretch * aspects)
    middle_x = (1.0 - across) * draws[:, 3] + across / 2
    middle_y = (1.0 - down) * draws[:, 2] + down / 2
    across = tf.where(draws[:, 4] < 0.5, -across, across)  # from right to left mirrors
    angle = (2.0 * draws[:, 5] - 1.0) * math.radians(TURN)
    cos, sin = tf.cos(angle), tf.sin(angle)

    def matrix(height: Any, width: Any) -> Any:
        x, y = width * across / size[1], height * down / size[0]  # pixels of the source for one of the result
        half_x, half_y = (size[1] - 1.0) / 2, (size[0] - 1.0) / 2
        rows = [
            x * cos, -x * sin, width * middle_x - 0.5 - x * (cos * half_x - sin * half_y),
            y * sin, y * cos, height * middle_y - 0.5 - y * (sin * half_x + cos * half_y),
            tf.zeros_like(x), tf.zeros_like(x),
        ]  # fmt: skip
        return tf.stack(rows, axis=1)

    # Bilinear sampling looks at four pixels: what is shrunk further is averaged first.
    step = tf.maximum(shape[1] * tf.abs(across) / size[1], shape[0] * down / size[0])
    level = tf.cast(step > 1.5, tf.int32) + tf.cast(step > 3.0, tf.int32)
    members, found = [], []
    for i, factor in enumerate((1, 2, 4)):
        chosen = tf.cast(tf.where(level == i)[:, 0], tf.int32)
        source = tf.cast(tf.gather(pixels, chosen), tf.float32)
        source = tf.nn.avg_pool2d(source, factor, factor, "VALID") if factor > 1 else source
        height, width = tf.unstack(tf.cast(tf.shape(source)[1:3], tf.float32))
        members.append(chosen)
        found.append(
            tf.raw_ops.ImageProjectiveTransformV3(
                images=source,
                transforms=tf.gather(matrix(height, width), chosen),
                output_shape=tf.cast(size, tf.int32),
                fill_value=BORDER_GREY,
                interpolation="BILINEAR",
                fill_mode="NEAREST",
            )
        )
    seen = tf.dynamic_stitch(members, found)
    column = tf.range(size[1])[None, None, :]
    row = tf.range(size[0])[None, :, None]
    at = [m[:, None, None] for m in tf.unstack(matrix(shape[0], shape[1]), axis=1)]
    x, y = at[0] * column + at[1] * row + at[2], at[3] * column + at[4] * row + at[5]
    inside = (x >= -0.5) & (x <= shape[1] - 0.5) & (y >= -0.5) & (y <= shape[0] - 0.5)
    return seen, inside[..., None]


def augment(pixels: Any, draws: Any, aspects: Any, size: Any, *, seed: Any, variation: Variation) -> Any:
    """Varies a batch of pictures: the part seen, what surrounds and hides it, contrast, colour, light.

    Args:
        pixels: uint8 (B, h, w, 3).
        draws: float32 (B, DRAWS), see `draw_looks`.
        aspects: float32 (B,), width through height of the pictures as they were.
        size: int32 (2,), height and width of what is asked for.
        seed: int32 (2,), of all but the part seen; the same seed varies the same way.
        variation: how much.

    Returns:
        float32 (B, height, width, 3), 0 to 255.
    """
    varied, inside = show_parts(pixels, draws, aspects, size, variation)
    count = tf.shape(pixels)[0]
    random = tf.random.stateless_uniform((count, 13), seed)
    shown = inside & ~_patches(random[:, :5], tf.cast(size, tf.float32))
    varied = tf.where(shown, varied, _ground(random[:, 5], size, variation.grounds))
    gain = tf.exp(GAIN * (2.0 * random[:, 6:7] - 1.0) + TINT * (2.0 * random[:, 7:10] - 1.0))
    light = LIGHT * (2.0 * random[:, 10:11] - 1.0)
    color = (COLOR[0] + (COLOR[1] - COLOR[0]) * random[:, 11:12])[:, None, None]
    grey = tf.reduce_mean(varied, axis=-1, keepdims=True)
    varied = grey + (varied - grey) * color
    return tf.clip_by_value(
        (varied - BORDER_GREY) * gain[:, None, None] + (BORDER_GREY + light)[:, None, None], 0.0, 255.0
    )


def _patches(random: Any, size: Any) -> Any:
    """Returns which pixels a patch hides, bool (B, height, width, 1): a rectangle in some of the pictures."""
    sides = (PATCH[0] + (PATCH[1] - PATCH[0]) * random[:, 1:3]) * size
    start = (size - sides) * random[:, 3:5]
    sides = tf.where(random[:, :1] < HIDDEN, sides, 0.0)
    row, column = tf.range(size[0])[None, :], tf.range(size[1])[None, :]
    rows = (row >= start[:, :1]) & (row < start[:, :1] + sides[:, :1])
    columns = (column >= start[:, 1:]) & (column < start[:, 1:] + sides[:, 1:])
    return (rows[:, :, None] & columns[:, None, :])[..., None]


def _ground(random: Any, size: Any, grounds: Array | None) -> Any:
    """Returns what shows where the picture does not, float32 (B or 1, height, width, 3)."""
    if grounds is None:
        return tf.constant(BORDER_GREY, shape=(1, 1, 1, 3))
    chosen = tf.cast(random * len(grounds), tf.int32)
    found = tf.numpy_function(lambda c: grounds[c], [chosen], tf.uint8, stateful=False)
    found.set_shape((None, *grounds.shape[1:]))
    return tf.image.resize(found, size)
