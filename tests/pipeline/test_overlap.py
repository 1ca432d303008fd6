"""What makes a run fast changes nothing of what it makes; and what it says of its own speed."""

from __future__ import annotations

from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
from click.testing import CliRunner

import vidcam
from tests.benchmarks.pipeline import serially
from tests.clips import make_gif, make_video, read_frames
from tests.networks import gap_cnn
from vidcam.cli.run import run as run_command
from vidcam.media import open_source
from vidcam.media.color import to_yuv420p
from vidcam.media.write.mp4 import VideoSink
from vidcam.models import load_model
from vidcam.pipeline.explained_clip import batch_for
from vidcam.pipeline.meter import STAGES, Meter
from vidcam.pipeline.stages import Stages


@pytest.fixture(scope="module")
def classifier():
    return load_model(gap_cnn(), labels=["cat", "dog", "fish"])


def plain(*arguments, **options):
    """`vidcam.run` without threads and without planes."""
    with mock.patch.object(Stages, "overlap", serially), mock.patch.object(VideoSink, "stores_planes", False):
        return vidcam.run(*arguments, **options)


def assert_same_track(a, b):
    for name in ("times", "indices", "maps", "logits", "probabilities", "cuts"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert (a.targets, a.placement) == (b.targets, b.placement)


@pytest.mark.parametrize("options", [{}, {"normalize": "clip"}, {"target": "clip-top"}, {"stride": 3, "start": 0.3}])
def test_frames_times_and_maps_are_those_of_a_plain_loop(tmp_path, classifier, options):
    clip = make_video(tmp_path / "clip.mp4", 30, sound=True)
    fast = vidcam.run(clip, tmp_path / "fast.mp4", model=classifier, keep_track=True, **options)
    slow = plain(clip, tmp_path / "slow.mp4", model=classifier, keep_track=True, **options)
    assert (fast.frames, fast.size, fast.classes) == (slow.frames, slow.size, slow.classes)
    assert_same_track(fast.track, slow.track)
    assert read_frames(tmp_path / "fast.mp4")[1] == read_frames(tmp_path / "slow.mp4")[1]


def test_without_planes_the_file_is_that_of_a_plain_loop(tmp_path, classifier):
    clip = make_gif(tmp_path / "clip.gif")
    options = {"model": classifier, "view": "side-by-side"}
    vidcam.run(clip, tmp_path / "fast.mp4", **options)
    plain(clip, tmp_path / "slow.mp4", **options)
    assert (tmp_path / "fast.mp4").read_bytes() == (tmp_path / "slow.mp4").read_bytes()


@pytest.mark.parametrize("clip", ["dog_video_2.mp4", "cat_video_2.mp4"])
def test_real_clips_come_out_as_from_the_rgb_path(shared_data, tmp_path, clip):
    """Luma within two levels on 99.9 % of the pixels; colour but for edges, which the way through RGB softens."""
    model = load_model("mobilenet_v2", weights=shared_data / "weights" / "mobilenet_v2_imagenet.keras")
    source = shared_data / "seed" / "videos" / clip
    pictures = {"planes": [], "rgb": []}
    write_planes, write = VideoSink.write_planes, VideoSink.write

    def keep_planes(self, planes, *rest):
        pictures["planes"].append([p.copy() for p in planes.all])
        write_planes(self, planes, *rest)

    def keep(self, rgb, *rest):
        pictures["rgb"].append(rgb.copy())
        write(self, rgb, *rest)

    options = {"model": model, "end": 2.1, "stride": 6, "keep_track": True, "preset": "ultrafast"}
    with mock.patch.object(VideoSink, "write_planes", keep_planes), mock.patch.object(VideoSink, "write", keep):
        fast = vidcam.run(source, tmp_path / "fast.mp4", **options)
        slow = plain(source, tmp_path / "slow.mp4", **options)
    assert_same_track(fast.track, slow.track)
    with open_source(source) as opened:
        matrix = next(iter(opened)).planes.matrix
    off, count = np.zeros(3), np.zeros(3)
    assert len(pictures["planes"]) == len(pictures["rgb"]) == fast.frames > 10
    for planes, rgb in zip(pictures["planes"], pictures["rgb"], strict=True):
        frame = to_yuv420p(rgb, matrix)
        theirs = [np.frombuffer(p, np.uint8).reshape(p.height, p.line_size)[:, : p.width] for p in frame.planes]
        for i, (a, b) in enumerate(zip(planes, theirs, strict=True)):
            off[i] += np.count_nonzero(np.abs(a.astype(int) - b) > 2)
            count[i] += a.size
    assert off[0] <= 0.001 * count[0]
    assert max(off[1:] / count[1:]) <= 0.02


def test_a_run_says_what_its_stages_take(tmp_path, classifier):
    clip = make_video(tmp_path / "clip.mp4", 30)
    timings = vidcam.run(clip, tmp_path / "out.mp4", model=classifier, measure=True, stride=2).timings
    assert (timings.frames, timings.fps) == (15, 5.0)
    assert tuple(timings.wall) == tuple(timings.own_cpu) == STAGES
    assert all(timings.own_cpu[s] > 0 for s in STAGES)
    # A stage is one thread; its clock for processor time may be the coarser one.
    assert all(timings.own_cpu[s] <= timings.wall[s] + 0.05 for s in STAGES)
    assert all(timings.wall[s] <= timings.seconds + 0.05 for s in STAGES if s != "decode")
    assert timings.peak_memory is None or timings.peak_memory > 50e6
    assert vidcam.run(clip, tmp_path / "out2.mp4", model=classifier).timings is None


def test_a_meter_counts_work_and_not_what_waits_for_it():
    def items():
        yield from range(3)

    with Meter(True) as meter:
        meter.begin()
        assert list(meter.each(items(), "decode")) == [0, 1, 2]
        with meter.stage("draw"):
            pass
        timings = meter.timings(3, None)
    assert timings.wall["decode"] > 0
    assert timings.wall["explain"] == 0
    with Meter(False) as off:
        off.begin()
        assert list(off.each(items(), "decode")) == [0, 1, 2]
        assert off.timings(3, None) is None


def test_verbose_ends_with_a_table_and_quiet_does_not_go_with_it(tmp_path):
    clip = make_video(tmp_path / "clip.mp4", 20)
    arguments = [str(clip), "-o", str(tmp_path / "out.mp4")]
    done = CliRunner().invoke(run_command, [*arguments, "--verbose"])
    assert done.exit_code == 0, done.output
    lines = done.stderr.splitlines()
    assert [line.split()[0] for line in lines[-10:-2]] == ["ms", *STAGES, "libraries", "wall"]
    assert "% used" in lines[-2]
    assert "one hour of this video would take" in lines[-1]
    refused = CliRunner().invoke(run_command, [*arguments, "--verbose", "--quiet", "--overwrite"])
    assert isinstance(refused.exception, vidcam.UsageError)
    assert "--verbose" in str(refused.exception)


@pytest.mark.parametrize(("size", "count"), [((64, 48), 4), ((1920, 1080), 4), ((2560, 1440), 2), ((3840, 2160), 1)])
def test_a_batch_of_large_frames_is_smaller(size, count, monkeypatch):
    monkeypatch.setattr("vidcam.pipeline.explained_clip.cores", lambda: 2)
    pictures, clips = SimpleNamespace(frames=0), SimpleNamespace(frames=16)
    assert batch_for(pictures, size) == count
    assert batch_for(pictures, (100_000, 100_000)) == 1
    assert batch_for(clips, size) == 1
    monkeypatch.setattr("vidcam.pipeline.explained_clip.cores", lambda: 1)
    assert batch_for(pictures, size) == min(count, 2)


def test_the_batch_size_is_the_users_or_fits_the_frames(tmp_path, classifier, monkeypatch):
    monkeypatch.setattr("vidcam.pipeline.explained_clip.cores", lambda: 2)
    clip = make_video(tmp_path / "clip.mp4", 12)
    sizes = []
    for number, options in enumerate(({}, {"batch_size": 3})):
        vidcam.run(
            clip,
            tmp_path / f"{number}.mp4",
            model=classifier,
            on_model=lambda explainers: sizes.append(explainers[0].batch_size),
            **options,
        )
    assert sizes == [4, 3]
