"""A film in parts against the film as a whole: pictures, times, sound, likeness, memory, and kills.

    python -m tests.benchmarks.divided [FILM] [--part SECONDS] [--workers N] [--kills N] [--model NAME] [--weights FILE]

Without a FILM one is made of the sample clip, which has what is hard to cut: a varying frame rate, B-frames across open
groups of pictures, a first picture after 0, an edit list, and sound. It is explained by `vidcam run` as a whole and by
`--workers`; `--part` is how long a part is at least. Said is

- with the pictures kept as they are (CRF 0): how many differ, by how many levels, and how far from a joint,
- as it is written by default: the SSIM of both with those pictures; whether times and sound packets are equal,
- the most memory that a process held, and the processor seconds of each,
- for each kill (SIGKILL to the whole group, at a random moment between the first and the last step): how many steps
  were done by then, and whether the run that goes on makes the same file.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import av
import numpy as np

from tests.benchmarks.gif import ssim
from tests.benchmarks.machine import cores, machine
from tests.benchmarks.process import QUIET, ROOT
from tests.media.make import Sound, Video, write_video
from vidcam.media import open_source

RUN = """
import sys
from fractions import Fraction
from vidcam.pipeline import film
film.LENGTH = Fraction(sys.argv[1])
from vidcam.cli import main
main(sys.argv[2:])
"""
SECONDS, RATE = 45, 15
LOOK = 0.02
"""Seconds between two looks at a run's processes and files."""


@dataclass
class Cost:
    """What a run took: processor seconds of all its processes, and the most bytes that one of them held."""

    cpu: float
    memory: int


