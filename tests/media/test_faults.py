"""Damaged, hostile and odd files: what can be had is given, the rest is one line."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.media import fuzz
from tests.media.make import Sound, Video, number_of, picture, streams_of, write_animation, write_video
from vidcam.errors import VidcamError
from vidcam.media import open_sink, open_source


def refused(path: Path, **arguments: object) -> str:
    """Opens a file and reads it, which has to fail; returns the message."""

    def read() -> None:
        with open_source(path, **arguments) as source:  # type: ignore[arg-type]
            for frame in source:
                frame.rgb()

    with pytest.raises(VidcamError) as caught:
        read()
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    # What a codec said of it is hidden, not told again in front of the line.
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return message


def test_what_is_no_media_is_one_line(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "missing.mp4")
    (tmp_path / "empty.mp4").touch()
    assert "empty" in refused(tmp_path / "empty.mp4")
    (tmp_path / "text.mp4").write_text("this is a text\n" * 100)
    refused(tmp_path / "text.mp4")
    (tmp_path / "noise.gif").write_bytes(np.random.default_rng(0).bytes(5000))
    refused(tmp_path / "noise.gif")
    for name, head in {"a.gif": b"GIF89a", "a.png": b"\x89PNG\r\n\x1a\n", "a.webp": b"RIFF\0\0\0\0WEBP"}.items():
        (tmp_path / name).write_bytes(head)
        refused(tmp_path / name)
    (tmp_path / "nothing").mkdir()
    refused(tmp_path / "nothing", fps=5)
    refused(tmp_path / "f_%03d.png", fps=5)
    refused(tmp_path / "nowhere" / "f_%03d.png", fps=5)


def test_a_playlist_opens_no_other_file(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "a.mp4", Video(frames=2))
    playlists = {
        "a.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{clip}\n#EXT-X-ENDLIST\n",
        "a.ffconcat": f"ffconcat version 1.0\nfile {clip.name}\n",
    }
    for name, text in playlists.items():
        (tmp_path / name).write_text(text)
        refused(tmp_path / name)


def test_sound_alone_is_one_line(tmp_path: Path) -> None:
    import av

    with av.open(str(tmp_path / "a.m4a"), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert "only sound" in refused(tmp_path / "a.m4a")


def test_a_time_after_the_end_gives_no_frame(tmp_path: Path) -> None:
    for path in (write_video(tmp_path / "a.mp4", Video(frames=5)), write_animation(tmp_path / "a.gif", [50] * 3)):
        with open_source(path, start=100.0) as source:
            assert list(source) == []


@pytest.mark.parametrize("share", [0.9, 0.5])
def test_a_truncated_video_gives_what_it_has_and_counts_the_rest(tmp_path: Path, share: float) -> None:
    fields = {"frames": 50, "size": (160, 120), "options": {"g": "10"}, "container": {"movflags": "+faststart"}}
    whole = write_video(tmp_path / "a.mp4", Video(**fields, sounds=[Sound(seconds=2)]))  # type: ignore[arg-type]
    data = whole.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data[: int(len(data) * share)])
    out = tmp_path / "out.mp4"
    with open_source(cut) as source, open_sink(out, source=source.info) as sink:
        frames = list(source)
        for frame in frames:
            sink.write(frame.rgb(), frame.time, frame.duration)
    assert 5 < len(frames) < 50
    assert len(frames) + source.damaged == 50
    assert [number_of(f.rgb()) for f in frames] == [i % 22 for i in range(len(frames))]
    assert {s["type"] for s in streams_of(out)} == {"video", "audio"}


def test_frames_that_cannot_be_read_are_left_out_and_counted(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.avi", Video(frames=20, codec="mjpeg", pixels="yuvj420p", full=True))
    data = bytearray(whole.read_bytes())
    at = [i for i in range(data.index(b"movi"), len(data)) if data[i : i + 4] == b"00dc"][:20]
    for i in (3, 4, 11):
        size = struct.unpack_from("<I", data, at[i] + 4)[0]
        data[at[i] + 8 : at[i] + 8 + size] = bytes(size)
    whole.write_bytes(data)
    with open_source(whole) as source:
        frames = list(source)
    assert [number_of(f.rgb()) for f in frames] == [i for i in range(20) if i not in (3, 4, 11)]
    assert source.damaged == 3
    assert [round(f.time * 25) for f in frames] == [i for i in range(20) if i not in (3, 4, 11)]


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp"])
def test_a_truncated_animation_gives_what_it_has(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 256, (48, 64, 3)).astype(np.uint8)) for _ in range(8)]
    path = tmp_path / f"a{suffix}"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=50, loop=0)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    try:
        with open_source(path) as source:
            frames = list(source)
    except VidcamError:
        assert suffix == ".webp"  # libwebp wants the whole file
        return
    assert 2 <= len(frames) <= 5
    assert [f.rgb().shape for f in frames] == [(48, 64, 3)] * len(frames)


def test_a_truncated_photograph_gives_its_upper_part(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (200, 200, 3)).astype(np.uint8)).save(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data[: len(data) // 2])
    with open_source(tmp_path / "a.jpg") as source:
        rgb = next(iter(source)).rgb()
    assert source.damaged == 1
    assert rgb[:80].std() > 30
    assert rgb[-20:].std() < 5


def test_an_unreadable_image_of_a_folder_is_left_out_and_counted(tmp_path: Path) -> None:
    for i in range(5):
        Image.fromarray(picture(i)).save(tmp_path / f"{i}.png")
    (tmp_path / "2.png").write_bytes(b"not a picture")
    with open_source(tmp_path, fps=10) as source:
        assert [number_of(f.rgb()) for f in source] == [0, 1, 3, 4]
    assert source.damaged == 1


def png_bomb(side: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def gif_bomb(later: bool) -> bytes:
    def image(x: int, y: int, width: int, height: int) -> bytes:
        return b"," + struct.pack("<HHHHB", x, y, width, height, 0) + b"\x02\x02\x4c\x01\x00"

    control = b"!\xf9\x04\x00\x05\x00\x00\x00"
    side = 1 if later else 60000
    head = b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + bytes(6)
    second = image(60000, 60000, 5000, 5000) if later else b""
    return head + control + image(0, 0, 1, 1) + (control + second if later else b"") + b";"


def webp_bomb() -> bytes:
    canvas = b"\x02\0\0\0" + (16383).to_bytes(3, "little") * 2
    chunks = b"VP8X" + struct.pack("<I", 10) + canvas + b"ANIM" + struct.pack("<I", 6) + bytes(6)
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


BOMBS = {
    "a.png": png_bomb(60000),
    "a.gif": gif_bomb(later=False),
    "later.gif": gif_bomb(later=True),
    "a.webp": webp_bomb(),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(BOMBS[name])
    message = refused(tmp_path / name)
    assert "--max-pixels" in message or name == "a.webp"


READ_BOMBS = """
import sys
from pathlib import Path
from vidcam.errors import VidcamError
from vidcam.media import open_source

