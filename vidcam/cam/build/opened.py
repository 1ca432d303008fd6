"""A network that OpenVINO's front ends read, to an explainer graph: what is looked for in it, and what is written.

Looked for: the logits behind a final softmax or sigmoid, and the tensors with positions that lead to them. Written:
the scaling of pixels before it, the selection behind it, and the gradient of the selected logit (`gradients`).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vidcam._openvino import ov
from vidcam.cam.build.gradients import NoRule, differentiate
from vidcam.errors import UsageError
from vidcam.types import Scaling

ENDS = {"Softmax": "softmax", "LogSoftmax": "softmax", "Sigmoid": "sigmoid"}
LAYOUT = ("Transpose", "Convert", "FakeQuantize", "Reshape", "Squeeze", "Unsqueeze")
"""Operations that hand on numbers in another layout or type, or rounded."""
WINDOWED = ("Convolution", "GroupConvolution", "MaxPool", "AvgPool", "BatchNormInference")
"""Operations whose tensors have the channels first."""
HIDDEN = (*LAYOUT, "Pad", "StridedSlice", "Slice", "Broadcast")
"""Operations whose results no user would name as a layer."""
GENERATED = re.compile(r"[A-Z]\w*_\d+")


@dataclass(frozen=True, slots=True)
class Layer:
    """A tensor that a map can be made from.

    Attributes:
        path: what `--layer` takes.
        kind: the type of the operation that makes it.
        output: the tensor, rank 4.
        first: whether its channels come first.
    """

    path: str
    kind: str
    output: Any
    first: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns and channels."""
        dims = [d.get_length() for d in list(self.output.get_partial_shape())[1:]]
        return (dims[1], dims[2], dims[0]) if self.first else (dims[0], dims[1], dims[2])


def logits_of(model: Any) -> tuple[Any, str]:
    """Finds the logits.

    Returns:
        The tensor that goes into the final softmax or sigmoid, and which of the two it is; the output itself, in real
        numbers, and `linear` where there is neither.
    """
    start = model.outputs[0].get_node().input_value(0)
    node = start.get_node()
    while node.get_type_name() in LAYOUT:
        node = node.input_value(0).get_node()
    if node.get_type_name() in ENDS:
        return node.input_value(0), ENDS[node.get_type_name()]
    output = start
    while True:  # back from the levels of a quantised output to real numbers
        node = output.get_node()
        kind = node.get_type_name()
        levels = kind == "FakeQuantize" and not np.allclose(_number(node, 1), _number(node, 3))
        if not (levels or kind in ("Convert", "Transpose", "Reshape", "Squeeze", "Unsqueeze")):
            return output, "linear"
        output = node.input_value(0)


def _number(node: Any, place: int) -> Any:
    return node.input_value(place).get_node().get_data().reshape(-1)[0]


def layers_of(model: Any, logits: Any, channels_first: bool) -> list[Layer]:
    """Lists the tensors that a map can be made from, in the order of computation.

    Those are the ones from the first convolution on that have positions and channels, larger than 1x1, and lead to the
    logits.
    """
    behind = _behind(logits)
    first: dict[tuple[str, int], bool] = {}
    found: list[Layer] = []
    convolved, counts = False, Counter[str]()
    for node in model.get_ordered_ops():
        kind = node.get_type_name()
        if kind == "Parameter":
            first[node.get_name(), 0] = channels_first
        if kind in ("Constant", "ShapeOf", "Result"):
            continue
        counts[kind] += 1
        convolved = convolved or kind in ("Convolution", "GroupConvolution")
        inputs = [(v.get_node().get_name(), v.get_index()) for v in node.input_values()]
        known = next((first[i] for i in inputs if i in first), None)
        for output in node.outputs():
            laid = _laid_out(node, output, known)
            if laid is None:
                continue
            first[node.get_name(), output.get_index()] = laid
            before = found[-1].output if found else None
            if kind == "FakeQuantize" and before is not None and inputs[0] == (before.get_node().get_name(), 0):
                # What a layer gives is rounded, and may be cut to what is left of it: a relu6 is no more than that.
                found[-1] = replace(found[-1], output=output)
            elif convolved and node.get_name() in behind and _is_map(output, laid):
                found.append(Layer(_path(node, counts[kind]), kind, output, laid))
    return found


def _laid_out(node: Any, output: Any, known: bool | None) -> bool | None:
    """Tells whether a tensor has its channels first; None for none of rank 4, or where it cannot be told."""
    shape = output.get_partial_shape()
    if shape.rank.is_dynamic or len(shape) != 4:
        return None
    kind = node.get_type_name()
    if kind in WINDOWED:
        return True
    if known is None:
        return None
    if kind == "Transpose":
        order = [int(i) for i in node.input_value(1).get_node().get_data().reshape(-1)]
        place = order.index(1 if known else 3)
        return {1: True, 3: False}.get(place)
    if kind == "Reshape" and list(node.input_value(0).get_partial_shape()) != list(shape):
        return None
    return known


