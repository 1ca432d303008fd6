"""What a frame costs where a network sees time: a clip of 30 s at 30 frames a second through windows of 16 frames.

    python -m tests.benchmarks.windows [--rounds 3] [--steps 16 8 4] [--engine NAME]

The network is a (2+1)D one of made-up weights at 112x112 (0.2 thousand million multiplications a window), the clip is
drawn (320x240). Each run is `vidcam.run` to an MP4, after one of 5 s that builds and compiles; the table has the
processor's milliseconds a frame, medians of interleaved rounds, and, with kept maps, what decoding, colouring and
encoding cost alone. The last line is the most memory that the process held after the clip of 5 s and after all.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import av
import numpy as np

from tests.benchmarks.machine import cores, machine

FPS, SECONDS, WINDOW, SIDE, SIZE = 30, 30, 16, 112, (320, 240)


def network() -> Any:
    """Returns a small (2+1)D network: convolutions over space and over time in turn, pooled over both."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((WINDOW, SIDE, SIDE, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(x)
    for width, step in ((16, 1), (32, 1), (64, 2)):
        x = layers.Conv3D(width, (1, 3, 3), strides=(step, 2, 2), padding="same", activation="relu")(x)
        x = layers.Conv3D(width, (3, 1, 1), padding="same", activation="relu")(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling3D()(x)))


def draw(path: Path, seconds: int) -> None:
    """Writes a clip of a bright square that goes around on a textured ground."""
    width, height = SIZE
    coarse = np.random.default_rng(0).integers(40, 120, (height // 8, width // 8, 3), np.uint8)
    ground = coarse.repeat(8, 0).repeat(8, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for n in range(FPS * seconds):
            picture = ground.copy()
            x = 4 * n % (width - 48)
            picture[96:144, x : x + 48] = 230
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))


def main() -> None:
    """Prints the processor's time a frame for each stride."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, nargs="+", default=[16, 8, 4])
    parser.add_argument("--engine", default="auto")
    options = parser.parse_args()
    from vidcam import load_model, run

    print(machine(cores()))
    with tempfile.TemporaryDirectory() as made_in:
        folder = Path(made_in)
        short, long, maps = folder / "short.mp4", folder / "long.mp4", folder / "maps.npz"
        draw(short, 5)
        draw(long, SECONDS)
        classifier = load_model(network())

        def cost(**more: Any) -> float:
            began = time.process_time()
            made = run(long, folder / "out.mp4", overwrite=True, **more)
            return 1000 * (time.process_time() - began) / made.frames

        model = {"model": classifier, "engine": options.engine}
        run(short, folder / "out.mp4", maps=maps, clip_stride=min(options.steps), overwrite=True, **model)
        held = [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]
        found: dict[str, list[float]] = {}
        for _ in range(options.rounds):
            for step in options.steps:
                kept = {"maps": maps} if step == options.steps[0] else {}
                found.setdefault(f"a window every {step}", []).append(cost(clip_stride=step, **kept, **model))
            found.setdefault("kept maps", []).append(cost(track=maps))
        for name, costs in found.items():
            print(f"{name:20} {statistics.median(costs):6.1f} ms a frame ({min(costs):.1f} to {max(costs):.1f})")
        held.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        print("memory after 5 s and after 30 s: " + ", ".join(f"{kib / 1024:.0f} MiB" for kib in held))


if __name__ == "__main__":
    main()
