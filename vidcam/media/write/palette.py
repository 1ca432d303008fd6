"""The 255 colours of a stretch of pictures, and which of them is nearest to a pixel."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import cv2
import numpy as np

from vidcam._lazy import module
from vidcam.types import Array

if TYPE_CHECKING:
    import av
else:
    av = module("av")

SAMPLE = 2**13
"""Pixels that decide; more change nothing that is seen."""
_ROUNDS = 2  # of k-means; each later one gains less than 0.1 dB
_WORSE = 1.5  # so much more error than when it was made, and a palette is made anew: the scene has changed
_SLAB = 256  # pixels at a time: in the cache, and too few for BLAS to start threads that the other stages need
_ROWS = 64  # of a picture at a time: in the cache
_CELLS = 1 << 18  # colours that the table tells apart: 6 bits of each channel


class Palette:
    """Colours that follow the pictures: made by FFmpeg's palettegen, refined by k-means from stretch to stretch.

    Keeping what fits of the last palette is faster than a new one for each stretch, and what moves keeps its colour.

    Attributes:
        colors: RGB uint8 (n, 3), n at most 255.
    """

    def __init__(self) -> None:
        self.colors = np.zeros((0, 3), np.uint8)
        self._error = 0.0
        # Of each cell the colour that is nearest to its middle: red, green, blue and its number.
        self._table = np.zeros((_CELLS, 4), np.uint8)
        self._cells = np.empty((0, 0, 0), np.intp)  # of the latest pictures' pixels; new memory each time takes as long

    def follow(self, sample: Array) -> None:
        """Fits the colours to some pixels, RGB uint8 (N, 3), N some `SAMPLE`."""
        if len(self.colors):
            self.colors, error = _refined(sample, self.colors)
            if error <= _WORSE * self._error + 1:
                return
        self.colors, self._error = _refined(sample, _generated(sample))

    def draw(self, pictures: list[Array]) -> Iterator[Array]:
        """Draws pictures, RGB uint8 (H, W, 3), in the nearest colours.

        Yields:
            For each uint8 (H, W, 4): red, green, blue and the number of the colour.
        """
        shape = (len(pictures), *pictures[0].shape[:2])
        if self._cells.shape[1:] != shape[1:] or len(self._cells) < len(pictures):
            self._cells = np.empty(shape, np.intp)
        used = np.zeros(_CELLS, bool)
        for picture, cells in zip(pictures, self._cells, strict=False):
            _find_cells(picture, cells)
            used[cells] = True
        numbers = np.flatnonzero(used)
        middles = np.stack([numbers & 63, numbers >> 6 & 63, numbers >> 12], axis=1) * 4 + 1.5
        best = _nearest(middles, self.colors)[0]
        self._table[numbers, :3] = self.colors[best]
        self._table[numbers, 3] = best
        packed = self._table.view(np.uint32)[:, 0]
        # Every cell is one of the table's: "clip" saves the check.
        for _, cells in zip(pictures, self._cells, strict=False):
            yield np.take(packed, cells, mode="clip").view(np.uint8).reshape(*cells.shape, 4)


def _find_cells(picture: Array, cells: Array) -> None:
    """Finds for each pixel the number of its cell, intp (H, W)."""
    for top in range(0, len(picture), _ROWS):
        pixels = cv2.cvtColor(picture[top : top + _ROWS], cv2.COLOR_RGB2RGBA).view(np.uint32)[..., 0]
        number = (pixels >> 2) & 63
        number |= (pixels >> 4) & (63 << 6)
        number |= (pixels >> 6) & (63 << 12)
        cells[top : top + _ROWS] = number


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