def _is_map(output: Any, first: bool) -> bool:
    dims = list(output.get_partial_shape())
    rows, columns, channels = (dims[2], dims[3], dims[1]) if first else (dims[1], dims[2], dims[3])
    return bool(channels.is_static and rows.is_static and columns.is_static and (rows, columns) != (1, 1))


def _path(node: Any, number: int) -> str:
    """Names a layer: as the file does, else by its kind and number."""
    name, kind = node.get_friendly_name(), node.get_type_name()
    return f"{kind.lower()}_{number}" if not name or GENERATED.fullmatch(name) else name


def _behind(output: Any) -> set[str]:
    """Returns the names of the nodes that a tensor is computed from."""
    seen = {output.get_node().get_name()}
    stack = [output.get_node()]
    while stack:
        for value in stack.pop().input_values():
            if value.get_node().get_name() not in seen:
                seen.add(value.get_node().get_name())
                stack.append(value.get_node())
    return seen


def default_layer(found: list[Layer], name: str) -> tuple[Layer, str]:
    """Chooses the layer to explain: the last one with a map, before the local pooling that follows it.

    Returns:
        The layer, and the reason in a few words.

    Raises:
        UsageError: there is none.
    """
    if not found:
        raise UsageError(
            f"{name}: has no convolution whose map leads to its classes; vidcam explains convolutional networks"
        )
    by_output = {(layer.output.get_node().get_name(), layer.output.get_index()): layer for layer in found}
    layer, reason = found[-1], "the last layer with a map before the logits"
    while layer.kind in (*LAYOUT, "MaxPool", "AvgPool"):
        before = layer.output.get_node().input_value(0)
        earlier = by_output.get((before.get_node().get_name(), before.get_index()))
        if earlier is None:
            break
        if layer.kind in ("MaxPool", "AvgPool"):
            reason = f"the input of the pooling {layer.path}, the last layer with a map before the logits"
        layer = earlier
    return layer, reason


def named(found: list[Layer]) -> dict[str, Layer]:
    """Returns the layers that a user may name, by path."""
    return {layer.path: layer for layer in found if layer.kind not in HIDDEN}


def pooling_behind(layer: Layer) -> Any:
    """Returns the output of the global average pooling that all of a layer's map goes through, None without one."""
    output, first = layer.output, layer.first
    while True:
        readers = [t for t in output.get_target_inputs() if t.get_node().get_type_name() != "ShapeOf"]
        if len(readers) != 1:
            return None
        node = readers[0].get_node()
        kind = node.get_type_name()
        if kind == "ReduceMean":
            axes = sorted(int(a) % 4 for a in node.input_value(1).get_node().get_data().reshape(-1))
            return node.output(0) if axes == ([2, 3] if first else [1, 2]) else None
        if kind == "AvgPool":
            given = node.get_attributes()
            whole = [d.get_length() for d in list(node.input_value(0).get_partial_shape())[2:]]
            padded = any((*given["pads_begin"], *given["pads_end"])) and given["auto_pad"] == "explicit"
            even = list(given["kernel"]) == whole and not padded
            return node.output(0) if even and first else None
        if kind == "Transpose":
            order = [int(i) for i in node.input_value(1).get_node().get_data().reshape(-1)]
            place = order.index(1 if first else 3)
            if place not in (1, 3):
                return None
            first = place == 1
        elif kind not in ("FakeQuantize", "Convert"):
            return None
        output = node.output(0)


def is_dense(pooled: Any, logits: Any) -> bool:
    """Tells whether one dense layer, or a 1x1 convolution, and nothing else leads from a pooling to the logits."""
    products, output = 0, logits
    while (output.get_node().get_name(), output.get_index()) != (pooled.get_node().get_name(), pooled.get_index()):
        node = output.get_node()
        kind = node.get_type_name()
        if kind in ("MatMul", "Convolution"):
            products += 1
        elif kind == "Add":
            if pooled.get_node().get_name() in _behind(node.input_value(1)):
                return False
        elif kind not in LAYOUT:
            return False
        if not node.get_input_size():
            return False
        output = node.input_value(0)
    return products == 1


def scale_pixels(model: Any, scaling: Scaling, channels_first: bool) -> Any:
    """Puts pixels in the place of a network's input.

    Args:
        model: of one float input of rank 4.
        scaling: the step from RGB 0..255 to its numbers.
        channels_first: whether the input is (B, C, h, w).

    Returns:
        The new parameter `images`, uint8 (B, h, w, C).
    """
    ops = ov.opset13
    old = model.get_parameters()[0]
    shape = list(old.get_partial_shape())
    wide = [shape[0], shape[2], shape[3], shape[1]] if channels_first else shape
    images = ops.parameter(ov.PartialShape(wide), np.uint8, name="images")
    images.output(0).set_names({"images"})
    x: Any = ops.convert(images, "f32")
    channels = wide[3].get_length()
    if scaling.reverse and channels == 3:
        x = ops.gather(x, np.array([2, 1, 0], np.int64), np.int64(3))
    # Grey takes the mean of what is told for colours.
    mean, std = (np.array(v if channels == 3 else [sum(v) / len(v)], np.float32) for v in (scaling.mean, scaling.std))
    x = ops.divide(ops.subtract(x, mean), std)
    x.output(0).set_names({"scaled"})
    if channels_first:
        x = ops.transpose(x, np.array([0, 3, 1, 2], np.int64))
    old.output(0).replace(x.output(0))
    return images


