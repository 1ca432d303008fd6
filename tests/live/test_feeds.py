"""Live sources: which one a name means, a file's pace, cameras that are missing, streams that fail and come back."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.clips import clip_pictures, make_gif, make_video
from tests.live.fakes import CountedFeed, FakeExplainer, counted, read_count, session
from tests.live.rtsp import RtspServer
from tests.live.streams import StreamServer
from vidcam.errors import UsageError, VidcamError
from vidcam.live.capture import FIRST_WAIT, LONGEST_WAIT, Capture
from vidcam.live.controls import Controls, LiveSettings
from vidcam.live.slot import Slot
from vidcam.media.feeds import camera as cameras
from vidcam.media.feeds.base import FeedEnded, FeedLost, hide_password
from vidcam.media.feeds.open import feed_opener
from vidcam.media.feeds.playback import Playback
from vidcam.media.feeds.stream import Backlog, StreamFeed
from vidcam.render import Look

TIMEOUTS = (10.0, 1.0)


def wait_until(condition, seconds: float = 60.0) -> None:
    """Waits for something that happens soon on any machine; the limit is for when it does not happen at all."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen"
        time.sleep(0.01)


class Turning:
    """A clock that a file's waits turn."""

    def __init__(self) -> None:
        self.now = 50.0
        self.waits: list[float] = []

    def clock(self) -> float:
        return self.now

    def wait(self, stop: threading.Event, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += max(0.0, seconds)


def test_a_file_plays_at_its_own_pace(tmp_path):
    make_video(tmp_path / "clip.mp4", 6, fps=10)
    turning = Turning()
    play = Playback(tmp_path / "clip.mp4", clock=turning.clock, wait=turning.wait)
    times = []
    for _ in range(6):
        picture, taken = play.read(threading.Event())
        times.append(taken - 50.0)
        assert picture.shape == (48, 64, 3)
    with pytest.raises(FeedEnded):
        play.read(threading.Event())
    assert times == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert turning.now - 50.0 == pytest.approx(0.6)  # the last picture is shown for its time, too


def test_a_gif_keeps_its_varying_delays_and_loops(tmp_path):
    make_gif(tmp_path / "clip.gif", (10, 20, 5))
    turning = Turning()
    play = Playback(tmp_path / "clip.gif", loop=True, clock=turning.clock, wait=turning.wait)
    times = [play.read(threading.Event())[1] - 50.0 for _ in range(6)]
    assert times == pytest.approx([0.0, 0.1, 0.3, 0.35, 0.45, 0.65])
    play.close()


def test_late_pictures_of_a_file_are_left_out_and_after_a_pause_it_goes_on_where_it_was(tmp_path):
    make_video(tmp_path / "clip.mp4", 20, fps=10)
    turning = Turning()
    play = Playback(tmp_path / "clip.mp4", clock=turning.clock, wait=turning.wait)
    play.read(threading.Event())
    turning.now += 0.27  # the pictures of 0.1 and 0.2 s are too late by now
    _, taken = play.read(threading.Event())
    assert taken - 50.0 == pytest.approx(0.3)
    turning.now += 100.0
    first = play.read(threading.Event())[1]
    assert first == pytest.approx(turning.now)
    assert play.read(threading.Event())[1] == pytest.approx(first + 0.1)
    play.close()


def test_one_picture_is_not_live(tmp_path):
    from PIL import Image

    Image.fromarray(clip_pictures(1)[0]).save(tmp_path / "photo.png")
    with pytest.raises(VidcamError, match="photo.png: is one picture; `vidcam run` explains it"):
        feed_opener(tmp_path / "photo.png")()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"source": "0", "loop": True}, "--loop is for video files"),
        ({"source": "rtsp://camera/1", "loop": True}, "--loop is for video files"),
        (
            {"source": "http://user:secret@camera/1", "size": (640, 480)},
            "--camera-size is for cameras; http://camera/1",
        ),
        ({"source": "file:///etc/passwd"}, "unknown kind of address"),
        ({"source": "concat://a"}, "unknown kind of address"),
    ],
)
def test_options_that_do_not_go_with_a_source_are_refused(arguments, message):
    with pytest.raises(UsageError, match=message):
        feed_opener(**arguments)


def test_a_file_that_is_not_there_is_found_at_once(tmp_path):
    with pytest.raises(VidcamError, match="no such file; SOURCE is a camera's index"):
        feed_opener(tmp_path / "none.mp4")


def test_passwords_are_not_shown():
    assert hide_password("rtsp://me:p@ss@camera:554/a@b?x=1") == "rtsp://camera:554/a@b"
    assert hide_password("http://camera/a@b?key=secret#x") == "http://camera/a@b"
    assert hide_password("clip.mp4") == "clip.mp4"


