"""Real files of many makers, in and out: frames, times, sizes and sound as in the source."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.media.make import streams_of
from vidcam.errors import VidcamError
from vidcam.media import open_sink, open_source

VIDEOS = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".wmv")
PICTURES = (".gif", ".png", ".apng", ".webp", ".jpg", ".jfif", ".avif")


def files(folder: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    for place in ("media", "seed"):
        for path in sorted((folder / place).rglob("*")):
            if path.suffix.lower() in suffixes and path.parent.name != "pygif":
                yield path


def test_every_file_is_read_or_is_an_error_of_one_line(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = []
    for path in files(shared_data, VIDEOS + PICTURES):
        try:
            with open_source(path, end=0.5) as source:
                frames = list(source)
            info = source.info
            shown = f"{info.kind} {info.size[0]}x{info.size[1]}, {len(frames)} frames in the first half second"
            assert frames[0].rgb().shape == (*info.size[::-1], 3)
        except VidcamError as error:
            shown = str(error)
            assert str(path) in shown
            assert "\n" not in shown
        table.append(f"{path.relative_to(shared_data)}: {shown}")
    with capsys.disabled():
        print("", *table, sep="\n  ")
    refused = [line for line in table if "/" in line.split(": ", 1)[1]]
    assert len(refused) <= 10  # no stream, no frame, only sound, bombs


@pytest.mark.parametrize("number", [0, 3])
def test_times_are_the_true_ones(shared_data: Path, number: int) -> None:
    """nasa_13013.mp4 has two video streams and the true times of both beside it; the larger one is taken."""
    folder = shared_data / "media" / "torchcodec"
    truth = json.loads((folder / f"nasa_13013.mp4.stream{number}.all_frames_info.json").read_text())
    with open_source(folder / "nasa_13013.mp4") as source:
        frames = list(source)
    if number == 3:
        assert source.info.size == (480, 270)
        for frame, true in zip(frames, truth, strict=True):
            assert float(frame.time) == pytest.approx(float(true["pts_time"]), abs=1e-6)
            assert float(frame.duration) == pytest.approx(float(true["duration_time"]), abs=1e-4)
    else:
        assert len(frames) != len(truth)


def reference_times(path: Path) -> list[float]:
    """All frames' times, straight from the decoder, for files with one video stream."""
    with av.open(str(path)) as container:
        return [float(f.pts * f.time_base) for f in container.decode(video=0)]


def upright_size(path: Path) -> tuple[int, int]:
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        aspect = container.streams.video[0].sample_aspect_ratio or Fraction(1)
    size = (round(frame.width * aspect), frame.height)
    return size[::-1] if frame.rotation % 180 else size


@pytest.mark.parametrize("large", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_videos_go_through_with_their_frames_times_and_sound(shared_data: Path, tmp_path: Path, large: bool) -> None:
    through = 0
    for path in files(shared_data, VIDEOS):
        if (path.stat().st_size > 110_000) != large or "nasa" in path.name:
            continue
        try:
            source = open_source(path)
        except VidcamError:
            continue
        out = tmp_path / f"{through}.mp4"
        with source, open_sink(out, source=source.info, preset="ultrafast") as sink:
            for frame in source:
                sink.write(frame.rgb(), frame.time, frame.duration)
        before, after = reference_times(path), reference_times(out)
        assert len(before) == len(after), path
        shift = after[0] - before[0]
        np.testing.assert_allclose(np.array(after) - shift, before, atol=0.001, err_msg=str(path))
        width, height = upright_size(path)
        assert upright_size(out) == (width + width % 2, height + height % 2), path
        sound = [[s for s in streams_of(p) if s["type"] == "audio"] for p in (path, out)]
        for a, b in zip(*sound, strict=True):
            assert [data for _, data in a["packets"]] == [data for _, data in b["packets"]], path
            starts = [float(t["packets"][0][0]) for t in (a, b)]
            assert starts[1] - starts[0] == pytest.approx(shift, abs=1 / 30), path
        through += 1
    assert through >= (15 if large else 13)


def picture_delays(path: Path) -> list[int]:
    with Image.open(path) as image:
        return [(image.seek(i), image.load(), image.info.get("duration"))[2] for i in range(image.n_frames)]


@pytest.mark.parametrize("large", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_gifs_go_through_with_their_delays_and_loops(shared_data: Path, tmp_path: Path, large: bool) -> None:
    through = 0
    for path in files(shared_data, (".gif",)):
        if (path.stat().st_size > 60_000) != large:
            continue
        try:
            source = open_source(path)
        except VidcamError:
            continue
        delays = picture_delays(path)
        if len(delays) < 2 or None in delays:
            continue
        out = tmp_path / path.name
        with source, open_sink(out, source=source.info) as sink:
            for frame in source:
                sink.write(frame.rgb(), frame.time, frame.duration)
        assert picture_delays(out) == delays, path
        with Image.open(path) as a, Image.open(out) as b:
            assert a.info.get("loop") == b.info.get("loop"), path
        with open_source(path) as a, open_source(out) as b:
            for before, after in zip(a, b, strict=True):
                assert np.abs(before.rgb().astype(int) - after.rgb()).mean() < 6, path
        through += 1
    assert through >= (4 if large else 9)
