"""Networks that OpenVINO's front ends read, brought to one form: a picture of float numbers in, classes out.

What the file means is found out here: which input is the picture and how it is laid out, which output are the classes.
`plain` brings it to the form; what is made of it to explain it is `vidcam.cam.build`'s business.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vidcam._openvino import core, last_words, ov
from vidcam._tensorflow import silence
from vidcam.errors import NoClassifier, Unsaid, UsageError, VidcamError
from vidcam.models.files import TITLES, ModelFile
from vidcam.models.guard import check_source, check_tensors
from vidcam.models.plain import PASSING, Form, plain
from vidcam.types import OpenNetwork

EXPLAINS = "vidcam explains classifiers: one picture in, one list of classes out"
LAYOUT_KINDS = ("Reshape", "Squeeze", "Unsqueeze", *PASSING)


@dataclass(frozen=True, slots=True)
class Opened:
    """A network that was read.

    Attributes:
        network: to explain.
        classes: how many numbers it gives a picture.
        channels: 1 or 3.
        quantized: the step from pixels to its numbers that the input's quantisation says; empty without one.
    """

    network: OpenNetwork
    classes: int
    channels: int
    quantized: str = ""


def open_network(file: ModelFile, output: str | int | None = None) -> Opened:
    """Reads a network.

    Args:
        file: of any kind but Keras.
        output: the name or index of the output that gives the classes, where there are several.

    Returns:
        The network and what it takes and gives.

    Raises:
        NoClassifier: it is no classifier of one picture; it takes several inputs.
        UsageError: an output has to be chosen.
        VidcamError: the file is damaged, or unsafe to read.
    """
    check_source(file)
    whole = _read(file)
    inputs, outputs = ([_told([tensor]) for tensor in tensors] for tensors in (whole.inputs, whole.outputs))
    try:
        return _open(whole, file, output)
    except _No as error:
        raise NoClassifier(str(error), TITLES[file.kind], inputs, outputs) from error


class _No(Exception):  # noqa: N818 - what is wrong stands in the message
    """What was read is no classifier; says why."""


def _open(whole: Any, file: ModelFile, output: str | int | None) -> Opened:
    picture = _picture(whole, file)
    answer = _answer(whole, file, output)
    index = [o.get_node().get_name() for o in whole.outputs].index(answer.get_node().get_name())
    form = _form(picture, index, file)
    check_tensors(whole, str(file.named))
    model, quantized = plain(whole, form)
    if not any(_has_positions(node) for node in model.get_ops()):
        raise _No(
            f"{file.named}: has no convolution and no attention, so nothing in it has positions; vidcam "
            "explains networks that have them"
        )
    classes = max(d.get_length() for d in list(answer.partial_shape)[1:])
    shape = model.input(0).partial_shape
    rows, columns = (shape[2], shape[3]) if form.first else (shape[1], shape[2])
    network = OpenNetwork(
        peek=(reader := _Reader(model, lambda: plain(_read(file), form)[0])).peek,
        read=reader.read,
        kind=TITLES[file.kind],
        channels_first=form.first,
        digest=_digest(file.path, index),
        size=(rows.get_length(), columns.get_length()) if rows.is_static and columns.is_static else None,
        keeper=file.keeper,
    )
    return Opened(network, classes, form.channels, quantized)


def _has_positions(node: Any) -> bool:
    """Tells whether an operation is a convolution, or a product of attention: of two things that are computed."""
    kind = node.get_type_name()
    products = kind in ("MatMul", "Einsum") and node.get_input_size() == 2
    return kind in ("Convolution", "GroupConvolution") or (products and not any(map(_constant, node.input_values())))


def _constant(value: Any) -> bool:
    node = value.get_node()
    while node.get_type_name() in (*LAYOUT_KINDS, "FakeQuantize"):
        node = node.input_value(0).get_node()
    return bool(node.get_type_name() == "Constant")


class _Reader:
    """Gives what was read to whom asks first, and reads again for others, who may each change what they get."""

    def __init__(self, model: Any, again: Callable[[], Any]) -> None:
        self._model, self._again = model, again

    def peek(self) -> Any:
        """Returns the network, which stays as it is."""
        if self._model is None:
            self._model = self._again()
        return self._model

    def read(self) -> Any:
        """Returns a network of the caller's own."""
        model, self._model = self._model, None
        return self._again() if model is None else model


def _read(file: ModelFile) -> Any:
    failed = None
    with silence():  # its libraries write about a damaged file, each in its way
        try:
            model = core().read_model(str(file.path))
        except Exception as error:
            failed = error
    if failed is not None:
        raise VidcamError(
            f"{file.named}: cannot be read as {TITLES[file.kind]}; it is damaged, or holds what OpenVINO does not know "
            f"({last_words(failed)})"
        ) from failed
    try:
        for node in model.get_ops():
            node.get_friendly_name()
            for tensor in node.outputs():
                tensor.get_names()
    except UnicodeDecodeError as error:
        raise VidcamError(f"{file.named}: holds names that are no text; the file is damaged") from error
    for number, tensor in enumerate((*model.inputs, *model.outputs)):
        if not tensor.get_names():
            tensor.set_names({f"tensor_{number}"})
    return model


