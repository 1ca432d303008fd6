"""Networks that OpenVINO's front ends read, brought to one form: a picture of float numbers in, classes out.

What the file means is found out here: which input is the picture and how it is laid out and quantised, which output
are the classes. What is made of it to explain it is `vidcam.cam.build`'s business.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vidcam._openvino import core, load, ov
from vidcam._tensorflow import silence
from vidcam.errors import Unsaid, UsageError, VidcamError
from vidcam.models.files import TITLES, ModelFile
from vidcam.models.guard import check_size, check_source
from vidcam.models.preprocess import scaling_text
from vidcam.types import OpenNetwork

EXPLAINS = "vidcam explains classifiers: one picture in, one list of classes out"
PASSING = ("Convert", "Transpose")
LAYOUT = ("Reshape", "Squeeze", "Unsqueeze", *PASSING)


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


class _Form(NamedTuple):
    """How a file lays its input and output out.

    Attributes:
        name: of the input.
        output: which one gives the classes.
        first: whether the input's channels come first.
        channels: how many they are.
        flat: whether grey has no axis of its own.
    """

    name: str
    output: int
    first: bool
    channels: int
    flat: bool


def open_network(file: ModelFile, output: str | int | None = None) -> Opened:
    """Reads a network.

    Args:
        file: of any kind but Keras.
        output: the name or index of the output that gives the classes, where there are several.

    Returns:
        The network and what it takes and gives.

    Raises:
        UsageError: it is no classifier of one picture; it takes several inputs; an output has to be chosen.
        VidcamError: the file is damaged, or unsafe to read.
    """
    check_source(file)
    whole = _read(file)
    picture = _picture(whole, file)
    answer = _answer(whole, file, output)
    index = [o.get_node().get_name() for o in whole.outputs].index(answer.get_node().get_name())
    form = _form(picture, index, file)
    check_size(whole, str(file.named))
    model, quantized = _plain(whole, form)
    if not any(_has_positions(node) for node in model.get_ops()):
        raise UsageError(
            f"{file.named}: has no convolution and no attention, so nothing in it has positions; vidcam "
            "explains networks that have them"
        )
    classes = max(d.get_length() for d in list(answer.partial_shape)[1:])
    shape = model.input(0).partial_shape
    rows, columns = (shape[2], shape[3]) if form.first else (shape[1], shape[2])
    network = OpenNetwork(
        peek=(reader := _Reader(model, lambda: _plain(_read(file), form)[0])).peek,
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
    while node.get_type_name() in (*LAYOUT, "FakeQuantize"):
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
            f"{file.named}: not a {TITLES[file.kind]} model that can be read ({_reason(failed)})"
        ) from failed
    for number, tensor in enumerate((*model.inputs, *model.outputs)):
        if not tensor.get_names():
            tensor.set_names({f"tensor_{number}"})
    return model


def _reason(error: Exception) -> str:
    """Brings OpenVINO's report to its last words."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("Exception from", "Check '", "[ "))] or lines
    text = " ".join(told[-1].split()) if told else type(error).__name__
    return text if len(text) <= 160 else f"{text[:159]}…"


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
        raise UsageError(
            f"{file.named}: takes {len(inputs)} inputs, as a streaming video network does, which keeps states from "
            f"frame to frame; {EXPLAINS}"
        )
    if len(inputs) != 1:
        raise UsageError(f"{file.named}: takes {len(inputs)} inputs ({_told(inputs)}); {EXPLAINS}")
    return inputs[0]


def _form(picture: Any, output: int, file: ModelFile) -> _Form:
    dims = _dims(picture)
    no_picture = UsageError(f"{file.named}: its input {_told([picture])} is not a picture; {EXPLAINS}")
    if len(dims) == 3 and all(d is None or d >= 8 for d in dims[1:]):
        return _Form(picture.get_any_name(), output, False, 1, True)
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
    return _Form(picture.get_any_name(), output, axis == 1, dims[axis] or 3, False)


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
    raise UsageError(f"{file.named}: its output {_told([chosen])} is no list of classes: {kind}; {EXPLAINS}")


def _chosen(outputs: list[Any], output: str, file: ModelFile) -> Any:
    named = [t for t in outputs if output in t.get_names()]
    if not named and output.isdecimal() and int(output) < len(outputs):
        named = [outputs[int(output)]]
    if not named:
        raise UsageError(f"{file.named}: has no output {output!r}; it gives {_told(outputs)}")
    return named[0]


def _plain(model: Any, form: _Form) -> tuple[Any, str]:
    """Brings a network to one form: a float picture with an axis for each of B, h, w, C in, the classes out.

    Returns:
        The `openvino.Model`, and the step from pixels to its numbers where the input is quantised.
    """
    ops = ov.opset13
    old = next(p for p in model.get_parameters() if form.name in p.output(0).get_names())
    kind = old.output(0).get_element_type()
    shape = list(old.get_partial_shape())
    wide = [shape[0], shape[1], shape[2], ov.Dimension(1)] if form.flat else shape
    if shape[1 if form.first else -1].is_dynamic and not form.flat:
        wide[1 if form.first else 3] = ov.Dimension(form.channels)
    new = ops.parameter(ov.PartialShape(wide), np.float32, name="picture")
    new.output(0).set_names({"picture"})
    given: Any = ops.squeeze(new, np.int64(3)) if form.flat else new
    step = _dequantize(old) if str(kind.get_type_name()) in ("u8", "i8", "uint8_t", "int8_t") else None
    if step is None:
        given = given if kind == ov.Type.f32 else ops.convert(given, kind)
        old.output(0).replace(given.output(0))
        text = "none" if kind in (ov.Type.u8, ov.Type.i32, ov.Type.i64) else ""
    else:
        places, order, text = step
        given = ops.transpose(given, np.array(order)) if order else given
        for place in places:
            place.replace(given.output(0))
    source = model.outputs[form.output].get_node().input_value(0)
    plain = ov.Model([source], [new], "network")
    _open_batch(plain, new)
    if not any(node.get_type_name() == "FakeQuantize" for node in plain.get_ops()):
        # Shapes that are computed become numbers. Quantised weights would become four times as large.
        passes = load("openvino.passes")
        manager = passes.Manager()
        manager.register_pass(passes.ConstantFolding())
        manager.run_passes(plain)
    return plain, text


def _dequantize(parameter: Any) -> tuple[list[Any], list[int], str] | None:
    """Follows a quantised input to where its numbers are real.

    Returns:
        The outputs that hold the real numbers, the transposition on the way there, and the step from pixels in words;
        None where the file does not say how the input is quantised.
    """
    output = parameter.output(0)
    order: list[int] = []
    while True:
        readers = [t.get_node() for t in output.get_target_inputs()]
        if not readers or any(r.get_type_name() != readers[0].get_type_name() for r in readers):
            return None
        kind = readers[0].get_type_name()
        if kind == "FakeQuantize":
            break
        if kind not in PASSING or len(readers) > 1:
            return None
        if kind == "Transpose":
            then = [int(i) for i in readers[0].input_value(1).get_node().get_data().reshape(-1)]
            order = [order[i] for i in then] if order else then
        output = readers[0].output(0)
    low, high, real_low, real_high = (
        float(readers[0].input_value(i).get_node().get_data().reshape(-1)[0]) for i in range(1, 5)
    )
    # The pixels 0..255 are the levels in their order: of int8, -128 is black.
    scale = (real_high - real_low) / (high - low)
    black = real_low
    std = 1 / scale
    return [r.output(0) for r in readers], order, scaling_text((-black * std,), (std,))


def _open_batch(model: Any, picture: Any) -> None:
    """Lets a network take any number of pictures at once, where its shapes allow that."""
    ops = ov.opset13
    shape = list(picture.get_partial_shape())
    if shape[0].is_dynamic:
        return
    reached = {picture.get_name()}
    changed = []
    for node in model.get_ordered_ops():
        if node.get_type_name() in ("ShapeOf", "Constant"):
            continue
        if any(v.get_node().get_name() in reached for v in node.input_values()):
            reached.add(node.get_name())
            if node.get_type_name() == "Reshape" and _keeps_one(node):
                changed.append(node)
    for node in changed:
        target = np.array([d.get_length() for d in node.output(0).get_partial_shape()], np.int64)
        target[0] = -1
        node.input(1).replace_source_output(ops.constant(target).output(0))
    try:
        model.reshape({"picture": ov.PartialShape([ov.Dimension(), *shape[1:]])})
    except RuntimeError:  # it computes pictures one by one
        model.reshape({"picture": ov.PartialShape(shape)})


def _keeps_one(reshape: Any) -> bool:
    """Tells whether a reshape to fixed numbers hands a batch of one on."""
    before, after = reshape.input_value(0).get_partial_shape(), reshape.output(0).get_partial_shape()
    if before.is_dynamic or after.is_dynamic or not len(before) or not len(after):
        return False
    return bool(before[0].get_length() == 1 and after[0].get_length() == 1)
