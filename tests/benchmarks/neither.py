"""Fits a trained network's row for "no cat or dog" anew, and says by cross-validation what that is worth.

Everything but that row of the last layer stays: the network tells cats from dogs as before. The row is a logistic
regression on the pooled features against the logits of the other classes, pulled towards the row that training found.
The pictures that show neither are judged in five folds that keep the frames of a clip, the pictures of a person and
the parts of a photograph together.

Run: python -m tests.benchmarks.neither MODEL.keras OUT.keras --backgrounds FOLDER
(FOLDER is what tests.benchmarks.backgrounds wrote.)
"""

from __future__ import annotations

import argparse
import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.bundled import ANIMALS, share
from tests.benchmarks.machine import DATA
from vidcam.models import fit_frame, load_model, save_classifier
from vidcam.models.archive import ENTRY
from vidcam.training import half
from vidcam.training.data import by_size
from vidcam.training.options import OWN
from vidcam.training.pictures import read_picture
from vidcam.types import Array

SIDES = (128, 192)
"""Short sides in pixels at which pictures are looked at while the row is fitted; it is judged at the last one."""
FOLDS = 5
LOST = 0.004
"""The share of the cats and dogs that it was fitted on that may be taken for neither: of others it is more."""
STEPS = 12
PULL = 1.0
"""How strongly the row is held at what training found, per unit of its standardised weights squared."""
KNOWN = (1600, 1600)
"""How many cats and dogs at their own aspect, and how many squashed ones, the row is fitted against."""


def negatives(backgrounds: Path) -> dict[str, list[tuple[Path, str]]]:
    """Returns pictures of neither by their source, each with the name of what it must stay together with."""
    animals = {i for found in ANIMALS.values() for i in found}
    samples = [f for f in sorted((DATA / "imagenet_samples").glob("*.jpg")) if int(f.name[:3]) not in animals]
    rays = sorted((DATA / "chest_xray").rglob("*.jp*g"))[::4]
    found = {"ImageNet samples": [(f, f.name) for f in samples]}
    found["X-rays"] = [(f, re.search(r"(person|IM-)\d+", f.name)[0]) for f in rays]  # type: ignore[index]
    for split in ("train", "test"):
        for kind in sorted(p.name for p in (backgrounds / split).iterdir()):
            files = sorted((backgrounds / split / kind).glob("*.jpg"))
            if kind == "parts":
                found.setdefault("parts of photographs", []).extend((f, f"{split} {f.name}") for f in files)
            elif kind == "clips":
                found["frames of clips"] = [(f, f.name.rsplit("_", 1)[0]) for f in files]
    return found


