"""From RGB pixels 0..255 to what a model takes, by name, inside the graph.

`torch`, `caffe` and `tf` are the names that `keras.applications` and its `preprocess_input` functions use for
the conventions of the frameworks the weights came from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)


def _none(x: Any) -> Any:
    return x


def _unit(x: Any) -> Any:
    return x / 255.0


def _tf(x: Any) -> Any:
    return x / 127.5 - 1.0


def _torch(x: Any) -> Any:
    return (x / 255.0 - IMAGENET_MEAN) / IMAGENET_STD


def _caffe(x: Any) -> Any:
    return x[..., ::-1] - CAFFE_MEAN_BGR


PREPROCESSING: dict[str, Callable[[Any], Any]] = {
    "none": _none,
    "unit": _unit,
    "tf": _tf,
    "torch": _torch,
    "caffe": _caffe,
}
"""Name -> function of a float32 tensor or array (B, H, W, C), RGB 0..255: `none` leaves it, `unit` is 0..1,
`tf` is -1..1, `torch` is 0..1 less ImageNet's mean over its deviation, `caffe` is BGR less ImageNet's mean."""
