"""Heat at the border and its spread, against heat whose answer is known and against a picture of pixels."""

from __future__ import annotations

import numpy as np
import pytest

from vidcam.metrics.extent import BORDER, EVEN, border_share, spread
from vidcam.types import Placement

WHOLE = Placement((640, 360), (320, 320), (0, 0, 640, 360), (0, 0, 320, 320))
PADDED = Placement((640, 360), (320, 320), (0, 0, 640, 360), (0, 70, 320, 250))


def pixels(heat: np.ndarray, placement: Placement, fine: int = 1600) -> np.ndarray:
    """The part of one map that the model saw, as pixels: each has its cell's heat."""
    x0, y0, x1, y1 = placement.target
    width, height = placement.input
    rows = ((y0 + (np.arange(fine) + 0.5) * (y1 - y0) / fine) / height * heat.shape[0]).astype(int)
    columns = ((x0 + (np.arange(fine) + 0.5) * (x1 - x0) / fine) / width * heat.shape[1]).astype(int)
    return heat[rows][:, columns]


@pytest.mark.parametrize("placement", [WHOLE, PADDED])
@pytest.mark.parametrize("shape", [(7, 7), (12, 7), (1, 1), (4, 16)])
def test_even_heat_has_the_borders_own_share_and_spreads_over_all(placement, shape):
    heat = np.full((3, *shape), 2.5)
    assert border_share(heat, placement) == pytest.approx(EVEN)
    assert spread(heat, placement) == pytest.approx(1.0)


@pytest.mark.parametrize("placement", [WHOLE, PADDED])
def test_both_agree_with_a_picture_of_pixels(placement):
    heat = np.random.default_rng(3).uniform(0, 1, (4, 8, 10)) ** 3
    shares, spreads = [], []
    for one in heat:
        picture = pixels(one, placement)
        edge = int(BORDER * len(picture))
        shares.append(1 - picture[edge:-edge, edge:-edge].sum() / picture.sum())
        spreads.append(picture.sum() ** 2 / (picture.size * (picture**2).sum()))
    assert border_share(heat, placement) == pytest.approx(np.mean(shares), abs=2e-3)
    assert spread(heat, placement) == pytest.approx(np.mean(spreads), abs=2e-3)


def test_heat_in_some_cells_spreads_over_their_share():
    heat = np.zeros((1, 10, 10))
    heat[0, 3:5, 2:7] = 9.0
    assert spread(heat, WHOLE) == pytest.approx(10 / 100)
    assert border_share(heat, WHOLE) == 0.0
    heat[0] = 0.0
    heat[0, 0, :] = 1.0
    assert border_share(heat, WHOLE) == pytest.approx(1.0)


def test_heat_in_the_padding_is_none():
    heat = np.zeros((1, 32, 32))
    heat[0, :7] = 5.0  # rows of the padding above
    assert border_share(heat, PADDED) == spread(heat, PADDED) == 0.0
    heat[0, 16, 16] = 1.0
    assert border_share(heat, PADDED) == 0.0
    assert spread(heat, PADDED) == pytest.approx(1 / (18 * 32))


def test_frames_without_heat_are_left_out_and_a_dim_one_counts_in_full():
    heat = np.zeros((4, 10, 10))
    heat[0, 5, 5] = 1e-30
    heat[1, 0, 0] = 1e30
    heat[3] = np.nan
    assert border_share(heat, WHOLE) == pytest.approx(0.5)
    assert spread(heat, WHOLE) == pytest.approx(0.01)
    assert border_share(heat[2:], WHOLE) == spread(heat[2:], WHOLE) == 0.0
