"""pygif's conformance files: size, frames, delays, loops and pixels as its `.conf` files expect them."""

from __future__ import annotations

from configparser import ConfigParser
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vidcam.errors import VidcamError
from vidcam.media import open_source

BACKGROUND = (90, 120, 30)
# Files without a picture of at least one pixel: an error of one line, where pygif expects an empty canvas or nothing.
EMPTY = (
    "image-zero-height",
    "image-zero-size",
    "max-size",
    "no-data",
    "zero-height",
    "zero-size",
    "overflow-codes-max",
)
# Broken on purpose so that pygif's own decoder gives up; Pillow reads a picture out of them, and so do browsers.
LENIENT = ("invalid-colors", "plain-text")


def conf(path: Path) -> ConfigParser:
    parser = ConfigParser()
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    parser.read_string("\n".join(lines))
    return parser


def expected(folder: Path, name: str) -> np.ndarray | None:
    reference = folder / name.replace(".rgba", ".png")
    if not reference.exists():
        return None
    with Image.open(reference) as image:
        picture = image.convert("RGBA")
    return np.asarray(
        Image.alpha_composite(Image.new("RGBA", picture.size, (*BACKGROUND, 255)), picture).convert("RGB")
    )


def test_every_file_reads_as_expected(shared_data: Path) -> None:
    folder = shared_data / "media" / "pygif"
    checked = 0
    for path in sorted(folder.glob("*.conf")):
        if path.stem in EMPTY + LENIENT:
            continue
        want = conf(path)
        config = want["config"]
        names = config["frames"].split(",")
        with open_source(folder / config["input"], background=BACKGROUND) as source:
            frames = list(source)
        info = source.info
        assert info.size == (int(config["width"]), int(config["height"])), path.stem
        assert len(frames) == len(names) == info.frames, path.stem
        assert (info.kind == "animation") == (len(names) > 1)
        if len(names) > 1:
            repeats = config["loop-count"]
            assert info.loop == (0 if repeats == "infinite" else int(repeats) + 1), path.stem
            delays = [Fraction(int(want[name].get("delay", "0")), 100) for name in names]
            assert [f.duration for f in frames] == delays, path.stem
            assert [f.time for f in frames] == [sum(delays[:i]) for i in range(len(delays))], path.stem
        for frame, name in zip(frames, names, strict=True):
            pixels = expected(folder, want[name]["pixels"])
            if pixels is not None:
                np.testing.assert_array_equal(frame.rgb(), pixels, err_msg=f"{path.stem} {name}")
                checked += 1
    assert checked >= 35


@pytest.mark.parametrize("name", EMPTY)
def test_files_without_a_picture_are_one_line(shared_data: Path, name: str) -> None:
    with pytest.raises(VidcamError) as caught:
        open_source(shared_data / "media" / "pygif" / f"{name}.gif")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", LENIENT)
def test_odd_files_give_their_picture(shared_data: Path, name: str) -> None:
    with open_source(shared_data / "media" / "pygif" / f"{name}.gif") as source:
        assert len(list(source)) == 1
