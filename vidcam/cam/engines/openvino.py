"""OpenVINO: a traced graph is converted, compared with TensorFlow's result once, kept on disk, compiled and run."""

from __future__ import annotations

import functools
import re
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from vidcam._tensorflow import tf
from vidcam.cam.engines import Precision, Unsupported, cache
from vidcam.cam.engines.content import Content, content
from vidcam.types import Array

SIZES = 4
"""Picture sizes of which the compiled graphs are kept in memory."""
LARGE = 16 * 2**20
"""Bytes above which a weight is handed over instead of written into a graph."""
SAME, WRONG = 1e-4, 5e-2
"""Of an output's maximum, how far a converted graph may be from TensorFlow's: to be taken without being asked for, and
at all. Rounding alone makes 1e-5 or less; where gradients pass many layers, those that switch at 0 or at a window's
maximum turn rounding into more."""
PLUGIN = "CPU"
MODEL, DIFFERENCE = "graph.xml", "difference"
"""Files of an entry on disk."""


@functools.cache
def _core() -> Any:
    import openvino

    return openvino.Core()


def computes_bf16() -> bool:
    """Tells whether the processor has bfloat16 arithmetic."""
    return "BF16" in _core().get_property(PLUGIN, "OPTIMIZATION_CAPABILITIES")


class OpenVINO:
    """Runs a graph of pictures and maybe a selection.

    A graph is compiled for whole batches, and for single pictures once they come repeatedly; what is less than a batch
    is filled up, as other shapes would each be compiled for. Pictures of another size make another conversion.

    Args:
        concrete: the traced function.
        keep: whether converted graphs are kept on disk.
        precision: of the arithmetic.
        limit: how far, of an output's maximum, the converted graph may be from TensorFlow's.
        batch_size: of whole batches.
        channels: of the pictures.
        rest: the sizes of the vectors that the graph takes after the pictures.
    """

    def __init__(
        self,
        concrete: Any,
        *,
        keep: bool,
        precision: Precision,
        limit: float,
        batch_size: int,
        channels: int,
        rest: tuple[int, ...],
    ) -> None:
        self._concrete = concrete
        self._content = content(concrete)
        self._key = self._content.key() if keep else None
        self._precision = precision
        self._limit = limit
        self._batch_size = batch_size
        self._channels = channels
        self._rest = rest
        self._sized: OrderedDict[tuple[int, int], _Sized] = OrderedDict()
        self._lock = threading.Lock()

    def prepare(self, height: int, width: int) -> None:
        """Converts for pictures of a size, ahead of the first.

        Raises:
            Unsupported: OpenVINO cannot compute the graph.
        """
        with self._lock:
            self._at(height, width)

    def __call__(self, images: Array, *rest: Array) -> list[Array]:
        """Computes a batch.

        Args:
            images: uint8 (B, H, W, C).
            rest: what else the graph takes.

        Returns:
            Its outputs, float32.

        Raises:
            Unsupported: OpenVINO cannot compute the graph at this size.
        """
        with self._lock:
            return self._at(images.shape[1], images.shape[2]).run(images, rest)

    def _at(self, height: int, width: int) -> _Sized:
        size = (height, width)
        if size not in self._sized:
            model = self._model(height, width)
            self._sized[size] = _Sized(model, self._precision, self._batch_size)
            if len(self._sized) > SIZES:
                self._sized.popitem(last=False)
        self._sized.move_to_end(size)
        return self._sized[size]

    def _model(self, height: int, width: int) -> Any:
        """Returns the converted graph for pictures of a size, from the disk where it is there."""
        key = None if self._key is None else f"{self._key}-{height}x{width}"
        entry = cache.load(key) if key else None
        if entry is not None:
            try:
                model, difference = _core().read_model(entry / MODEL), float((entry / DIFFERENCE).read_text())
            except (RuntimeError, OSError, ValueError):  # made by an OpenVINO that this one cannot read
                cache.remove(entry)
            else:
                self._check(difference)
                return model
        shape = (height, width, self._channels)
        model = convert(self._content, shape, self._rest)

        def difference_of(model: Any) -> float:
            return _difference(self._concrete, _Sized(model, "float32", 2), shape, self._rest)

        entry = cache.store(key, functools.partial(_write, model, difference_of)) if key else None
        if entry is None:
            self._check(difference_of(model.clone()))
            return model
        self._check(float((entry / DIFFERENCE).read_text()))
        return _core().read_model(entry / MODEL)  # the weights are mapped from the disk, not held

    def _check(self, difference: float) -> None:
        if not difference <= self._limit:
            raise Unsupported(f"OpenVINO's result differs from TensorFlow's by {difference:.1g} of the maximum")


def _write(model: Any, difference_of: Callable[[Any], float], folder: Path) -> None:
    """Writes an entry; what is compared is what will be read."""
    import openvino

    openvino.serialize(model, str(folder / MODEL))
    read = _core().read_model(folder / MODEL, config={"ENABLE_MMAP": False})
    (folder / DIFFERENCE).write_text(repr(difference_of(read)))


