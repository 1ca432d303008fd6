"""Damaged and hostile files, made from valid ones with a seed, against the media layer alone.

    python -m tests.media.fuzz --count 20000 --seed 1 --keep FOLDER

Inputs run in a worker process, so that a crash inside a codec library is found and does not end the search. What must
not happen: an exception that is not vidcam's own, a crash, 10 seconds without an end, more than 1 GB, an open handle.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from PIL import Image

from tests.media.make import Sound, Video, picture, write_animation, write_video
from vidcam.errors import VidcamError

LIMIT_SECONDS = 10.0
LIMIT_MEGABYTES = 1024
MAX_PIXELS = 2**20


def seeds(folder: Path) -> list[Path]:
    """Makes small valid files of every kind."""
    folder.mkdir(parents=True, exist_ok=True)
    videos = {
        "b.mp4": Video(frames=8, options={"bf": "2"}, sounds=[Sound(seconds=1)]),  # type: ignore[arg-type]
        "a.mkv": Video(frames=8, sounds=[Sound(codec="libopus")]),
        "a.webm": Video(frames=8, codec="libvpx"),
        "v9.webm": Video(frames=6, codec="libvpx-vp9"),
        "h.mp4": Video(frames=6, codec="libx265"),
        "a.avi": Video(frames=8, codec="mpeg4"),
        "m.avi": Video(frames=6, codec="mjpeg", pixels="yuvj420p", full=True),
        "a.flv": Video(frames=6, codec="flv"),
        "a.ts": Video(frames=6, codec="mpeg2video"),
        "i.mkv": Video(frames=6, options={"flags": "+ildct+ilme", "x264-params": "tff=1"}),
        "r.mov": Video(frames=4, rotation=90),
    }
    made = [write_video(folder / name, fields) for name, fields in videos.items()]
    made += [write_animation(folder / f"a{suffix}", [50, 20, 30, 40]) for suffix in (".gif", ".png", ".webp", ".avif")]
    for name in ("s.png", "s.jpg", "s.webp", "s.bmp", "s.tif", "s.gif"):
        Image.fromarray(picture(1)).save(folder / name)
        made.append(folder / name)
    return made


def damaged(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """Returns a file with bytes flipped, cut, doubled, overwritten with extremes, or another file's header."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        how = rng.randrange(6)
        # Headers decide more than pixels: half of the damage goes to the first bytes.
        at = rng.randrange(min(len(out), 200)) if rng.random() < 0.5 else rng.randrange(len(out))
        if how == 0:
            for _ in range(rng.choice((1, 3, 20))):
                out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
        elif how == 1:
            out[at] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        elif how == 2:
            out[at : at + 4] = rng.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0"))
        elif how == 3 and len(out) > 40:
            del out[at : at + rng.choice((1, 4, 100, len(out)))]
        elif how == 4:
            out[at:at] = out[at : at + rng.choice((1, 8, 300))]
        else:
            length = rng.choice((4, 16, 64))
            out[:length] = other[:length]
        if len(out) < 16:
            out += bytes(16)
    return bytes(out)


def inputs(files: list[Path], seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """Returns (name, contents) of damaged files; the same for the same seed."""
    contents = [file.read_bytes() for file in files]
    for number in range(count):
        rng = random.Random(f"{seed} {number}")
        which = number % len(files)
        yield f"{number}-{files[which].name}", damaged(contents[which], rng.choice(contents), rng)


def consume(path: Path) -> str:
    """Reads a file as the pipeline does, within limits; returns what came of it."""
    from vidcam.media import open_sink, open_source

    try:
        with open_source(path, max_pixels=MAX_PIXELS) as source:
            out = path.with_suffix(".out.mkv")
            try:
                with open_sink(out, source=source.info, overwrite=True, preset="ultrafast") as sink:
                    for number, frame in enumerate(source):
                        if number < 5:
                            sink.write(frame.rgb(), frame.time, frame.duration)
                        elif number == 300:
                            break
            finally:
                out.unlink(missing_ok=True)
    except VidcamError as error:
        if "\n" in str(error):
            raise AssertionError(f"not one line: {error!r}") from error
        return "refused"
    return "read"


def _peak_megabytes() -> float:
    """Returns the most memory this process has had. Linux counts what its parent had into `ru_maxrss`."""
    status = Path("/proc/self/status")
    if status.is_file():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _worker(pipe: Connection) -> None:
    while (path := pipe.recv()) is not None:
        try:
            result = consume(path)
        except BaseException as error:
            result = f"raised {type(error).__name__}: {error}"
        listing = Path("/proc/self/fd")
        handles = sum(1 for _ in listing.iterdir()) if listing.is_dir() else 0
        pipe.send((result, handles, _peak_megabytes()))


class Worker:
    """A process that consumes one file after another."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_worker, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self._handles: int | None = None

    def consume(self, path: Path) -> str:
        """Returns "read", "refused", or what went wrong; after that a new worker is needed."""
        self._pipe.send(path)
        if not self._pipe.poll(LIMIT_SECONDS + (20 if self._handles is None else 0)):
            self._end()
            return f"took more than {LIMIT_SECONDS:g} s"
        try:
            result, handles, megabytes = self._pipe.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            return f"crashed with {self._process.exitcode}"
        if self._handles is not None and handles > self._handles:
            result = f"left {handles - self._handles} handles open"
        self._handles = handles
        if megabytes > LIMIT_MEGABYTES:
            self._end()
            result = f"used {megabytes:.0f} MB"
        return str(result)

    def _end(self) -> None:
        self._process.kill()
        self._process.join()

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def close(self) -> None:
        if self.alive:
            self._pipe.send(None)
            self._process.join()


def search(folder: Path, seed: int, count: int, keep: Path | None = None) -> tuple[dict[str, int], list[str]]:
    """Consumes damaged files.

    Args:
        folder: where files may be made.
        seed: decides what they are.
        count: how many.
        keep: where files that found something are kept.

    Returns:
        How many were read and refused, and a line for each that went wrong.
    """
    counts = {"read": 0, "refused": 0}
    wrong: list[str] = []
    files = seeds(folder / "seeds")
    worker = Worker()
    for name, data in inputs(files, seed, count):
        path = folder / name
        path.write_bytes(data)
        if not worker.alive:
            worker = Worker()
        result = worker.consume(path)
        if result in counts:
            counts[result] += 1
        else:
            wrong.append(f"{name}: {result}")
            if keep:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / name).write_bytes(data)
        path.unlink()
    worker.close()
    return counts, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for files that found something")
    options = parser.parse_args()
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        counts, wrong = search(Path(folder), options.seed, options.count, options.keep)
    print(*wrong, sep="\n")
    print(f"{options.count} inputs in {time.monotonic() - start:.0f} s: {counts}, {len(wrong)} went wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
