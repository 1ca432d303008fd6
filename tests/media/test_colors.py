"""Colours: what is decoded is what the standards say, and what is written is what was meant."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.media.make import Video, write_video
from vidcam.media import Info, open_sink, open_source

WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 9: (0.2627, 0.0593)}  # Kr, Kb of BT.709, BT.601, BT.2020


def to_rgb(planes: list[np.ndarray], matrix: int, full: bool) -> np.ndarray:
    """The formulas of ITU-R BT.601, BT.709 and BT.2020 in float64, for planes of the same size, 8 bits."""
    y, cb, cr = (p.astype(np.float64) for p in planes)
    if full:
        y, cb, cr = y / 255, (cb - 128) / 255, (cr - 128) / 255
    else:
        y, cb, cr = (y - 16) / 219, (cb - 128) / 224, (cr - 128) / 224
    kr, kb = WEIGHTS[matrix]
    red, blue = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    return np.clip(np.stack([red, green, blue], axis=-1) * 255, 0, 255)


def patches(number: int = 0, size: tuple[int, int] = (256, 192)) -> np.ndarray:
    """Smooth patches of 48 colours, each 32x32, the primaries and greys among them."""
    rng = np.random.default_rng(7)
    colors = rng.integers(0, 256, (size[1] // 32, size[0] // 32, 3))
    colors[0, :6] = [(0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128)]
    return np.kron(colors, np.ones((32, 32, 1))).astype(np.uint8)


def inner(picture: np.ndarray) -> np.ndarray:
    """The middles of the patches, where no neighbour reaches."""
    return np.stack([picture[16 + 32 * r, 16::32] for r in range(picture.shape[0] // 32)]).astype(int)


CASES = [(matrix, full) for matrix in (1, 5) for full in (False, True)]


@pytest.mark.parametrize(("matrix", "full"), CASES)
@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p", "yuv444p"])
def test_decoding_agrees_with_the_formulas(tmp_path: Path, matrix: int, full: bool, pixels: str) -> None:
    name = pixels.replace("yuv", "yuvj") if full else pixels
    fields = {"pixels": name, "full": full, "matrix": matrix, "frames": 2, "size": (256, 192), "draw": patches}
    path = write_video(tmp_path / "a.mp4", Video(**fields, options={"crf": "0"}))
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        planes = [np.frombuffer(p, np.uint8).reshape(p.height, p.line_size)[:, : p.width] for p in frame.planes]
    height, width = planes[0].shape
    planes = [p.repeat(height // p.shape[0], 0).repeat(width // p.shape[1], 1) for p in planes]
    with open_source(path) as source:
        rgb = next(iter(source)).rgb()
    assert np.abs(inner(rgb) - inner(to_rgb(planes, matrix, full))).max() <= 2


@pytest.mark.parametrize(("matrix", "full"), CASES)
@pytest.mark.parametrize("tagged", [True, False])
def test_a_picture_comes_back_through_decoding_and_encoding(
    tmp_path: Path, matrix: int, full: bool, tagged: bool
) -> None:
    """Within 2 levels on smooth patches: decode, nothing drawn, nearly lossless encode, decode."""
    if not tagged and (matrix == 1 or full):
        return  # an untagged small file is BT.601, limited
    fields = {"full": full, "matrix": matrix, "tagged": tagged, "frames": 3, "size": (256, 192), "draw": patches}
    pixels = "yuvj420p" if full else "yuv420p"
    path = write_video(tmp_path / "a.mp4", Video(pixels=pixels, **fields, options={"crf": "0"}))
    with open_source(path) as source, open_sink(tmp_path / "b.mp4", source=source.info, crf=1) as sink:
        first = [f.rgb() for f in source]
        for i, rgb in enumerate(first):
            sink.write(rgb, Fraction(i, 25), None)
    with open_source(tmp_path / "b.mp4") as source:
        second = [f.rgb() for f in source]
    for before, after in zip(first, second, strict=True):
        assert np.abs(inner(before) - inner(after)).max() <= 2
    assert np.abs(inner(second[0]) - inner(patches())).max() <= 4  # two passes through 8-bit Y'CbCr


def test_ten_bits_keep_their_colours(tmp_path: Path) -> None:
    fields = {"pixels": "yuv420p10le", "frames": 2, "size": (256, 192), "draw": patches, "matrix": 1}
    path = write_video(tmp_path / "a.mkv", Video(codec="libx265", **fields))
    with open_source(path) as source:
        assert np.abs(inner(next(iter(source)).rgb()) - inner(patches())).max() <= 4


def test_what_is_written_is_tagged_as_it_is(tmp_path: Path) -> None:
    """The written numbers, read by the formulas for BT.709 limited, are the picture."""
    info = Info("x", "video", (256, 192), fps=Fraction(25))
    with open_sink(tmp_path / "a.mp4", source=info, crf=0) as sink:
        sink.write(patches(), Fraction(0), None)
    with av.open(str(tmp_path / "a.mp4")) as container:
        frame = next(container.decode(video=0))
        planes = [np.frombuffer(p, np.uint8).reshape(p.height, p.line_size)[:, : p.width] for p in frame.planes]
    planes = [planes[0], *(p.repeat(2, 0).repeat(2, 1) for p in planes[1:])]
    assert np.abs(inner(to_rgb(planes, 1, full=False)) - inner(patches())).max() <= 2
