"""The most memory that a run holds, of a short and a ten times longer 1080p clip made of a given one.

    python -m tests.benchmarks.memory VIDEO [--model NAME] [--weights FILE] [--engine NAME] [--view VIEW]

Each run is `vidcam.run` in a process of its own, TensorFlow and all, which says its own VmHWM at the end (Linux).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from itertools import cycle, islice
from pathlib import Path

import av

from vidcam.media import open_source

SIZE = (1920, 1080)
FRAMES = (150, 1500)
RUN = """
import json, sys
import vidcam
from vidcam.pipeline.meter import peak_memory
source, out, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
model = vidcam.load_model(options.pop("model"), weights=options.pop("weights"))
result = vidcam.run(source, out, model=model, **options)
print(result.frames, peak_memory() / 2**20, result.seconds)
"""


def enlarge(source: Path, out: Path, frames: int) -> None:
    """Writes so many 1080p frames of a clip that is repeated as often as needed."""
    with open_source(source, end=3.0) as opened:
        pictures = [f.rgb() for f in opened]
    with av.open(str(out), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for rgb in islice(cycle(pictures), frames):
            frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(*SIZE, format="yuv420p", dst_colorspace=1)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def main() -> None:
    """Prints the peak for each length."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--model", default="mobilenet_v2")
    parser.add_argument("--weights")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--view", default="overlay")
    parser.add_argument("--frames", type=int, nargs="+", default=FRAMES)
    options = vars(parser.parse_args())
    video, lengths = options.pop("video"), options.pop("frames")
    with tempfile.TemporaryDirectory() as folder:
        for frames in lengths:
            clip = Path(folder) / f"{frames}.mp4"
            enlarge(video, clip, frames)
            command = [
                sys.executable,
                "-c",
                RUN,
                str(clip),
                str(Path(folder) / f"out{frames}.mp4"),
                json.dumps(options),
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            written, peak, seconds = map(float, done.stdout.split())
            print(f"{written:.0f} frames of {SIZE[0]}x{SIZE[1]}: at most {peak:.0f} MB, {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
