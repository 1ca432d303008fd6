"""Every real file through `vidcam run` with the bundled model: an output in step with its source, or one line.

`pytest -m slow tests/cli/test_real_media.py` prints what came of each.
"""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from tests.cli.test_run_command import vidcam
from vidcam.media import open_source

NO_MEDIA = {".conf", ".json", ".txt", ".md", ".py", ".csv"}


def times_and_size(path: Path) -> tuple[list[float], tuple[int, int]]:
    with open_source(path) as source:
        return [float(frame.time) for frame in source], source.info.size


def sound(path: Path) -> list[list[bytes]]:
    try:
        with av.open(f"file:{path}") as container:
            count = len(container.streams.audio)
            packets: list[list[bytes]] = [[] for _ in range(count)]
            index = {s.index: i for i, s in enumerate(container.streams.audio)}
            for packet in container.demux(container.streams.audio) if count else []:
                if packet.size:
                    packets[index[packet.stream.index]].append(bytes(packet))
            return packets
    except av.error.FFmpegError:
        return []


@pytest.mark.slow
def test_every_file_gives_an_output_in_step_or_one_line(shared_data, tmp_path, capfd):
    table, made = [], 0
    for place in ("media", "seed/videos", "seed/images"):
        for path in sorted((shared_data / place).rglob("*")):
            if not path.is_file() or path.suffix.lower() in NO_MEDIA:
                continue
            name = str(path.relative_to(shared_data))
            out = tmp_path / str(len(table))
            out.mkdir()
            code, stdout, stderr = vidcam(capfd, "run", path, "-o", out, "-q")
            outputs = list(out.iterdir())
            if code:
                assert code == 1, (name, stderr)
                assert not outputs, name
                assert stderr.count("\n") == 1, (name, stderr)
                table.append(f"{name}: {stderr.strip()}")
                continue
            assert len(outputs) == 1, name
            before, size = times_and_size(path)
            after, made_size = times_and_size(outputs[0])
            video = outputs[0].suffix == ".mp4"
            if not video and path.suffix != ".gif" and min(np.diff(before), default=1) < 0.02:
                # A GIF shows 50 pictures a second at most; those that are kept come when they did.
                assert 0 < len(after) < len(before), name
                before = [min(before, key=lambda t: abs(t - kept)) for kept in after]
            assert len(after) == len(before), name
            # Sound that begins before the first picture moves the whole file.
            shift = after[0] - before[0]
            np.testing.assert_allclose(np.subtract(after, shift), before, atol=0.001 if video else 0.0101, err_msg=name)
            odd = 1 if video else 0
            assert made_size == (size[0] + size[0] % 2 * odd, size[1] + size[1] % 2 * odd), name
            copied = ""
            if video and sound(path):
                same = sound(path) == sound(outputs[0])
                copied = ", sound as it was" if same else ", sound re-encoded"
                assert len(sound(outputs[0])) == len(sound(path)), name
            table.append(f"{name}: {len(after)} frames, {made_size[0]}x{made_size[1]}{copied}")
            made += 1
    with capfd.disabled():
        print("", *table, sep="\n  ")
    assert made >= 150
