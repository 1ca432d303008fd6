"""The 255 colours of a stretch of pictures, and which of them is nearest to a pixel."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np

from vidcam.types import Array

_SAMPLE = 2**14  # pixels that decide; more change nothing that is seen
_ROUNDS = 2  # of k-means; each later one gains less than 0.1 dB
_WORSE = 1.5  # so much more error than when it was made, and a palette is made anew: the scene has changed
_SLAB = 256  # pixels at a time: in the cache, and too few for BLAS to start threads that the other stages need
_BITS = 6  # of a channel that the table tells apart


class Palette:
    """Colours that follow the pictures: made by FFmpeg's palettegen, refined by k-means from stretch to stretch.

    Keeping what fits of the last palette is faster than a new one for each stretch, and what moves keeps its colour.

    Attributes:
        colors: RGB uint8 (n, 3), n at most 255.
    """

    def __init__(self) -> None:
        self.colors = np.zeros((0, 3), np.uint8)
        self._error = 0.0
        self._table = np.zeros(1 << 3 * _BITS, np.uint8)

    def follow(self, pixels: Array) -> None:
        """Fits the colours to some pixels, RGB uint8 (N, 3)."""
        sample = pixels[:: max(1, len(pixels) // _SAMPLE)]
        if len(self.colors):
            self.colors, error = _refined(sample, self.colors)
            if error <= _WORSE * self._error + 1:
                return
        self.colors, self._error = _refined(sample, _generated(sample))

    def indices(self, pictures: list[Array]) -> list[Array]:
        """Returns for each picture, RGB uint8 (H, W, 3), the numbers of the nearest colours, uint8 (H, W)."""
        cells = [_cells(p) for p in pictures]
        used = np.zeros(len(self._table), bool)
        for c in cells:
            used[c] = True
        numbers = np.flatnonzero(used)
        mask, low = (1 << _BITS) - 1, 8 - _BITS
        channels = np.stack([numbers >> 2 * _BITS, numbers >> _BITS & mask, numbers & mask], axis=1)
        self._table[numbers] = _nearest((channels << low) + ((1 << low) - 1) / 2, self.colors)[0]
        return [self._table[c] for c in cells]


def _cells(picture: Array) -> Array:
    high = (picture >> (8 - _BITS)).astype(np.int32)
    cells: Array = high[..., 0] << 2 * _BITS | high[..., 1] << _BITS | high[..., 2]
    return cells


def _nearest(pixels: Array, colors: Array) -> tuple[Array, Array]:
    """Returns the numbers of the nearest colours and the squared distances to them."""
    x, c = pixels.astype(np.float32), colors.astype(np.float32)
    best, distance = np.empty(len(x), np.intp), np.empty(len(x), np.float32)
    weights, squares = -2 * c.T, (c**2).sum(1)
    for i in range(0, len(x), _SLAB):
        slab = x[i : i + _SLAB] @ weights
        slab += squares
        best[i : i + _SLAB] = nearest = slab.argmin(1)
        distance[i : i + _SLAB] = slab[np.arange(len(slab)), nearest]
    return best, distance + (x**2).sum(1)


def _refined(pixels: Array, colors: Array) -> tuple[Array, float]:
    """Returns the colours after some rounds of k-means (Lloyd 1982), and the mean squared distance to them."""
    centers = colors.astype(np.float64)
    error = 0.0
    for _ in range(_ROUNDS):
        best, distance = _nearest(pixels, centers)
        error = float(distance.mean())
        count = np.bincount(best, minlength=len(centers))
        total = np.stack([np.bincount(best, pixels[:, k], len(centers)) for k in range(3)], axis=1)
        centers = np.where(count[:, None] > 0, total / np.maximum(count, 1)[:, None], centers)
    return np.rint(centers).astype(np.uint8), error


def _generated(pixels: Array) -> Array:
    """Returns at most 255 colours by median cut, FFmpeg's palettegen."""
    height = -(-len(pixels) // 64)
    sheet = np.resize(pixels, (height, 64, 3))
    graph = av.filter.Graph()
    source = graph.add("buffer", f"video_size=64x{height}:pix_fmt=rgb24:time_base=1/100:pixel_aspect=1/1")
    generate = graph.add("palettegen", "max_colors=256:reserve_transparent=1")
    sink = graph.add("buffersink")
    source.link_to(generate)
    generate.link_to(sink)
    graph.configure()
    frame = av.VideoFrame.from_ndarray(sheet, "rgb24")
    frame.pts = 0
    frame.time_base = Fraction(1, 100)
    graph.vpush(frame)
    graph.vpush(None)
    colors = graph.vpull().to_ndarray().reshape(-1, 4)  # B, G, R, A
    opaque: Array = colors[colors[:, 3] > 0][:, 2::-1]
    return opaque
