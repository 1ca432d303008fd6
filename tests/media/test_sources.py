"""The contract of a source, over every kind of file there is."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.sidedata import sidedata
from PIL import Image

from tests.media.make import BLUE, GREEN, GREY, RED, Sound, Video, number_of, picture, write_animation, write_video
from vidcam.errors import UsageError, VidcamError
from vidcam.media import open_source
from vidcam.media.read.web import web_type

EVEN = [40 * i for i in range(20)]
VARYING = [0, 40, 50, 200, 210, 500, 1000, 1010, 1400, 2000]
DELAYS = [50, 20, 30, 400, 20, 100]


@dataclass
class Case:
    """A file to make and what a source must say of it."""

    make: Callable[[Path], Path]
    times: list[int]  # in 1/1000 s
    size: tuple[int, int] = (64, 48)
    corners: tuple[object, ...] = (RED, GREEN, BLUE, GREY)
    kind: str = "video"
    audio: int = 0
    fps: int | None = None
    counted: bool = True  # whether the number of frames is known beforehand
    levels: int = 4  # by which a colour may be off: what the codec costs


def video(name: str, times: list[int] = EVEN, **fields: object) -> Callable[[Path], Path]:
    return lambda folder: write_video(folder / name, Video(times=times, **fields))  # type: ignore[arg-type]


def animation(name: str) -> Callable[[Path], Path]:
    return lambda folder: write_animation(folder / name, DELAYS)


def still(name: str, **options: object) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        exif = Image.Exif()
        upright = Image.fromarray(picture(0))
        if options.pop("turned", False):
            exif[0x0112] = 6  # to be turned clockwise
            upright = upright.rotate(90, expand=True)
        upright.save(folder / name, exif=exif, **options)
        return folder / name

    return make


def sequence(pattern: str, opened: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        place = folder / "frames"
        place.mkdir()
        for i in range(12):
            Image.fromarray(picture(i)).save(place / (pattern % (i + 5)))
        return place / opened if opened else place

    return make


ENDS = [sum(DELAYS[:i]) for i in range(len(DELAYS))]
TURNED = {"size": (48, 64), "levels": 4}
CASES = {
    "h264": Case(video("a.mp4"), EVEN),
    "h264 4:2:2": Case(video("a.mkv", pixels="yuv422p"), EVEN),
    "h264 4:4:4": Case(video("a.mov", pixels="yuv444p"), EVEN),
    "hevc": Case(video("a.mp4", codec="libx265"), EVEN),
    "hevc 10 bit": Case(video("a.mkv", codec="libx265", pixels="yuv420p10le"), EVEN),
    "vp8": Case(video("a.webm", codec="libvpx"), EVEN),
    "vp9": Case(video("a.webm", codec="libvpx-vp9"), EVEN),
    "av1": Case(video("a.mkv", codec="libsvtav1", options={"crf": "10", "preset": "12"}), EVEN),
    "mpeg4": Case(video("a.avi", codec="mpeg4"), EVEN),
    "mpeg1": Case(video("a.mpg", codec="mpeg1video"), EVEN, counted=False),
    "mpeg2 in a transport stream": Case(video("a.ts", codec="mpeg2video"), EVEN),
    "mjpeg": Case(video("a.avi", codec="mjpeg", pixels="yuvj420p", full=True), EVEN),
    "flv": Case(video("a.flv", codec="flv"), EVEN),
    "varying rate": Case(video("a.mp4", VARYING), VARYING),
    "varying rate in matroska": Case(video("a.mkv", VARYING), VARYING, counted=False),
    "b-frames": Case(video("a.mp4", options={"bf": "3", "x264-params": "b-adapt=0"}), EVEN),
    "rotated by 90": Case(video("a.mp4", rotation=90), EVEN, corners=(GREEN, GREY, RED, BLUE), **TURNED),
    "rotated by 180": Case(video("a.mp4", rotation=180), EVEN, corners=(GREY, BLUE, GREEN, RED)),
    "rotated by 270": Case(video("a.mp4", rotation=270), EVEN, corners=(BLUE, RED, GREY, GREEN), **TURNED),
    "mirrored": Case(video("a.mp4", flip=True), EVEN, corners=(GREEN, RED, GREY, BLUE)),
    "both": Case(video("a.mp4", rotation=90, flip=True), EVEN, corners=(GREY, GREEN, BLUE, RED), **TURNED),
    "odd sides": Case(video("a.mp4", size=(63, 47), pixels="yuv444p"), EVEN, size=(63, 47)),
    "full range": Case(video("a.mp4", pixels="yuvj420p", full=True), EVEN),
    "bt.709": Case(video("a.mp4", matrix=1), EVEN),
    "untagged, small: bt.601": Case(video("a.mp4", matrix=5, tagged=False), EVEN),
    "untagged, large: bt.709": Case(
        video("a.mp4", EVEN[:3], matrix=1, tagged=False, size=(1280, 720)), EVEN[:3], size=(1280, 720)
    ),
    "wide pixels": Case(video("a.mp4", aspect=Fraction(2)), EVEN, size=(128, 48)),
    "narrow pixels": Case(video("a.mp4", aspect=Fraction(8, 9), size=(72, 48)), EVEN, size=(64, 48)),
    "delayed start": Case(video("a.mp4", start=500, sounds=[Sound()]), EVEN, audio=1),
    "delayed start in matroska": Case(video("a.mkv", start=1234), EVEN),
    "two tracks marked as default": Case(video("a.mkv", second=(128, 96), defaults=(True, True)), EVEN, size=(128, 96)),
    "a larger track that is not the default": Case(video("a.mkv", second=(128, 96), defaults=(True, False)), EVEN),
    "a larger track that is": Case(video("a.mp4", second=(128, 96), defaults=(False, True)), EVEN, size=(128, 96)),
    "motion photo": Case(video("a.mp4", second=(128, 96), second_frames=2, defaults=(True, True)), EVEN),
    "motion photo in quicktime, one large picture first": Case(
        video("a.mov", second=(128, 96), second_frames=1, defaults=(True, True), second_first=True), EVEN
    ),
    "motion photo whose picture alone is the default": Case(
        video("a.mp4", second=(128, 96), second_frames=1, defaults=(True, False), second_first=True), EVEN
    ),
    "motion photo in matroska, which counts no pictures": Case(
        video("a.mkv", second=(128, 96), second_frames=2, defaults=(True, True), second_first=True), EVEN
    ),
    "three audio streams": Case(
        video("a.mp4", sounds=[Sound(), Sound(codec="libmp3lame"), Sound(start=Fraction(1, 2))]), EVEN, audio=3
    ),
    "cover art": Case(video("a.mp4", cover=True), EVEN),
    "no duration": Case(video("a.mkv", container={"live": "1"}), EVEN, counted=False),
    "interlaced": Case(video("a.mkv", options={"flags": "+ildct+ilme", "x264-params": "tff=1"}), EVEN),
    "gif": Case(animation("a.gif"), ENDS, kind="animation", levels=6),
    "apng": Case(animation("a.png"), ENDS, kind="animation", levels=0),
    "webp": Case(animation("a.webp"), ENDS, kind="animation", levels=0),
    "avif": Case(animation("a.avif"), ENDS, kind="animation", levels=8),
    "png": Case(still("a.png"), [0], kind="image", levels=0),
    "jpeg": Case(still("a.jpg", quality=95), [0], kind="image"),
    "turned jpeg": Case(still("a.jpg", quality=95, turned=True), [0], kind="image"),
    "still webp": Case(still("a.webp", lossless=True), [0], kind="image", levels=0),
    "bmp under a wrong name": Case(still("a.dat", format="bmp"), [0], kind="image", levels=0),
    "numbered pattern": Case(sequence("f_%04d.png", "f_%04d.png"), EVEN[:12], fps=25, levels=0),
    "pattern without zeros": Case(sequence("f%d.png", "f%d.png"), EVEN[:12], fps=25, levels=0),
    "folder": Case(sequence("f%d.png", ""), EVEN[:12], fps=25, levels=0),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Case, Path]]:
    files: dict[str, Path] = {}

    def make(name: str) -> tuple[Case, Path]:
        if name not in files:
            files[name] = CASES[name].make(tmp_path_factory.mktemp("media"))
        return CASES[name], files[name]

    return make


every_kind = pytest.mark.parametrize("name", CASES)
Made = Callable[[str], tuple[Case, Path]]


def milliseconds(frames: list) -> list[int]:
    return [round(f.time * 1000) for f in frames]


@every_kind
def test_gives_every_frame_at_its_time_upright_and_in_its_colours(made: Made, name: str) -> None:
    case, path = made(name)
    with open_source(path, fps=case.fps) as source:
        frames = list(source)
        info = source.info
    assert (info.kind, info.size, info.audio) == (case.kind, case.size, case.audio)
    assert milliseconds(frames) == case.times
    assert info.frames == (len(case.times) if case.counted else info.frames)
    assert [f.index for f in frames] == list(range(len(frames)))
    assert source.damaged == 0
    for number, frame in enumerate(frames):
        rgb = frame.rgb()
        assert rgb.shape == (case.size[1], case.size[0], 3)
        assert rgb.dtype == np.uint8
        assert frame.size == case.size
        if case.size[0] >= case.size[1]:
            assert number_of(rgb) == number
        h, w = rgb.shape[0] // 6, rgb.shape[1] // 6
        got = np.array([rgb[h, w], rgb[h, -w], rgb[-h, w], rgb[-h, -w]], int)
        np.testing.assert_allclose(got, case.corners, atol=case.levels)


@every_kind
def test_durations_reach_from_frame_to_frame(made: Made, name: str) -> None:
    case, path = made(name)
    with open_source(path, fps=case.fps) as source:
        frames = list(source)
    for frame, following in pairwise(frames):
        assert frame.time + frame.duration == following.time
    if case.kind == "animation":
        assert round(frames[-1].duration * 1000) == DELAYS[-1]


@every_kind
def test_start_end_and_stride_choose_frames_by_time(made: Made, name: str) -> None:
    case, path = made(name)
    with open_source(path, fps=case.fps) as source:
        whole = {round(f.time * 1000): f.rgb() for f in source}
    start, end = case.times[len(case.times) // 3], case.times[-1]
    wanted = [t for t in case.times if start <= t < end]
    if not wanted:
        return
    for stride in (1, 3):
        with open_source(
            path, fps=case.fps, start=Fraction(start, 1000), end=Fraction(end, 1000), stride=stride
        ) as source:
            frames = list(source)
        assert milliseconds(frames) == wanted[::stride]
        assert [f.index for f in frames] == list(range(0, len(wanted), stride))
        for frame in frames:
            difference = np.abs(frame.rgb().astype(int) - whole[round(frame.time * 1000)])
            assert difference.mean() < 1
        assert frames[-1].time + frames[-1].duration <= Fraction(end, 1000)


def handles() -> int:
    """The open file descriptors of this process; 0 where the system does not say."""
    listing = Path("/proc/self/fd")
    return sum(1 for _ in listing.iterdir()) if listing.is_dir() else 0


@every_kind
def test_opens_again_gives_the_same_and_leaves_no_handle(made: Made, name: str) -> None:
    case, path = made(name)
    with open_source(path, fps=case.fps) as source:
        once = [f.rgb() for f in source]
    gc.collect()
    before = handles()
    again = open_source(path, fps=case.fps)
    frames = list(again)
    again.close()
    again.close()
    for frame, rgb in zip(frames, once, strict=True):  # pictures outlive their source
        np.testing.assert_array_equal(frame.rgb(), rgb)
    half = open_source(path, fps=case.fps)
    next(iter(half))
    half.close()
    assert handles() == before


@every_kind
def test_max_size_bounds_the_longer_side(made: Made, name: str) -> None:
    case, path = made(name)
    with open_source(path, fps=case.fps, max_size=32) as source:
        frame = next(iter(source))
    assert max(source.info.size) == 32
    assert frame.rgb().shape == (source.info.size[1], source.info.size[0], 3)
    width, height = case.size
    assert abs(source.info.size[0] / source.info.size[1] - width / height) < 0.06 * width / height


@every_kind
def test_more_pixels_than_allowed_are_refused(made: Made, name: str) -> None:
    case, path = made(name)
    with pytest.raises(VidcamError, match="--max-pixels"):
        open_source(path, fps=case.fps, max_pixels=1000)


def test_interlaced_frames_lose_their_comb(tmp_path: Path) -> None:
    def combed(number: int, size: tuple[int, int]) -> np.ndarray:
        rgb = np.full((size[1], size[0], 3), 30, np.uint8)
        for parity in (0, 1):
            x = 8 + 4 * (2 * number + parity) % 80
            rgb[parity::2, x : x + 16] = 220
        return rgb

    def comb(frames: list) -> float:
        rows = [f.rgb()[..., 1].astype(int) for f in frames[3:-3]]
        return float(np.mean([np.abs(r[1:-1:2] * 2 - r[:-2:2] - r[2::2]).mean() for r in rows]))

    fields = {"size": (128, 64), "draw": combed, "frames": 12}
    marked = write_video(tmp_path / "i.mkv", Video(options={"flags": "+ildct+ilme", "x264-params": "tff=1"}, **fields))
    unmarked = write_video(tmp_path / "p.mkv", Video(**fields))
    with open_source(marked) as a, open_source(unmarked) as b:
        interlaced, plain = list(a), list(b)
    assert milliseconds(interlaced) == milliseconds(plain)
    assert comb(interlaced) < 0.35 * comb(plain)


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_hdr_is_recognised_and_brought_to_sdr(tmp_path: Path, transfer: int, name: str) -> None:
    path = write_video(tmp_path / "a.mp4", Video(codec="libx265", pixels="yuv420p10le", transfer=transfer, frames=3))
    with open_source(path) as source:
        rgb = next(iter(source)).rgb()
    assert any(name in note and "SDR" in note for note in source.info.notes)
    # Signal 170/255 is brighter than diffuse white in PQ (203 cd/m2 is 0.58), and darker in HLG (0.75).
    assert (rgb[-6, -6] > 250).all() == (name == "PQ")


def test_transparency_shows_the_background(tmp_path: Path) -> None:
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[:, :4] = (255, 0, 0, 255)
    rgba[:, 4:] = (0, 0, 255, 128)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    with open_source(tmp_path / "a.png", background=(255, 255, 0)) as source:
        rgb = next(iter(source)).rgb()
    assert tuple(rgb[0, 0]) == (255, 0, 0)
    np.testing.assert_allclose(rgb[0, 7], (127, 127, 128), atol=1)


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    deep = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    Image.fromarray(deep).save(tmp_path / "a.png")
    with open_source(tmp_path / "a.png") as source:
        np.testing.assert_array_equal(next(iter(source)).rgb()[..., 0], deep >> 8)


def test_images_of_another_size_are_brought_to_the_first_ones(tmp_path: Path) -> None:
    for number, size in enumerate([(64, 48), (32, 24), (128, 96)]):
        Image.fromarray(picture(number, size)).save(tmp_path / f"{number}.png")
    with open_source(tmp_path, fps=10) as source:
        assert [f.rgb().shape for f in source] == [(48, 64, 3)] * 3


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"start": -1.0}, "--start"),
        ({"start": float("nan")}, "--start"),
        ({"start": 2.0, "end": 1.0}, "--end"),
        ({"stride": 0}, "--stride"),
        ({"max_size": 0}, "--max-size"),
        ({"max_pixels": 0}, "--max-pixels"),
        ({"fps": 5.0}, "--fps"),
    ],
)
def test_arguments_that_make_no_sense_are_usage_errors(tmp_path: Path, arguments: dict, names: str) -> None:
    path = write_video(tmp_path / "a.mp4", Video(frames=2))
    with pytest.raises(UsageError, match=names):
        open_source(path, **arguments)


def test_a_folder_needs_fps(tmp_path: Path) -> None:
    Image.fromarray(picture(0)).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match="--fps"):
        open_source(tmp_path)


def test_side_data_without_a_name_hinders_nothing(video: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    clips = {turn: video(f"{turn}.mp4", frames=2, rotation=turn) for turn in (0, 90, 180, 270)}
    wanted = {turn: first_picture(clip) for turn, clip in clips.items()}
    # As if PyAV were older than what x264 writes into every file.
    known = {t.name: t.value for t in sidedata.Type if t.name != "SEI_UNREGISTERED"}
    monkeypatch.setattr(sidedata, "Type", Enum("Type", known))
    with av.open(str(clips[0])) as container, pytest.raises(ValueError, match="20 is not a valid Type"):
        next(container.decode(video=0)).side_data  # noqa: B018
    for turn, clip in clips.items():
        np.testing.assert_array_equal(first_picture(clip), wanted[turn])
    assert web_type(clips[0]) == "video/mp4"
    assert web_type(clips[90]) == ""


def first_picture(path: Path) -> np.ndarray:
    with open_source(path) as source:
        return next(iter(source)).rgb()
