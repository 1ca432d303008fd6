"""What varies in a training picture."""

from __future__ import annotations

import numpy as np
import pytest

from tests.training import drawn
from vidcam.training import augment as module
from vidcam.training.augment import augment


@pytest.fixture(name="pixels")
def _pixels() -> np.ndarray:
    return np.stack([drawn.picture("disc", i, 32) for i in range(8)])


def test_the_seed_decides(pixels: np.ndarray) -> None:
    once = augment(pixels, (1, 2)).numpy()
    assert once.shape == pixels.shape
    assert once.dtype == np.float32
    assert once.min() >= 0
    assert once.max() <= 255
    np.testing.assert_array_equal(once, augment(pixels, (1, 2)).numpy())
    assert np.abs(once - augment(pixels, (1, 3)).numpy()).max() > 1


def test_without_its_ranges_only_mirroring_is_left(pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AREA": (1.0, 1.0), "ASPECT": (1.0, 1.0), "GAIN": 0.0, "TINT": 0.0, "LIGHT": 0.0}.items():
        monkeypatch.setattr(module, name, value)
    varied = augment(pixels, (5, 6)).numpy()
    same = [np.abs(a - b).max() < 0.01 for a, b in zip(varied, pixels, strict=True)]
    mirrored = [np.abs(a - b[:, ::-1]).max() < 0.01 for a, b in zip(varied, pixels, strict=True)]
    assert all(a != b for a, b in zip(same, mirrored, strict=True))
    assert any(same)
    assert any(mirrored)
