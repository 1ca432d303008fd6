"""OpenVINO: a traced graph is converted, compared with TensorFlow's result once, kept on disk, compiled and run."""

from __future__ import annotations

import functools
import hashlib
import inspect
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vidcam._tensorflow import tf
from vidcam.cam.engines import Precision, Unsupported, cache
from vidcam.cam.engines.content import Content, content
from vidcam.cam.engines.convert import convert
from vidcam.cam.engines.device import PLUGIN, core
from vidcam.cam.engines.rounding import round_weights
from vidcam.types import Array

SIZES = 4
"""Picture sizes of which the compiled graphs are kept in memory."""
SAME, WRONG = 1e-4, 5e-2
"""Of an output's maximum, how far a converted graph may be from TensorFlow's: to be taken without being asked for, and
at all. Rounding alone makes 1e-5 or less; where gradients pass many layers, those that switch at 0 or at a window's
maximum turn rounding into more."""
MODEL, FIGURE = "graph.xml", "figure"
"""Files of an entry on disk."""
LOGITS = -2
"""Which of a graph's outputs the logits are."""
CERTAIN = 3.0
"""Standard deviations of a logit's error in bfloat16 by which the top class has to lead."""

Shape = tuple[int, int, int]
Made = tuple[Any, Callable[[Any], float]]


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
        self._key = _key(self._content) if keep else None
        self._precision = precision
        self._limit = limit
        self._batch_size = batch_size
        self._channels = channels
        self._rest = rest
        self._sized: OrderedDict[tuple[int, int], _Sized | _Certain] = OrderedDict()
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

    def _at(self, height: int, width: int) -> _Sized | _Certain:
        size = (height, width)
        if size not in self._sized:
            model, difference = self._made("", height, width, self._converted)
            if not difference <= self._limit:
                raise Unsupported(f"OpenVINO's result differs from TensorFlow's by {difference:.1g} of the maximum")
            if self._precision == "bf16":
                rounded, error = self._made("-bf16", height, width, functools.partial(self._rounded, model))
                self._sized[size] = _Certain(
                    _Sized(rounded, "bf16", self._batch_size), _Sized(model, "float32", 1), CERTAIN * error
                )
            else:
                self._sized[size] = _Sized(model, "float32", self._batch_size)
            if len(self._sized) > SIZES:
                self._sized.popitem(last=False)
        self._sized.move_to_end(size)
        return self._sized[size]

    def _made(self, kind: str, height: int, width: int, make: Callable[[Shape], Made]) -> tuple[Any, float]:
        """Returns a model for pictures of a size and its figure, from the disk where they are there."""
        key = None if self._key is None else f"{self._key}-{height}x{width}{kind}"
        entry = cache.load(key) if key else None
        if entry is not None:
            try:
                return core().read_model(entry / MODEL), float((entry / FIGURE).read_text())
            except (RuntimeError, OSError, ValueError):  # what has the right checksums and is yet not to be read
                cache.remove(entry)
        model, figure_of = make((height, width, self._channels))
        entry = cache.store(key, functools.partial(_write, model, figure_of)) if key else None
        if entry is None:
            return model, figure_of(model.clone())
        return core().read_model(entry / MODEL), float((entry / FIGURE).read_text())  # weights mapped, not held

    def _converted(self, shape: Shape) -> Made:
        """Makes the model, whose figure is how far its results are from TensorFlow's."""

        def difference(model: Any) -> float:
            pictures, vectors = _examples(2, shape), [np.zeros(n, np.float32) for n in self._rest]
            expected = [t.numpy() for t in self._concrete(tf.constant(pictures), *map(tf.constant, vectors))]
            return _difference(_Sized(model, "float32", 2).run(pictures, vectors), expected)

        return convert(self._content, shape, self._rest), difference

    def _rounded(self, model: Any, shape: Shape) -> Made:
        """Makes the model with rounded weights, whose figure is the error of its logits, a standard deviation."""

        def error(rounded: Any) -> float:
            pictures, vectors = _examples(8, shape), [np.zeros(n, np.float32) for n in self._rest]
            runs = (_Sized(rounded, "bf16", 8), _Sized(model.clone(), "float32", 8))
            half, exact = (run.run(pictures, vectors)[LOGITS] for run in runs)
            return float(np.sqrt(np.mean((half - exact) ** 2)))

        rounded = model.clone()
        round_weights(rounded)
        return rounded, error


def _key(graph: Content) -> str | None:
    """Names a graph as this version converts it."""
    key = graph.key()
    if key is None:
        return None
    import openvino

    from vidcam.cam.engines import operations, rounding

    sources = "".join(map(inspect.getsource, (operations, rounding)))
    return hashlib.sha256(f"{key} {openvino.get_version()} {sources}".encode()).hexdigest()[:40]


def _write(model: Any, figure_of: Callable[[Any], float], folder: Path) -> None:
    """Writes an entry; the figure is of what will be read."""
    import openvino

    openvino.serialize(model, str(folder / MODEL))
    read = core().read_model(folder / MODEL, config={"ENABLE_MMAP": False})
    (folder / FIGURE).write_text(repr(figure_of(read)))


def _examples(count: int, shape: Shape) -> Array:
    """Returns pictures of patches and noise, always the same."""
    rng = np.random.default_rng(0)
    patches = rng.uniform(0, 255, (count, *(-(-n // 16) for n in shape[:2]), shape[2]))
    pictures = patches.repeat(16, 1)[:, : shape[0]].repeat(16, 2)[:, :, : shape[1]]
    examples: Array = (pictures * 0.8 + rng.uniform(0, 51, pictures.shape)).astype(np.uint8)
    return examples


def _difference(found: Sequence[Array], expected: Sequence[Array]) -> float:
    """Returns how far results are from what is expected, at most, of each output's maximum."""
    differences = []
    for a, b in zip(found, expected, strict=True):
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
            compiled = core().compile_model(self._model, PLUGIN, hints)
            self._requests[count] = compiled.create_infer_request()
        return self._requests[count]


class _Certain:
    """Computes in half precision, and again in float32 what is no certain top class then.

    Args:
        half: computes batches.
        exact: computes single pictures.
        margin: of the top class's logit over the next one's, below which it is not certain.
    """

    def __init__(self, half: _Sized, exact: _Sized, margin: float) -> None:
        self._half = half
        self._exact = exact
        self._margin = margin

    def run(self, images: Array, rest: Any) -> list[Array]:
        outputs = self._half.run(images, rest)
        best = np.partition(outputs[LOGITS], -2, axis=1)[:, -2:]
        for i in np.flatnonzero(~(best[:, 1] - best[:, 0] >= self._margin)):
            for output, exact in zip(outputs, self._exact.run(images[i : i + 1], rest), strict=True):
                output[i] = exact[0]
        return outputs
