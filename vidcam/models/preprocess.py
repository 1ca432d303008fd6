"""From RGB pixels 0..255 to what a model takes, by name, inside the graph.

`mean=..,std=..` says it in numbers.

`torch`, `caffe` and `tf` are the names that `keras.applications` and its `preprocess_input` functions use for
the conventions of the frameworks the weights came from.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

from vidcam.errors import UsageError
from vidcam.types import Scaling

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

NAMED = {
    "none": Scaling((0.0,), (1.0,)),
    "unit": Scaling((0.0,), (255.0,)),
    "tf": Scaling((127.5,), (127.5,)),
    "torch": Scaling(tuple(255 * m for m in IMAGENET_MEAN), tuple(255 * s for s in IMAGENET_STD)),
    "caffe": Scaling(CAFFE_MEAN_BGR, (1.0,), reverse=True),
}
"""The same steps as numbers."""
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?"
_NUMBERS = rf"{_NUMBER}(?:,{_NUMBER})*"
_FORM = re.compile(rf"mean=({_NUMBERS}),std=({_NUMBERS})(,bgr)?", re.IGNORECASE)


@functools.cache
def scaling_of(text: str) -> Scaling:
    """Reads a step from pixels to a model's input.

    Args:
        text: a name (`PREPROCESSING`), or `mean=M,std=S`, one number each or one a channel, and `,bgr` for channels in
            that order. Numbers that are all at most 1 are of pixels divided by 255, others of pixels 0..255.

    Returns:
        The step: (pixel - mean) / std.

    Raises:
        UsageError: it is neither.
    """
    if text in NAMED:
        return NAMED[text]
    match = _FORM.fullmatch(text.replace(" ", ""))
    if match is None:
        raise UsageError(
            f"preprocess {text!r} is unknown; choose one of {', '.join(NAMED)}, or mean=M,M,M,std=S,S,S "
            "(of pixels 0..1 or 0..255)"
        )
    mean, std = (tuple(float(v) for v in match[i].split(",")) for i in (1, 2))
    if any(len(numbers) not in (1, 3) for numbers in (mean, std)) or min(std) <= 0:
        raise UsageError(f"preprocess {text!r}: mean and std are one number or three, and std is above 0")
    unit = 255.0 if max(map(abs, (*mean, *std))) <= 1 else 1.0
    return Scaling(tuple(m * unit for m in mean), tuple(s * unit for s in std), reverse=match[3] is not None)


def scaling_text(mean: Sequence[float], std: Sequence[float]) -> str:
    """Returns the words for a step from pixels 0..255: a name where it has one, else `mean=..,std=..`."""
    for name, known in NAMED.items():
        alike = [(a, b) for ours, theirs in ((mean, known.mean), (std, known.std)) for a, b in _pairs(ours, theirs)]
        if not known.reverse and all(abs(a - b) <= 0.02 for a, b in alike):
            return name
    numbers = [",".join(f"{v:.6g}" for v in (values if len(set(values)) > 1 else values[:1])) for values in (mean, std)]
    if max(map(abs, (*mean, *std))) <= 1:  # so small that they would be read as of pixels 0..1
        numbers = [",".join(f"{float(v) / 255:.6g}" for v in n.split(",")) for n in numbers]
    return f"mean={numbers[0]},std={numbers[1]}"


def _pairs(a: Sequence[float], b: Sequence[float]) -> list[tuple[float, float]]:
    count = max(len(a), len(b))
    return [((a if len(a) > 1 else [*a] * count)[i], (b if len(b) > 1 else [*b] * count)[i]) for i in range(count)]


def apply_scaling(text: str, x: Any) -> Any:
    """Brings pixels to what a model takes.

    Args:
        text: see `scaling_of`.
        x: float tensor or array (B, h, w, C), RGB, 0..255.

    Returns:
        The same shape.
    """
    if text in PREPROCESSING:
        return PREPROCESSING[text](x)
    step = scaling_of(text)
    return ((x[..., ::-1] if step.reverse else x) - step.mean) / step.std
