"""What varies in a training picture."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from tests.training import drawn
from vidcam.training import augment as module
from vidcam.training.augment import DRAWS, Variation, augment, draw_looks, show_parts

MIDDLE, PLAIN = 0.5, 0.9
"""Draws that neither shift nor turn, and one that does not mirror."""


@pytest.fixture(name="pixels")
def _pixels() -> np.ndarray:
    return np.stack([drawn.picture("disc", i, 32) for i in range(8)])


def varied(pixels: np.ndarray, seed: tuple[int, int], variation: Variation, size: tuple[int, int] = (32, 32)) -> Any:
    looks = draw_looks(len(pixels), *seed)
    return augment(pixels, looks, np.ones(len(pixels), np.float32), size, seed=seed, variation=variation).numpy()


def shown(
    pixels: np.ndarray, variation: Variation, size: tuple[int, int], *, aspect: float = 1.0, whole: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Looks straight at the middle."""
    draws = np.full((len(pixels), DRAWS), MIDDLE, np.float32)
    draws[:, 4] = PLAIN
    seen, inside = show_parts(pixels, draws, np.full(len(pixels), aspect, np.float32), size, variation, whole=whole)
    return seen.numpy(), inside.numpy()[..., 0]


def test_the_seed_decides(pixels: np.ndarray) -> None:
    once = varied(pixels, (1, 2), Variation())
    assert once.shape == pixels.shape
    assert once.dtype == np.float32
    assert once.min() >= 0
    assert once.max() <= 255
    np.testing.assert_array_equal(once, varied(pixels, (1, 2), Variation()))
    assert np.abs(once - varied(pixels, (1, 3), Variation())).max() > 1


def test_without_its_ranges_only_mirroring_is_left(pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = {"GAIN": 0.0, "TINT": 0.0, "LIGHT": 0.0, "TURN": 0.0, "HIDDEN": 0.0, "COLOR": (1.0, 1.0)}
    for name, value in plain.items():
        monkeypatch.setattr(module, name, value)
    seen = varied(pixels, (5, 6), Variation((1.0, 1.0), (1.0, 1.0)))
    same = [np.abs(a - b).max() < 0.01 for a, b in zip(seen, pixels, strict=True)]
    mirrored = [np.abs(a - b[:, ::-1]).max() < 0.01 for a, b in zip(seen, pixels, strict=True)]
    assert all(a != b for a, b in zip(same, mirrored, strict=True))
    assert any(same)
    assert any(mirrored)


def test_a_picture_that_was_squashed_is_shown_at_its_own_aspect() -> None:
    """A disc in a picture of 2:1, kept as a square, is round again; stretched on purpose it is as wide as asked."""
    canvas = np.zeros((64, 128, 3), np.uint8)
    cv2.circle(canvas, (64, 32), 20, (255, 255, 255), -1)
    squashed = cv2.resize(canvas, (64, 64), interpolation=cv2.INTER_AREA)[None]
    for stretch in (0.5, 1.0, 2.0):
        seen, _ = shown(squashed, Variation((1.0, 1.0), (stretch, stretch)), (96, 96), aspect=2.0)
        disc = seen[0, ..., 0] > 127
        assert disc.any(axis=0).sum() / disc.any(axis=1).sum() == pytest.approx(stretch, rel=0.08)


def test_the_share_of_the_area_that_is_seen(pixels: np.ndarray) -> None:
    seen, inside = shown(pixels, Variation((0.25, 0.25), (1.0, 1.0)), (32, 32))
    assert inside.all()
    want = cv2.resize(pixels[0][8:24, 8:24].astype(np.float32), (32, 32), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(seen[0, 2:-2, 2:-2], want[2:-2, 2:-2], atol=0.01)
    _, inside = shown(pixels, Variation((4.0, 4.0), (1.0, 1.0)), (32, 32))
    assert inside[0].mean() == pytest.approx(0.25, abs=0.02)
    whole, inside = shown(pixels, Variation((4.0, 4.0), (1.0, 1.0)), (32, 32), whole=True)
    assert inside.all()
    np.testing.assert_allclose(whole, pixels, atol=0.01)


@pytest.mark.parametrize("factor", [2, 4])
def test_what_is_shrunk_is_averaged(factor: int) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (1, 64, 64, 3)).astype(np.uint8)
    seen, _ = shown(pixels, Variation((1.0, 1.0), (1.0, 1.0)), (64 // factor, 64 // factor))
    side = 64 // factor
    want = pixels[0].reshape(side, factor, side, factor, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(seen[0], want, atol=0.01)


def test_surroundings_and_what_hides_a_picture_are_of_the_background(
    pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = {"GAIN": 0.0, "TINT": 0.0, "LIGHT": 0.0, "TURN": 0.0, "HIDDEN": 1.0, "COLOR": (1.0, 1.0)}
    for name, value in plain.items():
        monkeypatch.setattr(module, name, value)
    ground = np.full((2, 32, 32, 3), (10, 220, 30), np.uint8)
    seen = varied(pixels, (3, 4), Variation((2.0, 2.0), (1.0, 1.0), grounds=ground))
    hidden = (np.abs(seen - ground[0].astype(np.float32)) < 0.5).all(axis=-1).mean(axis=(1, 2))
    assert (hidden > 0.5).all()  # half of the area, and a patch in front
    assert (hidden < 0.9).all()
    grey = varied(pixels, (3, 4), Variation((2.0, 2.0), (1.0, 1.0)))
    np.testing.assert_array_equal((grey == module.BORDER_GREY).all(axis=-1).mean(axis=(1, 2)), hidden)


def test_each_side_takes_the_same_time() -> None:
    sides = (64, 128)
    drawn_sides = [Variation(sides=sides).side(i, 7) for i in range(4000)]
    counts = np.array([drawn_sides.count(s) * s * s for s in sides], np.float64)
    assert counts[0] / counts[1] == pytest.approx(1.0, abs=0.15)
    assert drawn_sides[:50] == [Variation(sides=sides).side(i, 7) for i in range(50)]
    assert Variation().side(0, 7) is None
