"""Videos cut at key frames, read apart, written apart and joined: the same frames, times and sound as the whole."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.media.make import Sound, Video, number_of, streams_of, write_video
from vidcam.errors import UsageError, VidcamError
from vidcam.media import open_sink, open_source
from vidcam.media.read.segments import cut_points
from vidcam.media.write.join import open_joined
from vidcam.types import Frame

GOP = {"g": "8", "bf": "3", "x264-params": "scenecut=0:open-gop=1"}
VARYING = [0, 40, 80, 200, 210, 260, 300, 500, 540, 580, 600, 640, 760, 800, 840, 1000, 1040, 1200, 1210, 1220, 1500]


@pytest.fixture(
    name="clip",
    params=["constant", "varying", "late", "edit list", "sound first", "matroska", "second half"],
)
def _clip(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Fraction, Fraction | None]:
    """A clip of several groups of pictures with B-frames across them, and the stretch of it that is asked for."""
    tone = Sound(seconds=Fraction(2))
    kinds = {
        "constant": Video(frames=40, options=GOP, sounds=[tone]),
        "varying": Video(frames=len(VARYING), times=VARYING, options=GOP, sounds=[tone]),
        "late": Video(frames=40, start=700, options=GOP, sounds=[tone]),
        "edit list": Video(frames=40, start=480, options=GOP, container={"use_editlist": "1"}),
        "sound first": Video(frames=40, start=300, options=GOP, sounds=[tone]),
        "matroska": Video(frames=40, options=GOP, sounds=[tone]),
        "second half": Video(frames=40, options=GOP, sounds=[tone]),
    }
    kind = request.param
    path = write_video(tmp_path / f"clip{'.mkv' if kind == 'matroska' else '.mp4'}", kinds[kind])
    return (path, Fraction(1, 5), Fraction(13, 10)) if kind == "second half" else (path, Fraction(0), None)


def frames_of(path: Path, start: Fraction | None = None, end: Fraction | None = None) -> list[Frame]:
    with open_source(path, start=start, end=end) as source:
        return list(source)


def parts_of(path: Path, start: Fraction, end: Fraction | None) -> list[tuple[Fraction, Fraction | None]]:
    with open_source(path) as source:
        info = source.info
    points = cut_points(info, start=start, end=end, length=Fraction(3, 10))
    return list(zip((start, *points), (*points, end), strict=True))


def test_the_parts_give_every_frame_once(clip):
    path, start, end = clip
    whole = frames_of(path, start, end)
    parts = parts_of(path, start, end)
    assert len(parts) >= 3
    found = [frame for part in parts for frame in frames_of(path, *part)]
    assert [f.time for f in found] == [f.time for f in whole]
    assert [f.duration for f in found] == [f.duration for f in whole]
    for a, b in zip(found, whole, strict=True):
        np.testing.assert_array_equal(a.rgb(), b.rgb())


def test_what_is_joined_plays_like_the_whole(clip, tmp_path):
    path, start, end = clip
    with open_source(path) as source:
        info = source.info
    settings = {"source": info, "start": start, "end": end}
    with open_sink(tmp_path / "whole.mp4", **settings) as sink:
        for frame in frames_of(path, start, end):
            sink.write(frame.rgb(), frame.time, frame.duration)
    with open_joined(tmp_path / "joined.mp4", **settings) as joined:
        for number, part in enumerate(parts_of(path, start, end)):
            file = tmp_path / f"part{number}.mp4"
            with open_sink(file, **settings, audio=False) as sink:
                for frame in frames_of(path, *part):
                    sink.write(frame.rgb(), frame.time, frame.duration)
            joined.append(file)
    whole, made = frames_of(tmp_path / "whole.mp4"), frames_of(tmp_path / "joined.mp4")
    assert joined.frames == len(whole)
    assert joined.size == (64, 48)
    assert [f.time for f in made] == [f.time for f in whole]
    assert [f.duration for f in made] == [f.duration for f in whole]
    assert [number_of(f.rgb()) for f in made] == [number_of(f.rgb()) for f in whole]
    sounds = [[s for s in streams_of(tmp_path / name) if s["type"] == "audio"] for name in ("whole.mp4", "joined.mp4")]
    assert sounds[0] == sounds[1]
    assert bool(sounds[0]) == bool(info.audio)


def test_a_file_that_cannot_be_cut_is_one_part(tmp_path):
    path = write_video(tmp_path / "one.mp4", Video(frames=30, options={"g": "250"}))
    assert parts_of(path, Fraction(0), None) == [(Fraction(0), None)]


def test_a_part_is_never_much_shorter_than_asked(tmp_path):
    path = write_video(tmp_path / "many.mp4", Video(frames=60, options={"g": "2"}))
    with open_source(path) as source:
        info = source.info
    points = cut_points(info, start=Fraction(0), end=None, length=Fraction(1))
    assert points == (Fraction(26, 25),)  # what is left, 1.3 s, gives no second part of a second and half of one
    assert cut_points(info, start=Fraction(0), end=Fraction(3, 2), length=Fraction(1)) == ()


def test_parts_of_another_size_are_refused_and_leave_nothing(tmp_path):
    files = []
    for size in ((64, 48), (32, 32)):
        source = write_video(tmp_path / f"{size[0]}.mp4", Video(frames=4, size=size))
        with open_source(source) as opened:
            info = opened.info
            with open_sink(tmp_path / f"part{size[0]}.mp4", source=info) as sink:
                for frame in opened:
                    sink.write(frame.rgb(), frame.time, frame.duration)
        files.append(Path(sink.path))
    with open_joined(tmp_path / "out.mp4", source=info) as joined:
        joined.append(files[0])
        with pytest.raises(VidcamError, match="another way"):
            joined.append(files[1])
        joined.abort()
    joined = open_joined(tmp_path / "out.mp4", source=info)
    with pytest.raises(VidcamError, match="cannot be read"):
        joined.append(tmp_path / "missing.mp4")
    joined.abort()
    assert not (tmp_path / "out.mp4").exists()
    with pytest.raises(UsageError, match="exists already"):
        open_joined(files[0], source=info)
