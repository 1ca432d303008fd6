"""What the classifier that ships is worth: every figure of its card, with its standard error, as Markdown.

Run: python -m tests.benchmarks.bundled [MODEL] [--input-size N] [--backgrounds FOLDER]
(FOLDER is what tests.benchmarks.backgrounds wrote; of it only `test` is looked at.)
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.benchmarks.machine import DATA
from vidcam.cam import Explainer
from vidcam.media import open_source
from vidcam.metrics.boxes import energy, pointing
from vidcam.metrics.classification import reliability
from vidcam.models import load_model
from vidcam.render import heat_of, peak_of
from vidcam.training.data import by_size
from vidcam.training.pictures import read_picture
from vidcam.types import Array, Classifier

SIDES = (96, 128, 160, 192, 224, 256)
OTHERS = 4
"""At sizes other than the shipped one every so many pictures are looked at."""
CAT_BOXES = {0: (110, 120, 325, 440), 30: (60, 0, 300, 440), 60: (90, 40, 290, 560), 100: (110, 0, 270, 500)}
"""The cat in frames of its phone clip, x0, y0, x1, y1 in pixels."""
ANIMALS = {"cats": range(281, 286), "dogs": range(151, 269)}
"""ImageNet's domestic cats and dogs."""


def share(values: Sequence[float] | Array) -> str:
    """Returns a mean in percent with its standard error."""
    v = np.asarray(values, np.float64)
    return f"{100 * v.mean():.1f} % (±{100 * v.std() / np.sqrt(len(v)):.1f})"


def ask(explainer: Explainer, pictures: Sequence[Array]) -> Array:
    """Returns the probabilities of pictures of any sizes, (N, classes)."""
    fitted = [explainer.classifier.prepare(picture)[0] for picture in pictures]
    found = np.zeros((len(fitted), len(explainer.classifier.labels)))
    for members in by_size(fitted):
        found[members] = explainer.predict([fitted[i] for i in members])[1]
    return found


def two(p: Array) -> Array:
    """Returns the probabilities of cat and dog alone."""
    return p[:, :2] / p[:, :2].sum(axis=1, keepdims=True)


def folder(path: Path) -> tuple[list[Array], Array]:
    """Reads `cats` and `dogs`: the pictures and their classes."""
    files = [(f, c) for c, name in enumerate(("cats", "dogs")) for f in sorted((path / name).glob("*.jpg"))]
    return [read_picture(f) for f, _ in files], np.array([c for _, c in files])


def test_folders(model: Classifier, shipped: Explainer) -> None:
    print("| pictures | short side | number | right of two | calibration error | lost to neither |")
    print("|---|---|---|---|---|---|")
    for name in ("cats_dogs_native", "cats_dogs"):
        pictures, classes = folder(DATA / name / "test")
        for side in sorted(SIDES, key=lambda s: (s != min(model.input_size), s)):
            own = side == min(model.input_size)
            every = 1 if own else OTHERS
            explainer = shipped if own else Explainer(replace(model, input_size=(side, side)), batch_size=32)
            p, truth = ask(explainer, pictures[::every]), classes[::every]
            right = two(p).argmax(axis=1) == truth
            error = reliability(two(p), truth).expected_error
            mark = "**" if own else ""
            lost = share(p.argmax(axis=1) == 2) if p.shape[1] > 2 else "-"
            shown = [f"{name}/test", f"{mark}{side}{mark}", len(truth), share(right), f"{error:.3f}", lost]
            print("|", " | ".join(map(str, shown)), "|", flush=True)