def positives(part: str) -> list[Path]:
    """Returns pictures of cats and dogs, half of each: those of the training folders, or those of the test folders."""
    chosen = []
    for name, count in zip(("cats_dogs_native", "cats_dogs"), KNOWN, strict=True):
        for animal in ("cats", "dogs"):
            files = sorted((DATA / name / part / animal).glob("*.jpg"))
            chosen += files[:: max(1, len(files) // (count // 2))] if part == "train" else files
    return chosen


class Features:
    """The pooled features of pictures at several sizes, asked for once each."""

    def __init__(self, model: Any) -> None:
        from vidcam._tensorflow import keras, tf

        open_sized = OWN[model.name]((None, None), 3)
        open_sized.set_weights(model.get_weights())
        wide = keras.Model(open_sized.input, open_sized.get_layer("predictions").input)
        self._forward = tf.function(lambda x: wide(tf.cast(x, tf.float32), training=False), reduce_retracing=True)

    def __call__(self, files: list[Path], side: int) -> Array:
        pixels = [fit_frame(read_picture(f), (side, side), "keep")[0] for f in files]
        found: Array | None = None
        for members in by_size(pixels):
            for i in range(0, len(members), 32):
                chosen = members[i : i + 32]
                part = self._forward(np.stack([pixels[c] for c in chosen])).numpy()
                found = np.zeros((len(files), part.shape[1]), np.float32) if found is None else found
                found[chosen] = part
        assert found is not None
        return found


def fit_row(x: Array, y: Array, weight: Array, offset: Array, start: Array) -> Array:
    """Fits a row and its bias, float64 (k + 1,), whose score less the offset says how likely y is (0 or 1).

    Newton's steps on the cross-entropy, with the row pulled towards where it starts.
    """
    spread = x.std(axis=0) + 1e-3
    ones = np.concatenate([x / spread, np.ones((len(x), 1), x.dtype)], axis=1)
    first = np.concatenate([start[:-1] * spread, start[-1:]])
    pull, w = np.append(np.full(x.shape[1], PULL), 1e-6), first.copy()

    def loss(w: Array) -> float:
        away = w - first
        score = (ones @ w - offset) * (1 - 2 * y)
        return float((weight * np.logaddexp(0, score)).sum() + (pull * away**2).sum() / 2)

    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-np.clip(ones @ w - offset, -30, 30)))
        slope = (weight * (p - y)) @ ones + pull * (w - first)
        bend = (ones * (weight * p * (1 - p)).astype(x.dtype)[:, None]).T @ ones
        step, now = np.linalg.solve(bend + np.diag(pull), slope), loss(w)
        while loss(w - step) > now and np.abs(step).max() > 1e-9:
            step /= 2
        w = w - step
    return np.concatenate([w[:-1] / spread, w[-1:]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--backgrounds", type=Path, required=True)
    given = parser.parse_args()
    classifier = load_model(given.model)
    model = classifier.model
    kernel, bias = model.get_layer("predictions").get_weights()
    features, sources = Features(model), negatives(given.backgrounds)
    cats_and_dogs = positives("train")
    known = np.concatenate([features(cats_and_dogs, side) for side in SIDES])
    shown = {name: [features([f for f, _ in files], side) for side in SIDES] for name, files in sources.items()}
    rng = np.random.default_rng(0)
    folds = {}
    for name, files in sources.items():
        groups = sorted({group for _, group in files})
        number = dict(zip(groups, rng.permutation(len(groups)) % FOLDS, strict=True))
        folds[name] = np.array([number[group] for _, group in files])

    def fitted(left_out: int | None) -> Array:
        parts = {n: np.concatenate([f[folds[n] != left_out] for f in sized]) for n, sized in shown.items()}
        x = np.concatenate([known, *parts.values()])
        y = np.concatenate([np.zeros(len(known)), np.ones(len(x) - len(known))])
        counts = [1.0 / len(p) / len(parts) for p in parts.values()]
        each = [np.full(len(p), c) for p, c in zip(parts.values(), counts, strict=True)]
        weight = np.concatenate([np.full(len(known), 1 / len(known)), *each])
        others = x @ kernel[:, :2] + bias[:2]
        offset = np.logaddexp.reduce(others.astype(np.float64), axis=1)
        row = fit_row(x, y, weight, offset, np.append(kernel[:, 2], bias[2]).astype(np.float64))
        excess = x[: len(known)] @ row[:-1] + row[-1] - others[: len(known)].max(axis=1)
        row[-1] -= np.quantile(excess, 1 - LOST)
        return row

    def neither(x: Array, row: Array) -> Array:
        return x @ row[:-1] + row[-1] > (x @ kernel[:, :2] + bias[:2]).max(axis=1)

    print("| pictures, each judged by a row that saw none of its fold | number | neither | by the row of training |")
    print("|---|---|---|---|")
    rows, trained = [fitted(i) for i in range(FOLDS)], np.append(kernel[:, 2], bias[2])
    every: list[Array] = []
    for name, sized in shown.items():
        x = sized[-1]
        said = np.zeros(len(x), bool)
        for i, row in enumerate(rows):
            said[folds[name] == i] = neither(x[folds[name] == i], row)
        every.append(said)
        print(f"| {name} | {len(x)} | {share(said)} | {share(neither(x, trained))} |", flush=True)
    print(f"| all | {sum(map(len, every))} | {share(np.concatenate(every))} | |")
    row = fitted(None)
    tested = positives("test")
    for name in ("cats_dogs_native", "cats_dogs"):
        files = [f for f in tested if name == f.parents[2].name]
        x = features(files, SIDES[-1])
        print(f"{name}/test, {len(files)}: lost to neither {share(neither(x, row))}", flush=True)
    kernel[:, 2], bias[2] = row[:-1], row[-1]
    # Less the mean of cat and dog every row gives the same probabilities, and a cat's map shows what no dog has.
    kernel -= kernel[:, :2].mean(axis=1, keepdims=True)
    bias -= bias[:2].mean()
    model.get_layer("predictions").set_weights([kernel, bias])
    half.round_weights(model)
    shipped = replace(classifier, name=given.out.stem, input_size=(SIDES[-1], SIDES[-1]), source=str(given.out))
    with zipfile.ZipFile(given.model) as archive:
        training = json.loads(archive.read(ENTRY))["training"]
    save_classifier(shipped, given.out, extra={"training": {**training, "neither": "fitted anew"}})
    half.halve(given.out)


if __name__ == "__main__":
    main()
