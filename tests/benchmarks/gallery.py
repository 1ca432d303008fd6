"""Draws docs/transformers-and-clips.md's two pictures: maps of a clip network and of a vision transformer.

    python -m tests.benchmarks.gallery

Both are trained here, within a minute, on shapes that are drawn here: the tests' Conv3D network tells whether the
square that moves goes left or right, a transformer of two blocks which colour the one disc has that is not grey. The
pictures are others than those of the training.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

PLACE = Path(__file__).resolve().parents[2] / "samples" / "readme"
COLOURS = np.array([[220, 50, 40], [50, 190, 60], [60, 90, 230]])
SIDE, DISCS, GAP = 32, 4, 6


def discs(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws grey discs on noise, one of which has a colour; uint8 (count, SIDE, SIDE, 3) and which colour."""
    import cv2

    rng = np.random.default_rng(seed)
    pictures = rng.normal(70, 12, (count, SIDE, SIDE, 3)).clip(0, 255).astype(np.uint8)
    labels = np.arange(count) % len(COLOURS)
    for picture, label in zip(pictures, labels, strict=True):
        cells = rng.permutation(9)[:DISCS]
        for number, (row, column) in enumerate(zip(*np.divmod(cells, 3), strict=True)):
            at = (int(5 + 11 * column + rng.integers(-1, 2)), int(5 + 11 * row + rng.integers(-1, 2)))
            cv2.circle(picture, at, 4, COLOURS[label].tolist() if number == 0 else [150, 150, 150], -1, cv2.LINE_AA)
    return pictures, labels


def trained(model: Any, pictures: np.ndarray, labels: np.ndarray, epochs: int) -> Any:
    """Trains a network and returns it."""
    import keras

    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    model.fit(pictures, labels, batch_size=32, epochs=epochs, verbose=0)
    return model


def sheet(pictures: np.ndarray, maps: np.ndarray, scale: int, path: Path) -> None:
    """Writes pictures in a row, and under each what the network goes by."""
    from PIL import Image

    from vidcam import overlay

    large = pictures.repeat(scale, 1).repeat(scale, 2)
    rows = [large, np.stack([overlay(p, m, alpha=0.5) for p, m in zip(large, maps, strict=True)])]
    height, width = large.shape[1:3]
    page = np.full((2 * (height + GAP) - GAP, len(large) * (width + GAP) - GAP, 3), 255, np.uint8)
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            page[y * (height + GAP) :, x * (width + GAP) :][:height, :width] = picture
    Image.fromarray(page).save(path, quality=85, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def clip_network() -> None:
    """Draws Grad-CAM of a Conv3D network over one window."""
    import keras

    from tests import motion
    from vidcam import ClipExplainer, load_model

    keras.utils.set_random_seed(0)
    shown = motion.draw(1024, seed=0)
    clips = load_model(motion.train(motion.conv3d(), shown, 3, 3e-3), labels=("left", "right"))
    clip = motion.draw(2, seed=11).pictures[1]
    sheet(clip, ClipExplainer(clips).window(clip).maps, 10, PLACE / "clip_network.jpg")


def transformer() -> None:
    """Draws HiResCAM of a vision transformer with a class token."""
    import keras

    from tests import transformers
    from vidcam import Explainer, load_model

    keras.utils.set_random_seed(0)
    vit = trained(transformers.vit(size=(SIDE, SIDE), patch=4), *discs(1536, seed=0), epochs=5)
    pictures, labels = discs(6, seed=1)
    found = Explainer(load_model(vit, labels=("red", "green", "blue")), "hirescam", engine="tensorflow")(pictures)
    print(f"the transformer tells {np.mean(found.logits.argmax(1) == labels):.0%} of the colours")
    sheet(pictures, found.maps, 5, PLACE / "transformer.jpg")


def main() -> None:
    """Trains both and writes their pictures."""
    clip_network()
    transformer()


if __name__ == "__main__":
    main()