def convert(graph: Content, shape: tuple[int, int, int], rest: tuple[int, ...] = ()) -> Any:
    """Converts a traced graph for pictures of one size; the batch stays open.

    Args:
        graph: whose first argument are the pictures.
        shape: height, width and channels of the pictures.
        rest: the sizes of its other arguments, vectors.

    Returns:
        The `openvino.Model`.

    Raises:
        Unsupported: an operation has no counterpart; it is named.
    """
    from openvino import PartialShape
    from openvino.frontend import FrontEndManager

    from vidcam.cam.engines.operations import extensions

    frontend = FrontEndManager().load_by_framework("tf")
    for extension in extensions():
        frontend.add_extension(extension)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "graph.pb"
        file.write_bytes(_with_constants(graph).SerializeToString())
        try:
            read = frontend.load(str(file))
            read.override_all_outputs([read.get_place_by_tensor_name(name) for name in graph.outputs])
            for name, known in zip(graph.inputs, ([-1, *shape], *([n] for n in rest)), strict=True):
                read.set_partial_shape(read.get_place_by_tensor_name(name), PartialShape(known))
            model = frontend.convert(read)
        except Exception as error:
            raise Unsupported(_reason(str(error))) from error
    _fill(model, graph.weights)
    return model


def _with_constants(graph: Content) -> Any:
    """Returns the GraphDef with the weights in it, but for those that would make it huge: `_fill` puts them in."""
    whole = type(graph.graph)()
    whole.CopyFrom(graph.graph)
    for node in whole.node:
        value = graph.weights.get(f"{node.name}:0")
        if value is not None and value.nbytes <= LARGE:
            node.op = "Const"
            del node.attr["shape"]
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    return whole


def _fill(model: Any, weights: dict[str, Array]) -> None:
    """Puts weights in the place of the parameters that stand for them."""
    import openvino

    for parameter in model.get_parameters():
        names = parameter.output(0).get_names() & weights.keys()
        if names:
            constant = openvino.op.Constant(np.ascontiguousarray(weights[names.pop()]), shared_memory=True)
            parameter.output(0).replace(constant.output(0))
            model.remove_parameter(parameter)


def _reason(message: str) -> str:
    """Brings OpenVINO's report to a few words."""
    mark = "No conversion rule found for operations: "
    for line in message.splitlines():
        if mark in line:
            return f"OpenVINO has no {line.split(mark)[1].strip()}"
    failed = re.search(r"-- (\w+) with a message:\s*NotImplementedError: (.*)", message)
    if failed:
        return f"OpenVINO cannot convert {failed[1]} ({failed[2].strip()})"
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return f"OpenVINO cannot convert it ({lines[-1][:120] if lines else 'no reason given'})"


def _difference(concrete: Any, sized: _Sized, shape: tuple[int, int, int], rest: tuple[int, ...]) -> float:
    """Returns how far a converted graph's result is from TensorFlow's, of each output's maximum."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 255, (2, *(-(-n // 16) for n in shape[:2]), shape[2]))
    pictures = coarse.repeat(16, 1)[:, : shape[0]].repeat(16, 2)[:, :, : shape[1]]
    pictures = (pictures * 0.8 + rng.uniform(0, 51, pictures.shape)).astype(np.uint8)
    vectors = [np.zeros(n, np.float32) for n in rest]
    expected = [t.numpy() for t in concrete(tf.constant(pictures), *map(tf.constant, vectors))]
    differences = []
    for a, b in zip(sized.run(pictures, vectors), expected, strict=True):
        if a.shape != b.shape or (np.isfinite(a) != np.isfinite(b)).any():
            return float("inf")
        finite = np.isfinite(b)
        peak = float(np.abs(b[finite]).max(initial=0.0)) or 1.0
        differences.append(float(np.abs(a[finite] - b[finite]).max(initial=0.0)) / peak)
    return max(differences)


class _Sized:
    """A converted graph for pictures of one size."""

    def __init__(self, model: Any, precision: Precision, batch_size: int) -> None:
        self._model = model
        self._precision = precision
        self._batch_size = batch_size
        self._requests: dict[int, Any] = {}
        self._singles = 0

    def run(self, images: Array, rest: Any) -> list[Array]:
        count = len(images)
        batch = self._batch(count)
        if batch > count:
            images = np.concatenate([images, np.zeros((batch - count, *images.shape[1:]), images.dtype)])
        outputs = self.request(batch).infer([images, *rest])
        return [np.asarray(outputs[i][:count], np.float32) for i in range(len(outputs))]

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
            pictures = self._model.input(0)
            self._model.reshape({pictures: [count, *(d.get_length() for d in list(pictures.partial_shape)[1:])]})
            # One batch at a time; pinned threads would keep others' off the cores.
            hints = {
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_PRECISION_HINT": {"float32": "f32", "bf16": "bf16"}[self._precision],
                "ENABLE_CPU_PINNING": False,
            }
            compiled = _core().compile_model(self._model, PLUGIN, hints)
            self._requests[count] = compiled.create_infer_request()
        return self._requests[count]
