"""OpenVINO as an engine: graphs are compiled for the sizes that come often, and run."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from vidcam._openvino import core, ov
from vidcam.cam.run import Pass
from vidcam.cam.run.graph import Graph
from vidcam.cam.run.scores import MASKED_AT_ONCE
from vidcam.errors import UsageError
from vidcam.types import Array

SIZES = 4
"""Picture sizes for which graphs are compiled at a time."""
OFTEN = 24
"""Batches in a row of a size, beside the first size, after which a graph is compiled for it. What is open for all sizes
computes the others: it takes 5 % longer for whole batches and 15 % for single pictures, and nothing to begin a size."""
PLUGIN = "CPU"
SCALED = "scaled"

Supply = Callable[[int, int], Graph]
"""(height, width) of pictures -> the graph that takes them; raises `Unsupported`."""


class OpenVINO:
    """Computes graphs; see `vidcam.cam.run.Engine`.

    Args:
        supply: finds the graph for a size.
        batch_size: of whole batches.
    """

    name = "openvino"

    def __init__(self, supply: Supply, batch_size: int) -> None:
        self._whole = _Sizes(supply, _as_it_is, batch_size)
        self._forward = _Sizes(supply, _forward_only, batch_size)
        self._masked = _Sizes(supply, _masked, MASKED_AT_ONCE)
        self._supply = supply
        self._heads: dict[tuple[Any, ...], Any] = {}
        self._lock = threading.Lock()

    def prepare(self, height: int, width: int) -> None:
        with self._lock:
            self._whole.prepare(height, width)

    def begin(self, height: int, width: int) -> None:
        # What goes wrong here goes wrong again when it is needed, and is told there.
        with self._lock, contextlib.suppress(RuntimeError):
            self._whole.begin(height, width)

    def run(self, images: Array, selection: Array) -> Pass:
        with self._lock:
            found = self._whole.run(images, {"selection": selection})
        names = [f".{i}" if i else "" for i in range(len(found))]
        activations, gradients = (
            [found[name + i] for i in names if name + i in found] for name in ("activations", "gradient")
        )
        return Pass(found["logits"], found["probabilities"], activations, gradients)

    def classify(self, images: Array) -> tuple[Array, Array]:
        with self._lock:
            found = self._forward.run(images, {})
        return found["logits"], found["probabilities"]

    def classify_masked(self, image: Array, masks: Array) -> Array:
        # A picture for each mask: a graph may count its pictures anywhere.
        images = np.broadcast_to(image, (len(masks), *image.shape))
        with self._lock:
            found = self._masked.run(np.ascontiguousarray(images), {"mask": masks})
        return found["logits"]

    def classify_features(self, features: Array, layer: int, size: tuple[int, int]) -> Array:
        key = (size, layer)
        with self._lock:
            if key not in self._heads:
                model = self._supply(*size).model()
                count = 1 if takes_one(model) else MASKED_AT_ONCE
                head = _headed(model, layer)
                head.reshape({"features": [count, *features.shape[1:]]})
                self._heads[key] = _compile(head), count
            request, count = self._heads[key]
            parts = [features[i : i + count] for i in range(0, len(features), count)]
            found = [_outputs(request, {"features": _filled(part, count)}, len(part))["logits"] for part in parts]
        return np.concatenate(found)


def takes_one(model: Any) -> bool:
    """Tells whether a graph takes one picture at a time."""
    batch = model.input("images").partial_shape[0]
    return bool(batch.is_static and batch.get_length() == 1)


def _of(array: Array, name: str, number: int) -> Array:
    """Returns what an input beside the pictures is for one of them."""
    return array[number : number + 1] if name == "mask" else array


class _Sizes:
    """Compiled graphs of one kind, a few sizes at a time.

    Args:
        supply: finds the graph for a size.
        change: makes of a graph's `openvino.Model` the kind that is wanted.
        batch_size: of whole batches.
    """

    def __init__(self, supply: Supply, change: Callable[[Any], Any], batch_size: int) -> None:
        self._supply = supply
        self._change = change
        self._batch_size = batch_size
        self._sized: OrderedDict[tuple[int, int], _Sized] = OrderedDict()
        self._open: Any = None
        self._last: tuple[int, int] = (0, 0)
        self._in_a_row = 0

    def prepare(self, height: int, width: int) -> None:
        """Makes sure that there is a graph for a size."""
        if (height, width) not in self._sized and (self._open is None or not self._sized):
            self._at(height, width)

    def begin(self, height: int, width: int) -> None:
        """Compiles for whole batches of a size."""
        if (height, width) in self._sized:
            self._sized[height, width].request(self._batch_size)

    def run(self, images: Array, rest: dict[str, Array]) -> dict[str, Array]:
        """Computes a batch; `rest` are the inputs beside `images`."""
        size = (images.shape[1], images.shape[2])
        self._in_a_row = self._in_a_row + 1 if size == self._last else 1
        self._last = size
        sized = self._at(*size)
        if sized is not None:
            return sized.run(images, rest)
        return _outputs(self._open, {"images": images, **rest}, len(images))

    def _at(self, height: int, width: int) -> _Sized | None:
        """Returns what is compiled for a size; None where the open graph computes it."""
        size = (height, width)
        if size not in self._sized:
            graph = self._supply(height, width)
            if graph.size is None and self._sized and self._in_a_row <= OFTEN:
                if self._open is None:
                    self._open = _compile(self._change(graph.model()))
                return None
            self._sized[size] = _Sized(self._change(graph.model()), size, self._batch_size)
            if len(self._sized) > SIZES:
                self._sized.popitem(last=False)
        self._sized.move_to_end(size)
        return self._sized[size]


class _Sized:
    """A graph for pictures of one size.

    It is compiled for whole batches, and for single pictures once they come repeatedly; what is less than a batch is
    filled up, as other shapes would each be compiled for.
    """

    def __init__(self, model: Any, size: tuple[int, int], batch_size: int) -> None:
        self._model = model
        self._size = size
        self._batch_size = batch_size
        self._requests: dict[int, Any] = {}
        self._singles = 0
        self._one_by_one = takes_one(model)

    def run(self, images: Array, rest: dict[str, Array]) -> dict[str, Array]:
        count = len(images)
        if self._one_by_one and count > 1:
            each = [self.run(images[i : i + 1], {n: _of(a, n, i) for n, a in rest.items()}) for i in range(count)]
            return {name: np.concatenate([one[name] for one in each]) for name in each[0]}
        batch = 1 if self._one_by_one else self._batch(count)
        inputs = {"images": images, **rest}
        if batch > count:
            filled = ("images", "mask")
            inputs = {n: _filled(a, batch) if n in filled else a for n, a in inputs.items()}
        return _outputs(self.request(batch), inputs, count)

    def _batch(self, count: int) -> int:
        """Returns the batch size to compute so many pictures with."""
        whole = max(count, self._batch_size)
        self._singles = self._singles + 1 if count == 1 else 0
        if count == 1 and (1 in self._requests or whole not in self._requests or self._singles > 1):
            return 1
        return whole

    def request(self, count: int) -> Any:
        """Returns what computes batches of a count."""
        if count not in self._requests:
            height, width = self._size
            shapes = {
                "images": [count, height, width, self._model.input("images").partial_shape[3].get_length()],
                "mask": [count, height, width],
            }
            names = [tensor.get_any_name() for tensor in self._model.inputs]
            self._model.reshape({name: shapes[name] for name in names if name in shapes})
            self._requests[count] = _compile(self._model)
        return self._requests[count]


def _compile(model: Any) -> Any:
    # One batch at a time; pinned threads would keep others' off the cores. Where a processor has bfloat16, OpenVINO
    # takes it unless told otherwise, and maps are off by ten per cent.
    hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32", "ENABLE_CPU_PINNING": False}
    return core().compile_model(model, PLUGIN, hints).create_infer_request()


def _outputs(request: Any, inputs: dict[str, Array], count: int) -> dict[str, Array]:
    """Runs a request and returns its outputs, of the first so many pictures, in memory of their own."""
    # The graph writes into new memory each time where it is known how much: copies would take 4 % of a pass.
    written: dict[Any, Any] = {}
    for output in request.model_outputs:
        if output.get_partial_shape().is_static:
            written[output] = ov.Tensor(output.get_element_type(), output.get_shape())
            request.set_tensor(output, written[output])
    results = request.infer(inputs, share_inputs=True, share_outputs=True)
    found: dict[str, Array] = {}
    for output, value in results.items():
        own = written[output].data if output in written else np.array(value)
        found[output.get_any_name()] = own[:count].astype(np.float32, copy=False)
    return found


def _filled(images: Array, count: int) -> Array:
    return np.concatenate([images, np.zeros((count - len(images), *images.shape[1:]), images.dtype)])


def _as_it_is(model: Any) -> Any:
    return model


def _forward_only(model: Any) -> Any:
    return _only(model, ("logits", "probabilities"))


def _only(model: Any, names: tuple[str, ...]) -> Any:
    """Leaves a graph some of its outputs, and the inputs beside the selection."""
    outputs = [model.output(name).get_node().input_value(0) for name in names]
    inputs = [p for p in model.get_parameters() if p.output(0).get_any_name() != "selection"]
    return ov.Model(outputs, inputs, "vidcam")


def _masked(model: Any) -> Any:
    """Multiplies the scaled pictures of a graph by a new input, `mask` (B, h, w), and leaves the logits only."""
    ops = ov.opset13
    found = [out for node in model.get_ordered_ops() for out in node.outputs() if SCALED in out.get_names()]
    if not found:
        raise UsageError("method scorecam cannot mask this model's pictures: its graph names no tensor `scaled`")
    (scaled,) = found
    readers = scaled.get_target_inputs()
    height, width = list(model.input("images").partial_shape)[1:3]
    mask = ops.parameter(ov.PartialShape([-1, height, width]), np.float32, name="mask")
    mask.output(0).set_names({"mask"})
    channels = model.input("images").partial_shape[3]
    first = scaled.get_partial_shape()[1] == channels and scaled.get_partial_shape()[3] != channels
    masked = ops.multiply(scaled, ops.unsqueeze(mask, np.int64(1 if first else 3)))
    for reader in readers:
        reader.replace_source_output(masked.output(0))
    model.add_parameters([mask])
    return _only(model, ("logits",))


def _headed(model: Any, layer: int) -> Any:
    """Puts a new input, `features` (N, h, w, K), in the place of a layer's map, and leaves the logits only."""
    ops = ov.opset13
    tensor = model.output(f"activations.{layer}" if layer else "activations").get_node().input_value(0)
    orders = []
    # Back through what only lays the map out for its output, to what the head reads.
    while tensor.get_node().get_type_name() in ("Transpose", "Convert") and len(tensor.get_target_inputs()) == 1:
        node = tensor.get_node()
        if node.get_type_name() == "Transpose":
            orders.append(node.input_value(1).get_node().get_data().reshape(-1))
        tensor = node.input_value(0)
    features = ops.parameter(ov.PartialShape([-1, -1, -1, -1]), np.float32, name="features")
    features.output(0).set_names({"features"})
    given: Any = features
    for order in orders:
        given = ops.transpose(given, np.argsort(order))
    given = ops.convert(given, tensor.get_element_type())
    for reader in tensor.get_target_inputs():
        reader.replace_source_output(given.output(0))
    logits = model.output("logits").get_node().input_value(0)
    try:
        return ov.Model([logits], [features], "vidcam")
    except RuntimeError as error:
        raise UsageError(
            "method reciprocam cannot be used for this layer: the classes depend on more than its map"
        ) from error