class FakeCapture:
    """An OpenCV VideoCapture of which one index opens."""

    works: tuple[int | str, ...] = (2,)
    opened: list[int | str] = []  # noqa: RUF012

    def __init__(self, device, backend) -> None:
        FakeCapture.opened.append(device)
        self.device = device
        self.left = 3
        self.settings = {cv2.CAP_PROP_FRAME_WIDTH: 640.0, cv2.CAP_PROP_FRAME_HEIGHT: 480.0, cv2.CAP_PROP_FPS: 30.0}

    def isOpened(self) -> bool:  # noqa: N802
        return self.device in self.works

    def get(self, what):
        return self.settings.get(what, 0.0)

    def set(self, what, value) -> bool:
        return True

    def grab(self) -> bool:
        self.left -= 1
        return self.left >= 0

    def retrieve(self):
        picture = np.zeros((480, 640, 3), np.uint8)
        picture[..., 0] = 200  # blue
        return True, picture

    def release(self) -> None:
        pass


@pytest.fixture
def fake_cameras(monkeypatch):
    FakeCapture.opened = []
    monkeypatch.setattr(cameras.cv2, "VideoCapture", FakeCapture)


def test_the_first_camera_that_opens_is_taken_and_gives_rgb(fake_cameras):
    camera = feed_opener(None)()
    assert FakeCapture.opened == [0, 1, 2]
    assert camera.name == "camera 2"
    picture, taken = camera.read(threading.Event())
    assert picture[0, 0].tolist() == [0, 0, 200]
    assert taken == pytest.approx(time.monotonic(), abs=30)
    for _ in range(2):
        camera.read(threading.Event())
    with pytest.raises(FeedLost, match="camera 2 gives no more pictures; is it still plugged in"):
        camera.read(threading.Event())


def test_a_camera_says_what_it_gives_instead(fake_cameras):
    camera = feed_opener("2", size=(1280, 720), fps=60.0)()
    assert camera.notes == (
        "camera 2 gives 640x480 instead of 1280x720",
        "camera 2 gives 30 frames a second instead of 60",
    )


def test_no_camera_says_what_was_tried_and_that_another_program_may_hold_it(fake_cameras, monkeypatch):
    monkeypatch.setattr(FakeCapture, "works", ())
    with pytest.raises(VidcamError, match="no camera opens; tried cameras 0, 1, 2, 3.*program that may hold it"):
        feed_opener(None)()
    with pytest.raises(VidcamError, match="tried camera /dev/video9"):
        feed_opener("/dev/video9")()


class Broken:
    """A feed that is lost after a picture, and an opener that fails a few times before it works again."""

    name, notes, live = "broken", (), True

    def __init__(self, fail: int) -> None:
        self.fail, self.opened, self.closed, self.reads = fail, 0, 0, 0

    def __call__(self):
        self.opened += 1
        if 1 < self.opened <= 1 + self.fail:
            raise VidcamError("still away")
        return self

    def read(self, stop):
        self.reads += 1
        if self.reads == 2:
            raise FeedLost("unplugged")
        return counted(self.reads), float(self.reads)

    def close(self) -> None:
        self.closed += 1


