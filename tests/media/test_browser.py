"""What is written opens in a browser: headless Chromium's video element. Skipped where Chromium is missing."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest

from tests.media.make import Sound, Video, picture, write_video
from vidcam.media import Info, open_sink, open_source

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PAGE = """<!doctype html><pre id=out></pre><script>
const names = %s, results = {};
function note(name, v, event) {
  results[name] = {event, duration: v.duration, width: v.videoWidth, height: v.videoHeight};
  document.getElementById('out').textContent = JSON.stringify(results);
}
for (const name of names) {
  const v = document.createElement('video');
  v.muted = true; v.preload = 'auto';
  v.onerror = () => note(name, v, 'error');
  v.oncanplay = () => note(name, v, 'canplay');
  v.src = name;
}
</script>"""


def play(folder: Path, names: list[str]) -> dict[str, dict]:
    """Opens files in Chromium and returns what its video elements say of them."""
    page = folder / "page.html"
    page.write_text(PAGE % json.dumps(names))
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    command += ["--virtual-time-budget=15000", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    found = re.search(r'<pre id="out">(.*?)</pre>', done.stdout)
    assert found, done.stderr[-500:]
    return json.loads(found[1] or "{}")


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_outputs_open_with_their_duration_and_size(tmp_path: Path) -> None:
    sources = {
        "plain": Video(frames=50),
        "sound": Video(frames=50, sounds=[Sound(seconds=Fraction(2))]),
        "opus": Video(frames=50, sounds=[Sound(codec="libopus", seconds=Fraction(2))]),
        "late": Video(frames=30, start=700, sounds=[Sound(seconds=Fraction(19, 10))]),
        "odd": Video(frames=50, size=(63, 47), pixels="yuv444p"),
        "uneven": Video(times=[0, 40, 50, 300, 1000, 1960]),
    }
    for name, fields in sources.items():
        made = write_video(tmp_path / f"{name}.mkv", fields)
        with open_source(made) as source, open_sink(tmp_path / f"{name}.mp4", source=source.info) as sink:
            for frame in source:
                sink.write(frame.rgb(), frame.time, frame.duration)
    with open_sink(tmp_path / "tiny.mp4", source=Info("x", "video", (1, 1), fps=Fraction(25))) as sink:
        for i in range(50):
            sink.write(picture(i, (16, 16))[:1, :1], Fraction(i, 25), None)
    names = [*sources, "tiny"]
    said = play(tmp_path, [f"{name}.mp4" for name in names])
    for name in names:
        result = said[f"{name}.mp4"]
        assert result["event"] == "canplay", name
        assert result["duration"] == pytest.approx(1.9 if name == "late" else 2, abs=0.06), name
        size = {"odd": (64, 48), "tiny": (2, 2)}.get(name, (64, 48))
        assert (result["width"], result["height"]) == size, name
