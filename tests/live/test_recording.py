"""Recordings: times as captured, sizes that change, names that are taken, and a program that is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from tests.clips import read_frames
from tests.live.fakes import counted, read_count
from vidcam.errors import UsageError, VidcamError
from vidcam.live.display import Painted
from vidcam.live.keeping import Recorder, snapshot, unused
from vidcam.media.write.recording import Recording, check_recording, fit_into


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_every_picture_at_the_time_it_was_taken(tmp_path, suffix):
    path = tmp_path / f"seen{suffix}"
    times = [500.0, 500.03, 500.11, 501.5, 501.52]
    recording = Recording(path)
    for number, time in enumerate(times):
        recording.write(counted(number), time)
    assert not path.exists()
    assert recording.working.exists()
    assert recording.finish()
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    pictures, read = read_frames(path)
    assert read == pytest.approx([t - 500 for t in times], abs=0.0011)
    assert [read_count(p) for p in pictures] == [0, 1, 2, 3, 4]
    assert np.abs(pictures[0].astype(int) - counted(0)).mean() < 3
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"


def test_other_sizes_are_fitted_whole_at_their_own_aspect(tmp_path):
    recording = Recording(tmp_path / "seen.mp4")
    for i, size in enumerate([(320, 240), (640, 240), (319, 239), (100, 300)]):
        recording.write(np.full((size[1], size[0], 3), 200, np.uint8), float(i))
    recording.finish()
    pictures, _ = read_frames(tmp_path / "seen.mp4")
    assert {p.shape for p in pictures} == {(240, 320, 3)}
    lit = [(p.max(axis=2) > 100) for p in pictures]
    assert lit[0].all()
    assert lit[1].any(axis=1).sum() == pytest.approx(120, abs=2)
    assert lit[1][120].all()
    assert lit[2].all()
    assert lit[3].any(axis=0).sum() == pytest.approx(80, abs=2)


def test_fit_into_repeats_an_odd_edge():
    picture = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    fitted = fit_into(picture, (8, 6))
    np.testing.assert_array_equal(fitted[:5, :7], picture)
    np.testing.assert_array_equal(fitted[5, :7], picture[4])
    np.testing.assert_array_equal(fitted[:5, 7], picture[:, 6])


def test_names_are_checked_before_anything_is_recorded(tmp_path):
    (tmp_path / "old.mp4").write_bytes(b"old")
    with pytest.raises(UsageError, match=r"old\.mp4: exists already; give --overwrite"):
        check_recording(tmp_path / "old.mp4", overwrite=False)
    check_recording(tmp_path / "old.mp4", overwrite=True)
    with pytest.raises(UsageError, match=r"seen\.avi: a recording is one of \.mp4, \.mov, \.mkv"):
        check_recording(tmp_path / "seen.avi", overwrite=False)
    with pytest.raises(VidcamError, match="does not exist"):
        check_recording(tmp_path / "none" / "seen.mp4", overwrite=False)
    assert [p.name for p in tmp_path.iterdir()] == ["old.mp4"]


def test_what_a_crash_left_is_never_touched(tmp_path):
    left = tmp_path / "seen.recording.mkv"
    left.write_bytes(b"precious")
    recording = Recording(tmp_path / "seen.mp4")
    recording.write(counted(1), 1.0)
    assert recording.working.name == "seen.recording-2.mkv"
    recording.finish()
    assert left.read_bytes() == b"precious"


def test_without_a_picture_there_is_no_file(tmp_path):
    assert not Recording(tmp_path / "seen.mp4").finish()
    assert not list(tmp_path.iterdir())


KILLED = """
import sys
from pathlib import Path
from tests.live.fakes import counted
from vidcam.media.write.recording import Recording
recording = Recording(Path(sys.argv[1]))
for number in range(100_000):
    recording.write(counted(number), 10 + number / 25)
    print(number, flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no kill -9 here")
def test_after_kill_9_the_file_plays_up_to_the_last_second(tmp_path):
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "seen.mp4")], stdout=subprocess.PIPE, text=True, cwd=root
    )
    last = 0
    for line in process.stdout:
        last = int(line)
        if last >= 160:
            break
    process.kill()
    process.wait()
    last = max([last, *(int(line) for line in process.stdout.read().split())])
    assert [p.name for p in tmp_path.iterdir()] == ["seen.recording.mkv"]
    pictures, times = read_frames(tmp_path / "seen.recording.mkv")
    assert last - 25 <= read_count(pictures[-1]) <= last + 1
    assert times == pytest.approx([i / 25 for i in range(len(times))], abs=0.0011)
    assert [read_count(p) for p in pictures[::20]] == list(range(0, len(pictures), 20))


