"""What is known of a network that OpenVINO reads: by its file's metadata, the files beside it, its first operations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vidcam.models.files import ModelFile, card_beside
from vidcam.models.labels import read_labels
from vidcam.models.metadata import read_metadata
from vidcam.models.opened import Opened
from vidcam.models.preprocess import scaling_text
from vidcam.types import Fit

SMALL = 1 / 32
"""A factor before the first weights that is smaller than this brings pixels 0..255 to small numbers."""
HUGGING_FACE = "preprocessor_config.json"


@dataclass(frozen=True, slots=True)
class Told:
    """What is known without asking the user; None and empty where nothing is.

    Attributes:
        preprocess: the step from pixels to the network's numbers, in words.
        preprocess_from: how that is known.
        labels: a name for each class.
        labels_from: how they are known.
        size: (width, height) of the pictures.
        fit: how frames are fitted.
    """

    preprocess: str = ""
    preprocess_from: str = ""
    labels: tuple[str, ...] | None = None
    labels_from: str = ""
    size: tuple[int, int] | None = None
    fit: Fit | None = None


def told_of(file: ModelFile, opened: Opened, model: Any) -> Told:
    """Gathers what is known of a network.

    Args:
        file: where it is from.
        opened: what it takes and gives.
        model: it, as an `openvino.Model`; only looked at.

    Returns:
        What is known.
    """
    scaled, how = opened.quantized, "its input's quantisation" if opened.quantized else ""
    if opened.quantized == "none":
        how = "its input takes whole numbers"
    if file.labels is not None:
        known = ("Teachable Machine's",) * 2
        return Told(scaled or "tf", how or known[0], read_labels(file.labels), known[1], fit="crop")
    labels: tuple[str, ...] | None = None
    labels_from = ""
    if file.kind == "tflite":
        metadata = read_metadata(file.path)
        if metadata.labels is not None and len(metadata.labels) == opened.classes:
            labels, labels_from = metadata.labels, "its metadata"
        if metadata.normalization is not None and not scaled:
            scaled, how = scaling_text(*metadata.normalization), "its metadata"
    exported = _hugging_face(file, opened.classes)
    if not scaled and exported.preprocess:
        scaled, how = exported.preprocess, exported.preprocess_from
    if not scaled and starts_with_scaling(model):
        scaled, how = "none", "the arithmetic it begins with"
    if not scaled and (opened.classes, opened.channels, opened.network.size) == (10, 1, (28, 28)):
        scaled, how = "unit", "MNIST's assumed"
    if labels is None:
        labels, labels_from = exported.labels, exported.labels_from
    return Told(scaled, how, labels, labels_from, exported.size, exported.fit)


def _hugging_face(file: ModelFile, classes: int) -> Told:
    """Reads what Hugging Face's exports put beside a model, or above its folder `onnx`."""
    folders = [file.path] + ([file.path.parent] if file.path.parent.name == "onnx" else [])
    step = next((card for path in folders if (card := card_beside(path, HUGGING_FACE))), {})
    config = next((card for path in folders if (card := card_beside(path, "config.json"))), {})
    scaled, how = "", ""
    if step and step.get("do_rescale", True) and isinstance(step.get("rescale_factor", 1 / 255), float):
        factor = step.get("rescale_factor", 1 / 255)
        mean: Any = step.get("image_mean")
        std: Any = step.get("image_std")
        normal = step.get("do_normalize", True) and _numbers(mean) and _numbers(std)
        means, stds = (mean, std) if normal else ([0.0], [1.0])
        scaled = scaling_text(tuple(m / factor for m in means), tuple(s / factor for s in stds))
        how = HUGGING_FACE
    names = config.get("id2label")
    labels = None
    if isinstance(names, dict) and sorted(names) == sorted(str(i) for i in range(classes)):
        labels = tuple(str(names[str(i)]).split(",")[0] for i in range(classes))
    size = _size(step.get("crop_size")) or _size(step.get("size"))
    fit: Fit | None = "crop" if step.get("do_center_crop") else None
    return Told(scaled, how, labels, "config.json" if labels else "", size, fit)


def _numbers(value: Any) -> bool:
    return isinstance(value, list) and len(value) in (1, 3) and all(isinstance(v, int | float) for v in value)


def _size(value: Any) -> tuple[int, int] | None:
    if isinstance(value, int):
        return value, value
    if isinstance(value, dict):
        width, height = value.get("width"), value.get("height")
        if isinstance(width, int) and isinstance(height, int):
            return width, height
        return _size(value.get("shortest_edge"))
    return None


def starts_with_scaling(model: Any) -> bool:
    """Tells whether a network scales pixels itself: by constants, before anything else, to small numbers."""
    output = model.inputs[0].get_node().output(0)
    factor = 1.0
    while True:
        readers = [t.get_node() for t in output.get_target_inputs() if t.get_node().get_type_name() != "ShapeOf"]
        if len(readers) != 1:
            return factor < SMALL
        node = readers[0]
        kind = node.get_type_name()
        if kind in ("Add", "Subtract", "Multiply", "Divide"):
            constant = _constant(node)
            if constant is None:
                return factor < SMALL
            factor *= {"Multiply": constant, "Divide": 1 / constant if constant else 0.0}.get(kind, 1.0)
        elif kind not in ("Convert", "Transpose", "Reshape", "FakeQuantize", "Interpolate", "Gather", "StridedSlice"):
            return factor < SMALL
        output = node.output(0)


def _constant(node: Any) -> float | None:
    """Returns the mean size of the numbers that an operation puts to its other input, None where these are computed."""
    for value in node.input_values():
        source = value.get_node()
        while source.get_type_name() == "Convert":
            source = source.input_value(0).get_node()
        if source.get_type_name() == "Constant":
            return float(abs(source.get_data()).mean())
    return None
