"""Pictures as video stores them: which frames have planes, and that a file gets them as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.media.make import Video, picture, write_animation, write_video
from vidcam.media import Info, open_sink, open_source
from vidcam.media.color import planes_to_rgb
from vidcam.types import Planes

MOVING = Info(path="none.mp4", kind="video", size=(64, 48))


def stored(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        return [np.frombuffer(p, np.uint8).reshape(p.height, p.line_size)[:, : p.width].copy() for p in frame.planes]


@pytest.mark.parametrize(("matrix", "name"), [(1, "bt709"), (5, "bt601")])
def test_a_frame_has_the_planes_that_the_file_stores(tmp_path: Path, matrix: int, name: str) -> None:
    path = write_video(tmp_path / "a.mp4", Video(frames=3, matrix=matrix, size=(70, 50)))
    with open_source(path) as source:
        frame = next(iter(source))
    assert frame.planes is not None
    assert frame.planes.matrix == name
    for a, b in zip(frame.planes.all, stored(path), strict=True):
        np.testing.assert_array_equal(a, b)
    # Where colours meet, H.264 places a sample of U and V at the left of two pixels, and planes alone in their middle.
    inner = (slice(3, 14), slice(4, 30))
    assert np.abs(planes_to_rgb(frame.planes).astype(int) - frame.rgb())[inner].max() <= 1


@pytest.mark.parametrize(
    "fields",
    [
        {"rotation": 90},
        {"flip": True},
        {"aspect": 2},
        {"full": True, "pixels": "yuvj420p"},
        {"pixels": "yuv444p"},
        {"codec": "libx265", "pixels": "yuv420p10le"},
        {"codec": "libx265", "pixels": "yuv420p10le", "transfer": 16},
        {"matrix": 9, "transfer": 14},
    ],
)
def test_a_picture_that_is_not_stored_as_it_is_shown_has_none(tmp_path: Path, fields: dict[str, Any]) -> None:
    path = write_video(tmp_path / "a.mp4", Video(**{"frames": 2, **fields}))
    with open_source(path) as source:
        assert [f.planes for f in source] == [None, None]


def test_a_picture_of_another_size_or_an_animation_has_none(tmp_path: Path) -> None:
    with open_source(write_video(tmp_path / "a.mp4", Video(frames=2)), max_size=32) as source:
        assert next(iter(source)).planes is None
    with open_source(write_animation(tmp_path / "a.gif", [50] * 2)) as source:
        assert next(iter(source)).planes is None


def test_odd_sides_have_none(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.webm", Video(frames=2, size=(63, 47), codec="libvpx-vp9"))
    with open_source(path) as source:
        frame = next(iter(source))
        assert (frame.size, frame.planes) == ((63, 47), None)


def test_rgb_can_be_given_up_and_made_again(tmp_path: Path) -> None:
    with open_source(write_video(tmp_path / "a.mp4", Video(frames=2))) as source:
        frame = next(iter(source))
    first = frame.rgb()
    assert frame.rgb() is first
    frame.release()
    assert frame.rgb() is not first
    np.testing.assert_array_equal(frame.rgb(), first)
    frame.planes = None
    only = frame.rgb()
    frame.release()
    assert frame.rgb() is only


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize(("matrix", "tag"), [("bt709", 1), ("bt601", 6)])
def test_planes_are_encoded_as_they_are_and_the_file_says_what_they_mean(
    tmp_path: Path, suffix: str, matrix: Any, tag: int
) -> None:
    rng = np.random.default_rng(0)
    planes = Planes(*(rng.integers(30, 220, (48 // n, 64 // n)).astype(np.uint8) for n in (1, 2, 2)), matrix)
    out = tmp_path / f"a{suffix}"
    with open_sink(out, source=MOVING, crf=0) as sink:
        assert sink.stores_planes
        for i in range(3):
            sink.write_planes(planes, i * sink._nominal())  # type: ignore[attr-defined]
    assert (sink.size, sink.frames) == ((64, 48), 3)
    with av.open(str(out)) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_range) == (tag, 1)
    for a, b in zip(stored(out), planes.all, strict=True):
        np.testing.assert_array_equal(a, b)


def test_rgb_and_planes_of_another_matrix_fit_into_a_file_that_has_begun(tmp_path: Path) -> None:
    with open_source(write_video(tmp_path / "a.mp4", Video(frames=1, matrix=5))) as source:
        frame = next(iter(source))
    assert frame.planes is not None
    firsts = {"bt601": frame.planes, "bt709": frame.rgb()}
    for matrix, first in firsts.items():
        out = tmp_path / f"{matrix}.mp4"
        with open_sink(out, source=MOVING, crf=0) as sink:
            second = frame.rgb() if matrix == "bt601" else frame.planes
            for i, shown in enumerate((first, second)):
                write = sink.write_planes if isinstance(shown, Planes) else sink.write
                write(shown, i * sink._nominal())  # type: ignore[attr-defined]
        with open_source(out) as source:
            seen = [f.rgb().astype(int) for f in source]
        # Away from the edges of colours, which a conversion there and back softens.
        inner = (slice(4, 14), slice(4, 26))
        assert all(np.abs(rgb - picture(0).astype(int))[inner].max() <= 6 for rgb in seen)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_every_sink_takes_planes(tmp_path: Path, suffix: str) -> None:
    with open_source(write_video(tmp_path / "a.mp4", Video(frames=1))) as source:
        frame, info = next(iter(source)), source.info
    assert frame.planes is not None
    for name in ("rgb", "planes"):
        with open_sink(tmp_path / f"{name}{suffix}", source=info, start=0.0) as sink:
            assert not sink.stores_planes
            if name == "rgb":
                sink.write(planes_to_rgb(frame.planes), frame.time, frame.duration)
            else:
                sink.write_planes(frame.planes, frame.time, frame.duration)
    assert (tmp_path / f"rgb{suffix}").read_bytes() == (tmp_path / f"planes{suffix}").read_bytes()