class Waits(threading.Event):
    """A stop that nobody sets, and that takes no time to wait for."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout)
        return False


def make_capture(opener, **options) -> Capture:
    wake = threading.Condition()
    return Capture(opener, Slot(wake), Controls(LiveSettings(Look(), "gradcam", "top"), wake), **options)


def test_a_lost_feed_is_tried_again_with_growing_pauses():
    broken, stop = Broken(fail=6), Waits()
    capture = make_capture(broken)
    capture.open()
    capture.step(stop)
    assert capture._frames.number == 1
    capture.step(stop)
    assert (capture.trouble, broken.closed) == ("unplugged", 1)
    for _ in range(6):
        capture.step(stop)
        assert capture.trouble == "still away"
    capture.step(stop)
    capture.step(stop)
    assert capture.trouble == ""
    assert capture._frames.number == 2
    assert stop.waited == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    assert (FIRST_WAIT, LONGEST_WAIT) == (0.5, 8.0)


def test_mirror_flips_left_and_right():
    plain, mirrored = make_capture(Broken(0)), make_capture(Broken(0), mirror=True)
    for capture in (plain, mirrored):
        capture.open()
        capture.step(Waits())
    picture = plain._frames.newest().value
    np.testing.assert_array_equal(mirrored._frames.newest().value, picture[:, ::-1])


def test_pause_holds_the_picture_and_reads_on():
    broken = Broken(0)
    capture = make_capture(broken)
    capture.open()
    capture.step(Waits())
    capture._controls.do("pause")
    broken.reads = 10
    capture.step(Waits())
    assert broken.reads == 11  # a camera is read, or it would show the past afterwards
    assert capture._frames.number == 1
    capture._controls.do("pause")
    capture.step(Waits())
    assert read_count(capture._frames.newest().value) == 12


@pytest.fixture
def server():
    server = StreamServer()
    yield server
    server.stop()


def test_a_stream_stalls_drops_changes_its_size_and_comes_back(server):
    opener = lambda: StreamFeed(server.url, TIMEOUTS)  # noqa: E731
    with session(opener, lambda method: FakeExplainer(method, 0.05)) as live:
        shown: list[tuple[int, tuple[int, ...]]] = []

        class Output:
            def wanted(self) -> bool:
                return True

            def show(self, s) -> None:
                if s.fresh and s.number and not live.display.trouble(s.time):
                    shown.append((read_count(s.picture), s.picture.shape))

        live.display.outputs.append(Output())
        live.start()
        done = threading.Event()
        failed: list[BaseException] = []

        def scenario() -> None:
            try:
                wait_until(lambda: len(shown) > 5)
                server.stalled.set()
                wait_until(lambda: "no data for 1 s" in live.capture.trouble)
                server.stalled.clear()
                count = len(shown)
                wait_until(lambda: len(shown) > count + 3 and live.capture.trouble == "")
                server.drop()
                wait_until(lambda: live.capture.trouble != "")
                count = len(shown)
                wait_until(lambda: len(shown) > count + 3)
                server.size = (480, 352)
                wait_until(lambda: shown[-1][1] == (352, 480, 3))
                maps = live._maps.number
                wait_until(lambda: live._maps.number > maps + 2)
                assert live._maps.newest().value.explanation.placement.frame == (480, 352)
                server.stop()
                wait_until(lambda: "refused" in live.capture.trouble or "unreachable" in live.capture.trouble)
                server.start()
                count = len(shown)
                wait_until(lambda: len(shown) > count + 3)
            except BaseException as error:
                failed.append(error)
            finally:
                done.set()

        threading.Thread(target=scenario, daemon=True).start()
        live.run(None, done.is_set)
    assert not failed, failed
    numbers = [n for n, _ in shown]
    assert numbers == sorted(set(numbers))


def drain(feed, stop: threading.Event) -> None:
    while True:
        feed.read(stop)


def test_rtsp_comes_over_one_connection_and_without_delay():
    server = RtspServer()
    feed = StreamFeed(server.url, TIMEOUTS)
    stop, numbers, behind = threading.Event(), [], []
    for _ in range(60):
        picture, taken = feed.read(stop)
        numbers.append(read_count(picture))
        behind.append(server.number - numbers[-1])
        assert taken <= time.monotonic()
    assert numbers == list(range(numbers[0], numbers[0] + 60))
    assert numbers[0] == 1  # nothing of what was read to look at the stream is lost
    assert min(behind) <= 1  # no picture is held back
    assert "RTP/AVP/TCP" in server.transport
    server.close()
    with pytest.raises(FeedLost, match=r"the stream ended|no data for 1 s|end of file|reset"):
        drain(feed, stop)
    feed.close()


def test_what_is_no_stream_is_said(server):
    page = server.url.replace("/stream", "/page")
    with pytest.raises(VidcamError, match="/page: what it sends is no video stream"):
        feed_opener(page)()
    server.stop()
    with pytest.raises(VidcamError, match="/stream: connection refused"):
        feed_opener(server.url)()
    server.start()


def test_a_server_that_never_answers_is_given_up():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        began = time.monotonic()
        with pytest.raises(VidcamError, match=r"no data for 0\.5 s"):
            StreamFeed(url, (0.5, 0.5))
        assert time.monotonic() - began < 30


def test_backlog_tells_late_packets_from_a_clock_that_drifts():
    backlog = Backlog()
    assert all(backlog.late(1000 + t / 25, t / 25) == pytest.approx(0, abs=1e-9) for t in range(50))
    assert backlog.late(1003.5, 2.5) == pytest.approx(1.0, abs=0.01)  # a second behind
    assert backlog.late(1004.0, None) == 0.0
    assert backlog.late(2000.0, 5000.0) == 0.0  # the stream's clock jumped
    drifting = Backlog()
    late = [drifting.late(t * 1.0005, float(t)) for t in range(2000)]
    assert max(late) < 0.01


def test_a_stream_at_its_own_pace_is_not_run_through(tmp_path):
    """A recording behind a URL comes as fast as the line; it is played as a file is."""
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    make_video(tmp_path / "clip.mkv", 12, fps=20)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path))
    threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True).start()
    feed = StreamFeed(f"http://127.0.0.1:{http.server_address[1]}/clip.mkv")
    times = [feed.read(threading.Event())[1] for _ in range(12)]
    with pytest.raises(FeedLost, match="the stream ended"):
        feed.read(threading.Event())
    feed.close()
    http.shutdown()
    http.server_close()
    assert times[-1] - times[0] >= 11 / 20 - 0.05


def test_a_file_ends_the_session_after_its_last_picture(tmp_path):
    make_video(Path(tmp_path / "clip.mp4"), 5, fps=20)
    with session(feed_opener(tmp_path / "clip.mp4")) as live:
        live.start()
        assert live.run(None, lambda: False) is False
    assert live.result(False).frames >= 1


def test_duration_ends_the_session():
    with session(CountedFeed()) as live:
        live.start()
        assert live.run(0.3, lambda: False) is False
        assert live.run(None, lambda: True) is True
