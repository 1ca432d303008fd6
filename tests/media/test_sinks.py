"""What is written: times, sound, tags, formats, and that nothing half-written is left behind."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from tests.media.make import Sound, number_of, picture, streams_of, write_animation
from vidcam._files import size_text
from vidcam.errors import UsageError, VidcamError
from vidcam.media import Info, Sink, open_sink, open_source

MakeVideo = Callable[..., Path]
MOVING = Info(path="none.mp4", kind="video", size=(64, 48), fps=Fraction(25))
STILL = Info(path="none.png", kind="image", size=(64, 48))


def convert(source_path: Path, out: Path, start: Any = None, end: Any = None, stride: int = 1, **options: Any) -> Any:
    """Passes every picture through unchanged, as the pipeline does."""
    with (
        open_source(source_path, start=start, end=end, stride=stride) as source,
        open_sink(out, source=source.info, start=start, end=end, **options) as sink,
    ):
        for frame in source:
            sink.write(frame.rgb(), frame.time, frame.duration)
    return sink


def times(path: Path) -> list[int]:
    with open_source(path) as source:
        return [round(f.time * 1000) for f in source]


def sounds(path: Path) -> list[dict]:
    return [s for s in streams_of(path) if s["type"] == "audio"]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("at", [[0, 40, 80, 120], [0, 40, 50, 200, 210, 500, 1000, 1400]])
def test_video_keeps_every_frame_at_its_own_time(video: MakeVideo, tmp_path: Path, suffix: str, at: list[int]) -> None:
    source = video("in.mp4", times=at)
    sink = convert(source, tmp_path / f"out{suffix}")
    assert sink.frames == len(at)
    with open_source(tmp_path / f"out{suffix}") as out:
        frames = list(out)
    assert [round(f.time * 1000) for f in frames] == at
    assert [number_of(f.rgb()) for f in frames] == list(range(len(at)))


def test_the_last_frame_keeps_its_duration(tmp_path: Path) -> None:
    with open_sink(tmp_path / "a.mp4", source=MOVING) as sink:
        for i in range(3):
            sink.write(picture(i), Fraction(i, 10), Fraction(1, 10))
        sink.write(picture(3), Fraction(3, 10), Fraction(7, 10))
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.duration == pytest.approx(1_000_000, abs=1000)


def test_frames_at_one_time_stay_in_order(tmp_path: Path) -> None:
    with open_sink(tmp_path / "a.mp4", source=MOVING, crf=1) as sink:
        for i in range(4):
            sink.write(picture(i), Fraction(0), None)
    with open_source(tmp_path / "a.mp4") as source:
        assert [number_of(f.rgb()) for f in source] == [0, 1, 2, 3]


def test_an_animation_without_delays_plays_as_in_a_browser(tmp_path: Path) -> None:
    write_animation(tmp_path / "a.gif", [0, 0, 0])
    convert(tmp_path / "a.gif", tmp_path / "a.mp4")
    assert times(tmp_path / "a.mp4") == [0, 100, 200]


def test_mp4_is_what_browsers_play(video: MakeVideo, tmp_path: Path) -> None:
    convert(video("in.mp4", full=True, pixels="yuvj420p"), tmp_path / "out.mp4", comment="made by a test")
    data = (tmp_path / "out.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)
        assert container.metadata["comment"] == "made by a test"


@pytest.mark.parametrize(("size", "written"), [((63, 47), (64, 48)), ((1, 1), (2, 2)), ((64, 47), (64, 48))])
def test_odd_sides_repeat_one_line(tmp_path: Path, size: tuple[int, int], written: tuple[int, int]) -> None:
    slope = np.add.outer(np.arange(size[1]) * 3, np.arange(size[0]))
    rgb = np.repeat(slope[..., None], 3, axis=2).astype(np.uint8)
    with open_sink(tmp_path / "a.mp4", source=MOVING, crf=1) as sink:
        sink.write(rgb, Fraction(0), None)
        assert sink.size == written
    with open_source(tmp_path / "a.mp4") as source:
        out = next(iter(source)).rgb().astype(int)
    assert (out.shape[1], out.shape[0]) == written
    np.testing.assert_allclose(out[: size[1], : size[0]], rgb, atol=4)
    np.testing.assert_allclose(out[size[1] - 1 :, : size[0]] - out[size[1] - 1, : size[0]], 0, atol=2)


def test_sound_is_copied_byte_for_byte_and_stays_in_step(video: MakeVideo, tmp_path: Path) -> None:
    tracks = [
        Sound(seconds=Fraction(2), language="deu"),
        Sound(codec="libmp3lame"),
        Sound(start=Fraction(1, 2), language="fra"),
    ]
    source = video("in.mp4", sounds=tracks, frames=50)
    convert(source, tmp_path / "out.mp4")
    before, after = sounds(source), sounds(tmp_path / "out.mp4")
    assert len(after) == 3
    for a, b in zip(before, after, strict=True):
        assert [data for _, data in a["packets"]] == [data for _, data in b["packets"]]
        assert float(abs(a["packets"][0][0] - b["packets"][0][0])) < 0.001
        assert a["language"] == b["language"] or a["language"] == ""


@pytest.mark.parametrize(("picture_start", "sound_start"), [(0, 700), (700, 0), (300, 300)])
def test_late_pictures_and_late_sound_keep_their_distance(
    video: MakeVideo, tmp_path: Path, picture_start: int, sound_start: int
) -> None:
    source = video("in.mkv", start=picture_start, frames=30, sounds=[Sound(start=Fraction(sound_start, 1000))])
    convert(source, tmp_path / "out.mp4")

    def distance(path: Path) -> float:
        first = {s["type"]: s["packets"][0][0] for s in streams_of(path)}
        return float(first["audio"] - first["video"])

    assert distance(tmp_path / "out.mp4") == pytest.approx(distance(source), abs=0.025)


def test_a_cut_takes_the_sound_of_the_same_stretch(video: MakeVideo, tmp_path: Path) -> None:
    source = video("in.mp4", frames=75, sounds=[Sound(seconds=Fraction(3))], options={"g": "10"})
    convert(source, tmp_path / "out.mp4", start=1.0, end=2.0)
    assert times(tmp_path / "out.mp4") == list(range(0, 1000, 40))
    (whole,), (part,) = sounds(source), sounds(tmp_path / "out.mp4")
    inside = [(t, data) for t, data in whole["packets"] if 1 <= t < 2]
    assert [data for _, data in part["packets"]] == [data for _, data in inside]
    for (t, _), (u, _) in zip(inside, part["packets"], strict=True):
        assert float(t - 1 - u) == pytest.approx(0, abs=0.001)


def test_a_run_that_is_stopped_ends_its_sound_too(video: MakeVideo, tmp_path: Path) -> None:
    source_path = video("in.mp4", frames=75, sounds=[Sound(seconds=Fraction(3))])
    with open_source(source_path) as source:
        sink = open_sink(tmp_path / "out.mp4", source=source.info)
        for frame, _ in zip(source, range(25), strict=False):
            sink.write(frame.rgb(), frame.time, frame.duration)
        sink.close(cut=True)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.duration / 1e6 == pytest.approx(1, abs=0.03)


def test_sound_is_left_out_on_request(video: MakeVideo, tmp_path: Path) -> None:
    convert(video("in.mp4", sounds=[Sound()]), tmp_path / "out.mp4", audio=False)
    assert sounds(tmp_path / "out.mp4") == []


@pytest.mark.parametrize(("codec", "suffix"), [("pcm_s16le", ".mp4"), ("libopus", ".mov")])
def test_sound_that_the_container_cannot_hold_is_encoded_anew(
    video: MakeVideo, tmp_path: Path, codec: str, suffix: str
) -> None:
    source = video("in.mkv", frames=40, sounds=[Sound(codec=codec, start=Fraction(1, 4))])
    sink = convert(source, tmp_path / f"out{suffix}")
    assert any("AAC" in note for note in sink.notes)
    (track,) = sounds(tmp_path / f"out{suffix}")
    assert track["codec"] == "aac"
    with av.open(str(tmp_path / f"out{suffix}")) as container:
        decoded = [(f.time, f.to_ndarray()) for f in container.decode(audio=0)]
    loud = [t for t, samples in decoded if np.abs(samples).max() > 0.1]
    assert loud[0] == pytest.approx(0.25, abs=0.05)
    assert loud[-1] == pytest.approx(1.25, abs=0.1)


def test_where_and_with_what_a_clip_was_shot_is_not_copied(video: MakeVideo, tmp_path: Path) -> None:
    secrets = {"location": "+48.1+011.5/", "make": "Phone", "title": "home", "com.apple.quicktime.model": "X"}
    convert(video("in.mov", metadata=secrets), tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert set(container.metadata) <= {"major_brand", "minor_version", "compatible_brands", "encoder"}


def delays(path: Path) -> list[int]:
    with Image.open(path) as image:
        return [(image.seek(i), image.load(), image.info.get("duration", 0))[2] for i in range(image.n_frames)]


@pytest.mark.parametrize(("repeats", "plays"), [(0, 0), (3, 4), (None, 1)])
def test_gif_from_gif_keeps_every_delay_and_the_loop(tmp_path: Path, repeats: int | None, plays: int) -> None:
    wanted = [50, 20, 10, 400, 20, 100, 60]
    source = write_animation(tmp_path / "in.gif", wanted)
    extension = b"\x21\xff\x0bNETSCAPE2.0\x03\x01%b\x00"
    ours = b"" if repeats is None else extension % repeats.to_bytes(2, "little")
    data = source.read_bytes()
    assert extension % b"\0\0" in data
    source.write_bytes(data.replace(extension % b"\0\0", ours))
    convert(source, tmp_path / "out.gif")
    assert delays(tmp_path / "out.gif") == wanted
    for path in (source, tmp_path / "out.gif"):
        with open_source(path) as opened:
            assert opened.info.loop == plays
            assert [number_of(f.rgb()) for f in opened] == list(range(len(wanted)))


def test_gif_from_gif_keeps_delays_of_zero(tmp_path: Path) -> None:
    convert(write_animation(tmp_path / "in.gif", [0, 0, 0, 0]), tmp_path / "out.gif")
    assert delays(tmp_path / "out.gif") == [0, 0, 0, 0]


@pytest.mark.parametrize("rate", [7, 24, 30, 48, 50, 60, 120])
def test_gif_delays_do_not_drift_and_are_never_below_two(tmp_path: Path, rate: int) -> None:
    source = Info(path="x", kind="video", size=(16, 16), fps=Fraction(rate))
    count = rate * 3
    with open_sink(tmp_path / "a.gif", source=source) as sink:
        for i in range(count):
            sink.write(np.full((16, 16, 3), i * 37 % 256, np.uint8), Fraction(i, rate), Fraction(1, rate))
    got = delays(tmp_path / "a.gif")
    assert min(got) >= 20
    assert sum(got) == pytest.approx(3000, abs=20)
    assert len(got) == (count if rate <= 50 else pytest.approx(3 * min(50, rate / np.ceil(rate / 50)), rel=0.35))
    if rate <= 50:
        shown = np.cumsum([0, *got[:-1]])
        np.testing.assert_allclose(shown, np.arange(count) * 1000 / rate, atol=5.01)


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_fps_and_width_of_an_animation_from_a_video(video: MakeVideo, tmp_path: Path, suffix: str) -> None:
    source = video("in.mp4", frames=50, size=(128, 96))
    convert(source, tmp_path / f"out{suffix}", fps=10, width=32, loop=5)
    with open_source(tmp_path / f"out{suffix}") as out:
        frames = list(out)
    assert out.info.size == (32, 24)
    assert out.info.loop == 5
    at = [round(f.time * 1000) for f in frames]
    assert at == [40 * -(-t // 40) for t in range(0, 2000, 100)]  # each the first frame of its tenth of a second
    assert sum(f.duration for f in frames) == 2


def test_webp_keeps_milliseconds(tmp_path: Path) -> None:
    source = write_animation(tmp_path / "in.webp", [33, 34, 1, 500, 67])
    convert(source, tmp_path / "out.webp")
    assert delays(tmp_path / "out.webp") == [33, 34, 1, 500, 67]


def test_gif_pictures_are_true_and_still_parts_do_not_flicker(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:96, 0:128]
    ground = np.stack([x * 2, y * 2, 255 - x], axis=-1).clip(0, 255)
    clip = []
    for i in range(12):
        rgb = ground + rng.integers(-1, 2, ground.shape)  # a still scene with a camera's noise
        rgb[30:60, 8 * i : 8 * i + 30] = (250, 40, 30)
        clip.append(rgb.clip(0, 255).astype(np.uint8))
    with open_sink(tmp_path / "a.gif", source=MOVING) as sink:
        for i, rgb in enumerate(clip):
            sink.write(rgb, Fraction(i, 10), Fraction(1, 10))
    with open_source(tmp_path / "a.gif") as source:
        out = [f.rgb() for f in source]
    for a, b in zip(clip, out, strict=True):
        assert np.abs(a.astype(int) - b).mean() < 6
        assert np.abs(b[40, (a[40] == (250, 40, 30)).all(1)].astype(int) - (250, 40, 30)).max() <= 8  # red stays red

    def unrest(pictures: list) -> float:
        return float(np.mean([np.abs(a[70:].astype(int) - b[70:]).mean() for a, b in pairwise(pictures)]))

    assert unrest(out) < 0.3 * unrest(clip)


def test_identical_pictures_are_all_kept(tmp_path: Path) -> None:
    with open_sink(tmp_path / "a.gif", source=MOVING) as sink:
        for i in range(9):
            sink.write(picture(0), Fraction(i, 10), Fraction(1, 10))
    with open_source(tmp_path / "a.gif") as source:
        frames = list(source)
    assert len(frames) == 9
    for frame in frames:
        np.testing.assert_allclose(frame.rgb().astype(int), picture(0), atol=4)


@pytest.mark.parametrize(("suffix", "levels"), [(".png", 0), (".jpg", 8), (".webp", 24)])
def test_a_picture_is_written_as_it_is(tmp_path: Path, suffix: str, levels: int) -> None:
    with open_sink(tmp_path / f"a{suffix}", source=STILL, comment="by a test") as sink:
        sink.write(picture(3), Fraction(0), None)
        assert sink.full
    with Image.open(tmp_path / f"a{suffix}") as image:
        out = np.asarray(image.convert("RGB"))
        np.testing.assert_allclose(out[4::8, 4::8].astype(int), picture(3)[4::8, 4::8], atol=levels)
        if suffix == ".png":
            assert image.info["Comment"] == "by a test"


def test_start_takes_one_frame_of_a_video(video: MakeVideo, tmp_path: Path) -> None:
    sink = convert(video("in.mp4"), tmp_path / "a.png", start=0.2)
    assert sink.frames == 1
    with open_source(tmp_path / "a.png") as source:
        assert number_of(next(iter(source)).rgb()) == 5


def raises(kind: type[Exception], match: str, path: Path, **options: Any) -> None:
    with pytest.raises(kind, match=match) as caught:
        open_sink(path, **{"source": MOVING, **options})
    assert str(path) in str(caught.value) or "--" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_outputs_that_cannot_be_are_refused(video: MakeVideo, tmp_path: Path) -> None:
    raises(UsageError, r"\.mp4.*\.gif", tmp_path / "a.xyz")
    raises(UsageError, r"\.mp4.*\.gif", tmp_path / "noname")
    raises(UsageError, "--start", tmp_path / "a.png")
    raises(UsageError, "--start", tmp_path / "a.jpg", source=Info("x.gif", "animation", (8, 8), loop=0))
    raises(VidcamError, "does not exist", tmp_path / "missing" / "a.mp4")
    raises(UsageError, "--crf", tmp_path / "a.mp4", crf=52)
    raises(UsageError, "--preset", tmp_path / "a.mp4", preset="quick")
    raises(UsageError, "--loop", tmp_path / "a.gif", loop=-1)
    raises(UsageError, "--fps", tmp_path / "a.gif", fps=0)
    raises(UsageError, "--width", tmp_path / "a.gif", width=0)
    (tmp_path / "there.mp4").write_bytes(b"mine")
    raises(UsageError, "--overwrite", tmp_path / "there.mp4")
    (tmp_path / "folder.mp4").mkdir()
    raises(UsageError, "directory", tmp_path / "folder.mp4", overwrite=True)
    clip = video("in.mp4")
    os.link(clip, tmp_path / "alias.mp4")
    for same in (clip, tmp_path / "alias.mp4"):
        raises(UsageError, "input", same, source=Info(str(clip), "video", (64, 48)), overwrite=True)
    assert (tmp_path / "there.mp4").read_bytes() == b"mine"
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_directory_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        raises(VidcamError, "cannot be written", tmp_path / "a.mp4")
    finally:
        tmp_path.chmod(0o700)


def write_some(out: Path, source: Info) -> None:
    with open_sink(out, source=source, overwrite=True) as sink:
        for i in range(3):
            sink.write(picture(i), Fraction(i, 10), None)
        raise RuntimeError("stop")


@pytest.mark.parametrize("planes", [False, True])
def test_width_and_fps_of_a_video(video: MakeVideo, tmp_path: Path, planes: bool) -> None:
    source = open_source(video("in.mp4", frames=50, size=(128, 96), sounds=[Sound(seconds=Fraction(2))]))
    with source, open_sink(tmp_path / "out.mp4", source=source.info, width=65, fps=10) as sink:
        for frame in source:
            if planes and frame.planes is not None:
                sink.write_planes(frame.planes, frame.time, frame.duration)
            else:
                sink.write(frame.rgb(), frame.time, frame.duration)
    assert (sink.size, sink.frames) == ((64, 48), 20)
    with open_source(tmp_path / "out.mp4") as made:
        frames = list(made)
        # 25 a second: the first one of each tenth of a second.
        assert [round(f.time * 1000) for f in frames] == [40 * math.ceil(2.5 * i) for i in range(20)]
        assert made.info.duration == pytest.approx(2.02, abs=0.03)
    assert len(sounds(tmp_path / "out.mp4")) == 1
    raises(UsageError, "--loop", tmp_path / "a.mp4", loop=1)
    raises(UsageError, "--max-bytes", tmp_path / "a.mp4", max_bytes=1000)


def moving_noise(count: int, size: tuple[int, int] = (320, 240)) -> list[np.ndarray]:
    """Pictures that take many bytes as a GIF."""
    rng = np.random.default_rng(0)
    noise = cv2.resize(rng.integers(0, 256, (size[1] // 4, size[0] // 4 + count, 3), np.uint8), None, fx=4, fy=4)
    return [np.ascontiguousarray(noise[:, 4 * i : 4 * i + size[0]]) for i in range(count)]


def write_all(sink: Sink, pictures: list[np.ndarray]) -> Sink:
    with sink:
        for i, rgb in enumerate(pictures):
            sink.write(rgb, Fraction(i, 25), Fraction(1, 25))
    return sink


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_max_bytes_finds_a_width_and_a_rate_that_fit(tmp_path: Path, suffix: str) -> None:
    pictures = moving_noise(30)
    free = write_all(open_sink(tmp_path / f"free{suffix}", source=MOVING), pictures)
    taken = (tmp_path / f"free{suffix}").stat().st_size
    most = taken // 4
    bound = write_all(open_sink(tmp_path / f"bound{suffix}", source=MOVING, max_bytes=most), pictures)
    assert 0.5 * most < (tmp_path / f"bound{suffix}").stat().st_size <= most
    assert bound.size[0] < free.size[0]
    assert abs(bound.size[0] / bound.size[1] - 4 / 3) < 0.05
    assert bound.frames < free.frames
    assert f"{bound.size[0]} pixels wide" in bound.notes[0]
    with open_source(tmp_path / f"bound{suffix}") as made:
        frames = list(made)
        assert (len(frames), made.info.size) == (bound.frames, bound.size)
        assert abs(float(frames[-1].time + frames[-1].duration) - 1.2) < 0.05
    # What fits as it is, is what it would be.
    same = write_all(open_sink(tmp_path / f"same{suffix}", source=MOVING, max_bytes=2 * taken), pictures)
    assert (same.size, same.frames, same.notes) == (free.size, free.frames, free.notes)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(f"{n}{suffix}" for n in ("free", "bound", "same"))


def test_what_cannot_be_made_small_enough_is_an_error_that_leaves_nothing(tmp_path: Path) -> None:
    sink = open_sink(tmp_path / "a.gif", source=MOVING, max_bytes=500)
    with pytest.raises(VidcamError, match="more than 0.5 kB also 160 pixels wide"):
        write_all(sink, moving_noise(6))
    assert not list(tmp_path.iterdir())


def test_a_large_gif_says_what_makes_it_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = moving_noise(4)
    assert write_all(open_sink(tmp_path / "a.gif", source=MOVING), pictures).notes == ()
    taken = (tmp_path / "a.gif").stat().st_size
    monkeypatch.setattr("vidcam.media.write.gif.LARGE_GIF", taken - 1)
    (note,) = write_all(open_sink(tmp_path / "b.gif", source=MOVING), pictures).notes
    assert note.startswith(size_text(taken))
    assert all(option in note for option in ("--max-bytes", "--width", "--fps", ".mp4"))


EVERY_SUFFIX = [".mp4", ".mov", ".mkv", ".gif", ".webp", ".png", ".jpg"]


@pytest.mark.parametrize("suffix", EVERY_SUFFIX)
def test_what_fails_leaves_nothing_and_what_was_there(tmp_path: Path, suffix: str) -> None:
    source = STILL if suffix in (".png", ".jpg") else MOVING
    out = tmp_path / f"a{suffix}"
    out.write_bytes(b"mine")
    with pytest.raises(RuntimeError, match="stop"):
        write_some(out, source)
    assert out.read_bytes() == b"mine"
    sink = open_sink(out, source=source, overwrite=True)
    with pytest.raises(VidcamError, match="no picture"):
        sink.close()
    assert [p.name for p in tmp_path.iterdir()] == [out.name]
    with open_sink(out, source=source, overwrite=True) as sink:
        sink.write(picture(0), Fraction(0), None)
        assert out.read_bytes() == b"mine"  # until it is complete
    sink.close()
    sink.abort()
    assert [p.name for p in tmp_path.iterdir()] == [out.name]
    with open_source(out) as opened:
        assert opened.info.size == (64, 48)


def test_leftovers_of_a_killed_run_are_cleared_those_of_a_running_one_are_not(tmp_path: Path) -> None:
    running = open_sink(tmp_path / "a.mp4", source=MOVING)
    (temporary,) = tmp_path.glob(".*")
    killed = temporary.with_name(temporary.name.replace(temporary.name.split("-")[-1], "00000000.part"))
    killed.write_bytes(b"half")
    other = tmp_path / ".vidcam-other-1.part"
    other.write_bytes(b"of another output")
    second = open_sink(tmp_path / "a.mp4", source=MOVING)
    assert not killed.exists()
    assert temporary.exists()
    assert other.exists()
    for sink in (running, second):
        sink.write(picture(0), Fraction(0), None)
    second.close()
    with pytest.raises(VidcamError, match="appeared"):
        running.close()
    assert [p.name for p in tmp_path.glob(".*")] == [other.name]
    with open_source(tmp_path / "a.mp4") as source:
        assert len(list(source)) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("suffix", [".mp4", ".gif", ".webp"])
def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    real = av.open
    monkeypatch.setattr(av, "open", lambda name, *a, **k: real("file:/dev/full", *a, **k))
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3)).astype(np.uint8)

    def write() -> None:
        with open_sink(tmp_path / f"a{suffix}", source=MOVING) as sink:
            for i in range(40):
                sink.write(noise, Fraction(i, 10), None)

    with pytest.raises(VidcamError, match="no space") as caught:
        write()
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_names_with_anything_in_them_work(video: MakeVideo, tmp_path: Path) -> None:
    clip = video("in.mp4", frames=3, sounds=[Sound()])
    for name in ("-dash", "two words", "quo'te\"s", "new\nline", "umläut 猫", "concat:x|y", "a%04d", "#a?b", "x" * 240):
        odd = tmp_path / f"{name}.mp4"
        odd.write_bytes(clip.read_bytes())
        convert(odd, tmp_path / f"{name}.mkv")
        convert(odd, tmp_path / f"{name}.gif")
        assert len(sounds(tmp_path / f"{name}.mkv")) == 1
        assert len(times(tmp_path / f"{name}.gif")) == 3


def test_relative_names_work(video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video("in.mp4", frames=2)
    monkeypatch.chdir(tmp_path)
    convert(Path("in.mp4"), Path("out.mp4"))
    assert times(tmp_path / "out.mp4") == [0, 40]
