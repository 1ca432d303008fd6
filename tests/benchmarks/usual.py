"""Grad-CAM over a video as scripts of the usual kind do it: one loop, one frame at a time, TensorFlow and OpenCV.

    python tests/benchmarks/usual.py VIDEO OUT.mp4 [--weights FILE]

It follows what tutorials teach (the Grad-CAM example at https://keras.io/examples/vision/grad_cam/ put into OpenCV's
read and write loop), without their slips: the model with two outputs is built once instead of for each picture, the
class comes out of the same pass instead of a second one by `predict`, and frames go through memory instead of files.
It knows nothing of vidcam. The sound is lost, and `mp4v` is what OpenCV's wheels can write.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import keras
import numpy as np
import tensorflow as tf

LAYER, SIZE, ALPHA = "out_relu", (224, 224), 0.4


def load(weights: Path | None) -> Any:
    """Returns MobileNetV2 with two outputs, the last feature maps and the logits; random where there are no weights."""
    model = keras.models.load_model(weights) if weights else keras.applications.MobileNetV2(weights=None)
    model.layers[-1].activation = None
    return keras.Model(model.inputs, [model.get_layer(LAYER).output, model.output])


def heatmap(model: Any, image: np.ndarray) -> tuple[np.ndarray, int]:
    """Explains one picture, RGB uint8 (224, 224, 3).

    Returns:
        The heat, float32 (7, 7), 0 to 1, and the class.
    """
    x = keras.applications.mobilenet_v2.preprocess_input(image[np.newaxis].astype(np.float32))
    with tf.GradientTape() as tape:
        features, scores = model(x)
        best = int(tf.argmax(scores[0]))
        score = scores[:, best]
    weights = tf.reduce_mean(tape.gradient(score, features), axis=(0, 1, 2))
    heat = tf.nn.relu(tf.reduce_sum(features[0] * weights, axis=-1))
    return (heat / (tf.reduce_max(heat) + 1e-8)).numpy(), best


def overlay(video: Path, out: Path, model: Any) -> int:
    """Writes the video with the heat over it and returns how many frames it has."""
    capture = cv2.VideoCapture(str(video))
    size = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    writer = cv2.VideoWriter(str(out), cv2.VideoWriter_fourcc(*"mp4v"), capture.get(cv2.CAP_PROP_FPS), size)
    count = 0
    while True:
        read, frame = capture.read()
        if not read:
            break
        image = cv2.cvtColor(cv2.resize(frame, SIZE), cv2.COLOR_BGR2RGB)
        heat, best = heatmap(model, image)
        colors = cv2.applyColorMap(np.uint8(255 * cv2.resize(heat, size)), cv2.COLORMAP_JET)
        shown = cv2.addWeighted(frame, 1 - ALPHA, colors, ALPHA, 0)
        cv2.putText(shown, f"class {best}", (10, 40), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (255, 255, 255), 2)
        writer.write(shown)
        count += 1
    capture.release()
    writer.release()
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--weights", type=Path, help="a .keras file of MobileNetV2; else random weights")
    options = parser.parse_args()
    print(f"{overlay(options.video, options.out, load(options.weights))} frames")


if __name__ == "__main__":
    main()