def select(logits: Any, selection: Any, classes: int) -> Any:
    """Says how much each picture's logits weigh in what is explained.

    Args:
        logits: (B, classes).
        selection: (classes + 2,), a weight for each class, one for each picture's best class and one for its runner-up:
            the best of the classes that the weights before leave at 0.
        classes: how many there are.

    Returns:
        The weights (B, classes).
    """
    ops = ov.opset13

    def part(start: int, end: int) -> Any:
        one = np.array([1], np.int64)
        return ops.slice(selection, one * start, one * end, one, one * 0)

    def hot(values: Any) -> Any:
        best = ops.topk(values, np.int64(1), 1, "max", "value", "i32").output(1)
        place = ops.squeeze(best, np.int64(1))
        return ops.one_hot(place, np.int64(classes), np.float32(1), np.float32(0), 1)

    weights = ops.add(ops.multiply(hot(logits), part(classes, classes + 1)), part(0, classes))
    free = ops.equal(weights, np.float32(0))
    lowest = ops.subtract(ops.reduce_min(logits, np.array([1], np.int64), True), np.float32(1))
    second = hot(ops.select(free, logits, lowest))
    there = ops.convert(free, "f32")
    return ops.add(weights, ops.multiply(ops.multiply(second, there), part(classes + 1, classes + 2)))


@dataclass(frozen=True, slots=True)
class Written:
    """An explainer graph as it was written.

    Attributes:
        model: the `openvino.Model`.
        classes: as shown.
        pooled_head: whether a global average pooling and one dense layer follow every target layer.
        without: why there is no gradient in it; empty where there is one.
    """

    model: Any
    classes: int
    pooled_head: bool
    without: str


def write_graph(model: Any, logits: Any, end: str, targets: list[Layer], images: Any) -> Written:
    """Writes what explains a network into its graph.

    Args:
        model: the network; it is taken apart.
        logits: the tensor of its logits.
        end: what follows them.
        targets: the layers to explain.
        images: its input.

    Returns:
        The explainer graph.
    """
    ops = ov.opset13
    for node in model.get_ops():
        for output in node.outputs():
            if "scaled" not in output.get_names() and node.get_name() != images.get_name():
                output.set_names(set())
    count = int(np.prod([d.get_length() for d in list(logits.get_partial_shape())[1:]]))
    raw = ops.convert(ops.reshape(logits, np.array([-1, count], np.int64), False), "f32")
    shown = ops.concat([ops.negative(raw), raw], 1) if count == 1 else raw
    classes = max(count, 2)
    sure = ops.sigmoid(shown) if end == "sigmoid" or count == 1 else ops.softmax(shown, 1)
    selection = ops.parameter(ov.PartialShape([classes + 2]), np.float32, name="selection")
    selection.output(0).set_names({"selection"})
    weights = select(shown, selection, classes)
    if count == 1:  # the two shown classes have the logits -z and z
        parts = ops.split(weights, np.int64(1), 2)
        weights = ops.subtract(parts.output(1), parts.output(0))
    results = {"logits": shown, "probabilities": sure}
    pooled_head, without = True, ""
    for number, layer in enumerate(targets):
        ending = f".{number}" if number else ""
        pooled = pooling_behind(layer)
        results[f"activations{ending}"] = _last(layer.output, layer.first)
        pooled_head = pooled_head and pooled is not None and is_dense(pooled, logits)
        try:
            results[f"gradient{ending}"] = _gradient(logits, layer, pooled, weights)
        except NoRule as error:
            without = str(error)
    kept = {name: node for name, node in results.items() if not (without and name.startswith("gradient"))}
    outputs = []
    for name, node in kept.items():
        result = ops.result(node)
        result.output(0).set_names({name})
        outputs.append(result)
    explained = ov.Model(outputs, [images, selection], "vidcam")
    return Written(explained, classes, pooled_head and not without, without)


def _gradient(logits: Any, layer: Layer, pooled: Any, weights: Any) -> Any:
    """Writes the gradient of the weighted sum of the logits with respect to a layer's map."""
    ops = ov.opset13
    target = ops.shape_of(logits)
    seed = ops.convert_like(ops.reshape(weights, target, False), logits).output(0)
    if pooled is None:
        return _last(differentiate(logits, layer.output, seed), layer.first)
    # Behind a global average pooling the gradient is the same everywhere.
    rows, columns, channels = layer.shape
    gradient = ops.convert(differentiate(logits, pooled, seed), "f32")
    spread = ops.reshape(gradient, np.array([-1, 1, 1, channels], np.int64), False)
    return ops.multiply(spread, np.float32(1 / (rows * columns)))


def _last(output: Any, first: bool) -> Any:
    """Brings a tensor to float32 with its channels last."""
    ops = ov.opset13
    x = ops.convert(output, "f32")
    return ops.transpose(x, np.array([0, 2, 3, 1], np.int64)) if first else x