def make_film(path: Path) -> Path:
    """Writes a film that is hard to cut."""
    with open_source(ROOT / "samples" / "cat.mp4") as source:
        pictures = [frame.rgb() for frame in source]
    height, width = pictures[0].shape[:2]
    gaps = islice(cycle([40, 40, 110, 67, 67, 76]), SECONDS * RATE)  # milliseconds, 15 frames a second on average
    times = np.cumsum([0, *gaps])[:-1].tolist()

    def draw(number: int, size: tuple[int, int]) -> np.ndarray:
        place = number % (2 * len(pictures) - 2)  # there and back, so that there is no cut
        return pictures[min(place, 2 * len(pictures) - 2 - place)]

    video = Video(
        frames=len(times),
        times=times,
        size=(width // 2 * 2, height // 2 * 2),
        start=700,
        sounds=[Sound(seconds=Fraction(SECONDS))],
        draw=draw,
        options={"crf": "18", "g": "30", "bf": "3", "x264-params": "scenecut=0:open-gop=1"},
        container={"use_editlist": "1"},
    )
    return write_video(path, video)


def held(session: int, most: dict[int, int]) -> None:
    """Notes the most memory that each process of a session has held."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            if int(stat.read_text().rpartition(")")[2].split()[3]) != session:
                continue
            lines = (stat.parent / "status").read_text().splitlines()
            peak = next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)
            most[int(stat.parent.name)] = max(peak * 1024, most.get(int(stat.parent.name), 0))


def run(command: list[str], out: Path, *options: str) -> Cost:
    """Runs to the end."""
    before, most = os.times(), dict[int, int]()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            [*command, "-o", str(out), "--overwrite", "-q", *options], start_new_session=True, stdout=said, stderr=said
        )
        while process.poll() is None:
            held(process.pid, most)
            time.sleep(10 * LOOK)
        said.seek(0)
        if process.returncode:
            raise SystemExit(said.read())
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(cpu, max(most.values(), default=0))


def steps_in(folder: Path) -> int:
    """Returns how many steps of parts are done."""
    return len([*folder.glob("*.explain.json"), *folder.glob("*.mp4")])


def kill(command: list[str], out: Path, steps: int, chance: random.Random) -> tuple[int, bool]:
    """Kills a run and all its processes at a random moment; returns the steps done, and whether the output is there."""
    folder, when = out.with_name(f".{out.name}.parts"), chance.randrange(steps)
    process = subprocess.Popen(
        [*command, "-o", str(out), "-q"], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    began, reached = time.monotonic(), None
    while process.poll() is None:
        now = time.monotonic()
        if reached is None and steps_in(folder) >= when:
            share = (now - began) / (when + 1)  # as long as a step takes, more or less
            reached = now + chance.random() * share
        if reached is not None and now >= reached:
            break
        time.sleep(LOOK)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return steps_in(folder), out.exists()


def packets(path: Path, kind: str) -> list[tuple[Any, ...]]:
    """Returns a stream's packets: their times in seconds and their bytes; without the bytes for pictures."""
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        found = [(p.pts * p.time_base, bytes(p)) for p in container.demux(stream) if p.size]
    return found if kind == "audio" else sorted((t,) for t, _ in found)


def pictures(path: Path) -> list[tuple[Fraction, Fraction | None, np.ndarray]]:
    """Returns the times, the durations and the pictures of a video."""
    with open_source(path) as source:
        return [(frame.time, frame.duration, frame.rgb()) for frame in source]


def compare(whole: Path, parts: Path, joints: list[float]) -> list[np.ndarray]:
    """Says how the pictures handed to the encoder differ, and returns those of the whole."""
    one, other = pictures(whole), pictures(parts)
    same = [(t, d) for t, d, _ in one] == [(t, d) for t, d, _ in other]
    levels = [int(np.abs(a.astype(np.int16) - b).max()) for (*_, a), (*_, b) in zip(one, other, strict=True)]
    off = [(float(t), level) for (t, *_), level in zip(one, levels, strict=True) if level]
    far = max((min(t - j for j in joints if j <= t) for t, _ in off), default=0.0)
    print(f"{len(one)} pictures, {len(joints)} joints; times and durations {'equal' if same else 'DIFFER'}")
    print(
        f"as handed to the encoder {len(off)} differ, by {max(levels)} levels at most, up to {far:.2f} s after a joint"
    )
    return [rgb for *_, rgb in one]


def likeness(path: Path, originals: list[np.ndarray]) -> float:
    return float(np.mean([ssim(a, b) for a, (*_, b) in zip(originals, pictures(path), strict=True)]))


def joints_of(film: Path, part: Fraction) -> list[float]:
    """Returns the times at which the film is cut."""
    from unittest import mock

    from vidcam.cam.options import MapOptions
    from vidcam.media.options import MediaOptions
    from vidcam.pipeline import film as films
    from vidcam.render import Look

    with open_source(film) as source, mock.patch.object(films, "LENGTH", part):
        return [float(p) for p in films.points_of(source.info, Path("o.mp4"), MapOptions(), Look(), MediaOptions())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("film", type=Path, nargs="?")
    parser.add_argument("--part", type=Fraction, default=Fraction(10))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--model")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(machine(cores()))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        film = given.film or make_film(folder / "film.mp4")
        joints = joints_of(film, given.part)
        if not joints:
            raise SystemExit(f"{film}: cannot be cut into parts of {float(given.part):g} s")
        os.environ.update(QUIET)
        os.environ["PYTHONPATH"] = str(ROOT)
        command = [sys.executable, "-c", RUN, str(given.part), "run", str(film)]
        command += ["--model", given.model] if given.model else []
        command += ["--weights", str(given.weights)] if given.weights else []
        divided = [*command, "--workers", str(given.workers)]
        out: Callable[[str], Path] = lambda name: folder / f"{name}.mp4"  # noqa: E731
        costs = {
            "whole, CRF 0": run(command, out("whole0"), "--crf", "0"),
            "parts, CRF 0": run(divided, out("parts0"), "--crf", "0"),
            "whole": run(command, out("whole")),
            "parts": run(divided, out("parts")),
        }
        originals = compare(out("whole0"), out("parts0"), joints)
        alike = [likeness(out(n), originals) for n in ("whole", "parts")]
        print(f"SSIM with them: whole {alike[0]:.5f}, parts {alike[1]:.5f}, {alike[0] - alike[1]:+.5f} less")
        for kind in ("video", "audio"):
            same = packets(out("whole"), kind) == packets(out("parts"), kind)
            print(f"{'times of the pictures' if kind == 'video' else 'sound packets'}: {'equal' if same else 'DIFFER'}")
        for what, cost in costs.items():
            print(f"{what}: {cost.cpu:.1f} s of processor time, a process held {cost.memory / 2**20:.0f} MB at most")
        chance, wrong = random.Random(given.seed), 0
        for number in range(given.kills):
            again = out(f"killed{number}")
            steps, there = kill(divided, again, 2 * (len(joints) + 1), chance)
            left = steps_in(again.with_name(f".{again.name}.parts"))
            run(divided, again)
            same = again.read_bytes() == out("parts").read_bytes() and not list(folder.glob(".killed*"))
            wrong += not same or there
            made = f"{'the same file' if same else 'ANOTHER FILE'}{', but it had its name before' if there else ''}"
            print(f"kill {number + 1}: {steps} of {2 * (len(joints) + 1)} steps done, {left} kept; then {made}")
            again.unlink()
        if wrong:
            raise SystemExit(f"{wrong} of {given.kills} kills went wrong")


if __name__ == "__main__":
    main()
