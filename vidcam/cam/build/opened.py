"""A network that OpenVINO's front ends read, to an explainer graph: what is written into it.

That is the scaling of pixels before it, the selection behind it, and the gradient of the selected logit (`gradients`).
The layers that it is explained at are found in `opened_layers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vidcam._openvino import ov
from vidcam.cam.build.gradients import differentiate
from vidcam.cam.build.nodes import NoRule, constant_of
from vidcam.cam.build.opened_head import is_dense, pooling_behind
from vidcam.cam.build.opened_layers import LAYOUT, MapTensor
from vidcam.types import Scaling

ENDS = {"Softmax": "softmax", "LogSoftmax": "softmax", "Sigmoid": "sigmoid"}


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
        levels = kind == "FakeQuantize" and not np.allclose(*(constant_of(node.input_value(i))[0] for i in (1, 3)))
        if not (levels or kind in ("Convert", "Transpose", "Reshape", "Squeeze", "Unsqueeze")):
            return output, "linear"
        output = node.input_value(0)


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


def write_graph(model: Any, logits: Any, end: str, targets: list[MapTensor], images: Any) -> Written:
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
        results[f"activations{ending}"] = layer.laid_out(layer.output)
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


def _gradient(logits: Any, layer: MapTensor, pooled: Any, weights: Any) -> Any:
    """Writes the gradient of the weighted sum of the logits with respect to a layer's map."""
    ops = ov.opset13
    target = ops.shape_of(logits)
    seed = ops.convert_like(ops.reshape(weights, target, False), logits).output(0)
    if pooled is None:
        return layer.laid_out(differentiate(logits, layer.output, seed))
    # Behind a global average pooling the gradient is the same everywhere.
    rows, columns, channels = layer.shape
    gradient = ops.convert(differentiate(logits, pooled, seed), "f32")
    spread = ops.reshape(gradient, np.array([-1, 1, 1, channels], np.int64), False)
    return ops.multiply(spread, np.float32(1 / (rows * columns)))