def pets(explainer: Explainer) -> None:
    with (DATA / "pets/heads.csv").open() as file:
        rows = list(csv.DictReader(file))
    figures: dict[str, list[tuple[float, float]]] = {"heat": [], "centre": [], "random": []}
    right, lost = [], []
    rng = np.random.default_rng(0)
    for row in rows:
        picture = read_picture(DATA / "pets/images" / row["file"])
        truth = f"{row['label']}s"
        found = explainer(picture, target=truth)
        p = found.probabilities[:, :2]
        right.append(explainer.classifier.labels[int(p[0].argmax())] == truth)
        lost.append(int(found.probabilities[0].argmax()) == 2)
        h, w = found.maps.shape[1:]
        y, x = (np.arange(n)[:, None] for n in (h, w))
        middle = np.exp(-(((y - (h - 1) / 2) / h) ** 2 + ((x.T - (w - 1) / 2) / w) ** 2) / (2 * 0.25**2))
        box = [tuple(float(row[side]) for side in ("xmin", "ymin", "xmax", "ymax"))]
        for name, raw in (("heat", found.maps[0]), ("centre", middle), ("random", rng.random((h, w)))):
            cells = raw.astype(np.float32)
            heat = heat_of(cells, found.placement, peak_of(cells)).clip(0)
            figures[name].append((pointing(heat, box), energy(heat, box)))  # type: ignore[arg-type]
    print(f"\npets, {len(rows)}: right of two {share(right)}, lost to neither {share(lost)}")
    print("| map | hottest point in the head | heat in the head |\n|---|---|---|")
    for name, values in figures.items():
        hits, shares = zip(*values, strict=True)
        print(f"| {name} | {share(hits)} | {share(shares)} |", flush=True)


def clips(explainer: Explainer) -> None:
    labels = explainer.classifier.labels
    print()
    for name in ("cat_video_2.mp4", "dog_video_2.mp4"):
        with open_source(DATA / "seed/videos" / name) as source:
            frames = [frame.rgb() for frame in source]
        guess = ask(explainer, frames).argmax(axis=1)
        counts = {label: int((guess == i).sum()) for i, label in enumerate(labels)}
        print(f"{name}: of {len(frames)} frames {counts}", flush=True)
        if name.startswith("cat"):
            found = explainer([frames[i] for i in CAT_BOXES], target="cats")
            inside = []
            for raw, box in zip(found.maps, CAT_BOXES.values(), strict=True):
                heat = heat_of(raw, found.placement, peak_of(raw)).clip(0)
                inside.append(energy(heat, [tuple(map(float, box))]))  # type: ignore[list-item]
            print(f"heat in the cat's box: {' '.join(f'{v:.2f}' for v in inside)}, mean {np.mean(inside):.2f}")


def neither(explainer: Explainer, backgrounds: Path | None) -> None:
    animals = {i for found in ANIMALS.values() for i in found}
    files = sorted((DATA / "imagenet_samples").glob("*.jpg"))
    sets = {
        "ImageNet samples without cats and dogs": [f for f in files if int(f.name[:3]) not in animals],
        "of them other animals": [f for f in files if int(f.name[:3]) not in animals and int(f.name[:3]) < 398],
        "ImageNet samples of cats and dogs": [f for f in files if int(f.name[:3]) in animals],
        "chest X-rays": sorted((DATA / "chest_xray/test").rglob("*.jp*g")),
    }
    if backgrounds is not None:
        sets["parts of photographs without an animal"] = sorted((backgrounds / "test").rglob("*.jpg"))
    print("\n| pictures | number | neither |\n|---|---|---|")
    for name, chosen in sets.items():
        p = ask(explainer, [read_picture(f) for f in chosen])
        print(f"| {name} | {len(chosen)} | {share(p.argmax(axis=1) == 2)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="cats_dogs")
    parser.add_argument("--input-size", type=int)
    parser.add_argument("--backgrounds", type=Path)
    given = parser.parse_args()
    model = load_model(given.model, input_size=given.input_size)
    print(f"{model.name}: {model.labels}, {model.fit} at {min(model.input_size)}\n")
    explainer = Explainer(model, batch_size=16)
    clips(explainer)
    pets(explainer)
    if len(model.labels) > 2:
        neither(explainer, given.backgrounds)
    test_folders(model, explainer)


if __name__ == "__main__":
    main()
