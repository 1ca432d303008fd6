"""Memory and handles: neither grows with the length of a clip or with the number of clips."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.media.make import Sound, Video, write_animation, write_video

PASS_THROUGH = """
import resource, sys
from fractions import Fraction
from pathlib import Path
from vidcam.media import open_sink, open_source

def convert(source_path, out):
    with open_source(source_path) as source, open_sink(out, source=source.info, overwrite=True) as sink:
        for frame in source:
            sink.write(frame.rgb(), frame.time, frame.duration)

def memory():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20

def peak():
    # Not getrusage's maximum: that begins with what the process that started this one has held.
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM"))
    return int(line.split()[1]) / 1024

def handles():
    return len(list(Path("/proc/self/fd").iterdir()))
"""
linux = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")


def run(code: str) -> list[float]:
    done = subprocess.run([sys.executable, "-c", PASS_THROUGH + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [float(word) for word in done.stdout.split()]


@linux
@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_peak_memory_does_not_depend_on_length(tmp_path: Path, suffix: str) -> None:
    peaks = []
    for frames in (30, 330):
        clip = write_video(tmp_path / f"{frames}.mp4", Video(frames=frames, size=(320, 240), sounds=[Sound()]))
        out = tmp_path / f"out{suffix}"
        peaks += run(f"convert({str(clip)!r}, {str(out)!r}); print(peak())")
    assert peaks[1] - peaks[0] < 15  # MB; 300 pictures are 66


@linux
def test_many_clips_leave_no_handle_and_no_memory(tmp_path: Path) -> None:
    clips = [
        write_video(tmp_path / "a.mp4", Video(frames=6, sounds=[Sound(seconds=1)])),  # type: ignore[arg-type]
        write_video(tmp_path / "b.mkv", Video(frames=6, size=(80, 60))),
        write_animation(tmp_path / "c.gif", [50] * 6),
    ]
    code = f"""
clips = {[str(c) for c in clips]}
outs = [{str(tmp_path / "o.mp4")!r}, {str(tmp_path / "o.gif")!r}, {str(tmp_path / "o.webp")!r}]
def rounds(count):
    for i in range(count):
        convert(clips[i % 3], outs[i // 3 % 3])
rounds(60)
before, open_before = memory(), handles()
rounds(240)
print(memory() - before, handles() - open_before)
"""
    grown, leaked = run(code)
    assert leaked == 0
    assert grown < 12  # MB after 240 more clips


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="this system has no such priorities")
def test_making_media_leaves_the_priority_alone(tmp_path):
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    write_video(tmp_path / "a.mkv", Video(frames=2, codec="libsvtav1", options={"preset": "12"}))
    assert (os.sched_getscheduler(0), os.sched_getparam(0)) == before
