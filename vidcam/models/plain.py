"""A network that OpenVINO reads, brought to one form: a picture of float numbers in, its batch open, the classes out.

How the file lays its picture out is told by who calls; how it is quantised is read here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from vidcam._openvino import load, ov
from vidcam.models.preprocess import scaling_text

PASSING = ("Convert", "Transpose")


class Form(NamedTuple):
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


def plain(model: Any, form: Form) -> tuple[Any, str]:
    """Brings a network to one form: a float picture with an axis for each of B, h, w, C in, the classes out.

    Args:
        model: as a front end reads it; it is taken apart.
        form: how it lays its input and output out.

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
    network = ov.Model([source], [new], "network")
    _open_batch(network, new)
    if not any(node.get_type_name() == "FakeQuantize" for node in network.get_ops()):
        # Shapes that are computed become numbers. Quantised weights would become four times as large.
        passes = load("openvino.passes")
        manager = passes.Manager()
        manager.register_pass(passes.ConstantFolding())
        manager.run_passes(network)
    return network, text


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
