"""Pictures that tests draw: discs and squares, easy enough to be learnt in a few steps."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

KINDS = ("disc", "ring", "square")


def picture(kind: str, seed: int, size: int = 40) -> np.ndarray:
    """Draws one shape, uint8 (size, size, 3): its class shows in form and colour."""
    rng = np.random.default_rng([KINDS.index(kind), seed])
    canvas = rng.integers(0, 60, (size, size, 3)).astype(np.uint8)
    x, y = (int(v) for v in rng.integers(size // 3, 2 * size // 3, 2))
    r = size // 4
    if kind == "square":
        cv2.rectangle(canvas, (x - r, y - r), (x + r, y + r), (40, 200, 60), -1)
    else:
        cv2.circle(canvas, (x, y), r, (230, 80, 60) if kind == "disc" else (60, 80, 230), -1 if kind == "disc" else 3)
    return canvas


def folder(root: Path, kinds: tuple[str, ...] = ("disc", "square"), count: int = 12, first: int = 0) -> Path:
    """Fills `root/kind/N.png`."""
    for kind in kinds:
        (root / kind).mkdir(parents=True)
        for i in range(first, first + count):
            cv2.imwrite(str(root / kind / f"{i:03}.png"), picture(kind, i)[..., ::-1])
    return root


def splits(root: Path, kinds: tuple[str, ...] = ("disc", "square"), count: int = 12) -> Path:
    """Fills `root/train` and `root/test`, with different pictures."""
    folder(root / "train", kinds, count)
    folder(root / "test", kinds, 4, first=1000)
    return root