def shown(number: int, time: float, **changes) -> Painted:
    picture = counted(number)
    values = {"picture": picture, "frame": picture, "number": number, "time": time, "fresh": True, **changes}
    return Painted(settings=SimpleNamespace(method="gradcam"), **values)


def test_the_recorder_takes_fresh_pictures_in_order_and_can_be_started_again(tmp_path):
    said: list[str] = []
    recorder = Recorder(said.append)
    recorder.start(tmp_path / "a.mp4")
    assert recorder.on
    recorder.show(shown(1, 5.0))
    recorder.show(shown(1, 5.0, fresh=False))
    recorder.show(shown(9, 4.0))
    recorder.show(shown(2, 5.5))
    recorder.stop(wait=True)
    assert not recorder.on
    recorder.start(tmp_path / "b.mp4")
    recorder.show(shown(3, 6.0))
    recorder.stop(wait=True)
    assert recorder.files == [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    pictures, times = read_frames(tmp_path / "a.mp4")
    assert [read_count(p) for p in pictures] == [1, 2]
    assert times == pytest.approx([0, 0.5])
    assert said == [f"recorded {tmp_path / 'a.mp4'}", f"recorded {tmp_path / 'b.mp4'}"]


def test_an_encoder_that_is_too_slow_loses_pictures_and_holds_nobody(tmp_path, monkeypatch):
    import threading

    release = threading.Event()
    write = Recording.write

    def slow(self, rgb, time) -> None:
        release.wait(60)
        write(self, rgb, time)

    monkeypatch.setattr(Recording, "write", slow)
    recorder = Recorder(lambda text: None)
    recorder.start(tmp_path / "a.mp4")
    for number in range(1, 41):
        recorder.show(shown(number, float(number)))
    release.set()
    recorder.stop(wait=True)
    assert recorder.dropped >= 40 - 9
    assert len(read_frames(tmp_path / "a.mp4")[0]) == 40 - recorder.dropped


def test_a_recording_that_fails_says_so_and_the_session_goes_on(tmp_path, monkeypatch):
    def fail(self, rgb, time) -> None:
        raise VidcamError("the disk is full")

    monkeypatch.setattr(Recording, "write", fail)
    said: list[str] = []
    recorder = Recorder(said.append)
    recorder.start(tmp_path / "a.mp4")
    for number in range(1, 20):
        recorder.show(shown(number, float(number)))
    recorder._thread.join()
    assert not recorder.on
    assert said == ["the disk is full"]
    assert str(recorder.failure) == "the disk is full"
    monkeypatch.undo()
    recorder.start(tmp_path / "b.mp4")
    recorder.show(shown(30, 30.0))
    recorder.stop(wait=True)
    assert len(read_frames(tmp_path / "b.mp4")[0]) == 1


def test_a_recording_that_fails_in_any_other_way_is_over_and_says_so(tmp_path, monkeypatch):
    def broken(self, rgb, time):
        raise RuntimeError("of another kind")

    monkeypatch.setattr(Recording, "write", broken)
    said = []
    recorder = Recorder(said.append)
    recorder.start(tmp_path / "a.mp4")
    recorder.show(shown(1, 0.0))
    recorder.stop(wait=True)
    assert said == [f"{tmp_path / 'a.mp4'}: the recording failed (RuntimeError: of another kind)"]
    assert isinstance(recorder.failure, VidcamError)
    assert not recorder.on


def test_snapshot_is_the_frame_and_the_overlay(tmp_path, monkeypatch):
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    files = snapshot(shown(7, 1.0, frame=counted(7), picture=counted(8)))
    again = snapshot(shown(7, 1.0))
    assert len({*files, *again}) == 4
    frame, overlay = (np.asarray(Image.open(f).convert("RGB")) for f in files)
    np.testing.assert_array_equal(frame, counted(7))
    np.testing.assert_array_equal(overlay, counted(8))
    assert files[0].name == f"{files[1].stem}-frame.png"
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(str(f) for f in {*files, *again})


def test_unused_counts_up(tmp_path):
    assert unused(tmp_path / "a.mp4") == tmp_path / "a.mp4"
    (tmp_path / "a.mp4").touch()
    (tmp_path / "a-2.mp4").touch()
    assert unused(tmp_path / "a.mp4") == tmp_path / "a-3.mp4"