def _digest(path: Path, output: int) -> str:
    """Names a file or a SavedModel's folder by its content."""
    digest = hashlib.sha256(str(output).encode())
    beside = [path.with_suffix(".bin")] if path.suffix == ".xml" and path.with_suffix(".bin").is_file() else []
    for part in sorted(path.rglob("*")) if path.is_dir() else [path, *beside]:
        if part.is_file():
            digest.update(part.name.encode())
            with part.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _dims(tensor: Any) -> list[int | None]:
    shape = tensor.partial_shape
    if shape.rank.is_dynamic:
        return []
    return [d.get_length() if d.is_static else None for d in shape]


def _told(tensors: Any) -> str:
    """Lists tensors for a message: their names and shapes."""
    listed = [
        f"{t.get_any_name()} {'x'.join('?' if d is None else str(d) for d in _dims(t)) or 'of any shape'}"
        for t in tensors
    ]
    return ", ".join(listed[:6]) + (f" and {len(listed) - 6} more" if len(listed) > 6 else "")


def _picture(model: Any, file: ModelFile) -> Any:
    """Finds the input that takes the picture; a switch between training and use is set to use."""
    inputs = list(model.inputs)
    for tensor in inputs:
        if str(tensor.element_type.get_type_name()) == "boolean" and not any(d != 1 for d in _dims(tensor)):
            tensor.get_node().output(0).replace(ov.opset13.constant(np.zeros([1] * len(_dims(tensor)), bool)).output(0))
            model.remove_parameter(tensor.get_node())
    inputs = list(model.inputs)
    if len(inputs) > 4 and any("state" in t.get_any_name() for t in inputs):
        raise _No(
            f"{file.named}: takes {len(inputs)} inputs, as a streaming video network does, which keeps states from "
            f"frame to frame; {EXPLAINS}"
        )
    if len(inputs) != 1:
        raise _No(f"{file.named}: takes {len(inputs)} inputs ({_told(inputs)}); {EXPLAINS}")
    return inputs[0]


def _form(picture: Any, output: int, file: ModelFile) -> Form:
    dims = _dims(picture)
    no_picture = _No(f"{file.named}: its input {_told([picture])} is not a picture; {EXPLAINS}")
    if len(dims) == 3 and all(d is None or d >= 8 for d in dims[1:]):
        return Form(picture.get_any_name(), output, False, 1, True)
    if len(dims) != 4:
        raise no_picture
    places = [axis for axis in (3, 1) if dims[axis] in (1, 3)]
    if file.kind == "onnx":
        places.reverse()
    if not places and dims.count(None) < 3:
        raise no_picture
    axis = places[0] if places else (1 if file.kind == "onnx" else 3)
    if any(d is not None and d < 8 for d in (dims[2:] if axis == 1 else dims[1:3])):
        raise no_picture
    return Form(picture.get_any_name(), output, axis == 1, dims[axis] or 3, False)


def _answer(model: Any, file: ModelFile, output: str | int | None) -> Any:
    """Finds the output that gives the classes."""
    outputs = list(model.outputs)
    if output is not None:
        chosen = _chosen(outputs, str(output), file)
    elif len(outputs) > 1:
        lists = [t for t in outputs if len(dims := _dims(t)) == 2 and (dims[1] or 0) > 1]
        raise Unsaid(
            f"{file.named}: gives {len(outputs)} outputs ({_told(outputs)}); name the one of the classes with "
            f"--model-output (output=), if it is a classifier: {EXPLAINS}",
            "output",
            max(lists or outputs, key=lambda t: _dims(t)[-1] or 0).get_any_name(),
        )
    else:
        chosen = outputs[0]
    dims = _dims(chosen)
    if len(dims) >= 2 and None not in dims[1:] and sum(d != 1 for d in dims[1:]) <= 1 and len(dims) <= 4:
        return chosen
    spread = [d for d in dims[1:] if d is None or d > 1]
    kind = "a detector or segmenter, which answers for each place" if len(spread) > 1 else "no classifier"
    raise _No(f"{file.named}: its output {_told([chosen])} is no list of classes: {kind}; {EXPLAINS}")


def _chosen(outputs: list[Any], output: str, file: ModelFile) -> Any:
    named = [t for t in outputs if output in t.get_names()]
    if not named and output.isdecimal() and int(output) < len(outputs):
        named = [outputs[int(output)]]
    if not named:
        raise UsageError(f"{file.named}: has no output {output!r}; it gives {_told(outputs)}")
    return named[0]