def peak():
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM"))
    return int(line.split()[1]) / 1024

def read(path):
    try:
        with open_source(path) as source:
            for frame in source:
                frame.rgb()
    except VidcamError:
        return
    sys.exit(f"{path} was read")

harmless, *bombs = sys.argv[1:]
with open_source(harmless) as source:
    list(source)
before = peak()
for bomb in bombs:
    read(bomb)
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_bombs_are_refused_before_memory_is_spent(tmp_path: Path) -> None:
    """In a process of their own: the most memory that this one has held says nothing of the bombs."""
    paths = [write_animation(tmp_path / "harmless.gif", [50] * 2)]
    for name, data in BOMBS.items():
        paths.append(tmp_path / name)
        paths[-1].write_bytes(data)
    command = [sys.executable, "-c", READ_BOMBS, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 100  # MB; the smallest of them would be 1000


def test_a_video_larger_than_allowed_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", Video(frames=2, size=(320, 240)))
    assert "--max-pixels 70000" in refused(path, max_pixels=70000)
    with open_source(path, max_pixels=76800) as source:
        assert len(list(source)) == 2
    wide = write_video(tmp_path / "b.mp4", Video(frames=2, size=(64, 48), aspect=10))  # type: ignore[arg-type]
    assert "--max-pixels 10000" in refused(wide, max_pixels=10000)


def test_limits_of_pillow_are_as_they_were(tmp_path: Path) -> None:
    from PIL import ImageFile

    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    write_animation(tmp_path / "a.gif", [50] * 3)
    with open_source(tmp_path / "a.gif", max_pixels=5000) as source:
        list(source)
    (tmp_path / "a.png").write_bytes(png_bomb(60000))
    refused(tmp_path / "a.png")
    assert before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)


def test_damaged_sound_does_not_cost_the_pictures(tmp_path: Path) -> None:
    source_path = write_video(tmp_path / "a.mkv", Video(frames=25, sounds=[Sound(codec="aac")]))
    data = source_path.read_bytes()
    rate = struct.pack(">d", 48000.0)
    assert rate in data
    source_path.write_bytes(data.replace(rate, struct.pack(">d", -1.0)))
    out = tmp_path / "out.mp4"
    with open_source(source_path) as source, open_sink(out, source=source.info) as sink:
        for frame in source:
            sink.write(frame.rgb(), frame.time, frame.duration)
    assert len(streams_of(out)[0]["packets"]) == 25


def test_random_damage_is_read_or_refused(tmp_path: Path) -> None:
    """A short run of the search in `tests.media.fuzz`."""
    counts, wrong = fuzz.search(tmp_path, seed=20, count=250)
    assert wrong == []
    assert min(counts.values()) > 50
