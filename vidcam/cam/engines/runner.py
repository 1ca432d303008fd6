"""`Runner`: computes a graph with the engine that was asked for, or the fastest that can."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vidcam._tensorflow import tf
from vidcam.cam.engines import Engine, Precision, Unsupported, check_engine, installed
from vidcam.errors import UsageError
from vidcam.types import Array


class Runner:
    """Computes a traced graph on batches of NumPy arrays.

    `auto` stands for OpenVINO where it is installed, TensorFlow sees no GPU, and the graph converts; else for
    TensorFlow. What decides is known after `prepare` or the first batch.

    Args:
        trace: makes the function; with True with the weights as constants, which takes longer and is fastest to run.
        keep: whether what OpenVINO makes of it is kept on disk.
        what: the graph's name, for messages.
        engine: `auto`, `tensorflow` or `openvino`.
        precision: `float32` or `bf16`.
        batch_size: of whole batches.
        shape: height, width and channels of the pictures, None where they vary.
        rest: the sizes of the vectors that the graph takes after the pictures, known once it is traced.

    Attributes:
        engine: `tensorflow` or `openvino`: which one it is.
        precision: of the arithmetic.
        note: why it is TensorFlow although OpenVINO is there, empty where there is nothing to tell.

    Raises:
        UsageError: an engine or precision is unknown, not to be had, or cannot compute the graph.
    """

    def __init__(
        self,
        trace: Callable[[bool], Any],
        *,
        keep: bool,
        what: str,
        engine: Engine,
        precision: Precision,
        batch_size: int,
        shape: tuple[int | None, int | None, int],
        rest: Callable[[], tuple[int, ...]],
    ) -> None:
        engine, precision = check_engine(engine, precision)
        self._asked = "" if engine == "auto" and precision == "float32" else f"--engine {engine}"
        if precision != "float32":
            self._asked = f"--precision {precision}"
        self._trace = trace
        self._what = what
        self.precision = precision
        self.note = ""
        self._openvino: Any = None
        self._tensorflow: Any = None
        if engine == "openvino" or (engine == "auto" and installed() and (self._asked or not _gpu())):
            from vidcam.cam.engines.openvino import SAME, WRONG, OpenVINO

            seen = trace(False)
            try:
                self._openvino = OpenVINO(
                    seen,
                    keep=keep,
                    precision=precision,
                    limit=WRONG if self._asked else SAME,
                    batch_size=batch_size,
                    channels=shape[2],
                    rest=rest(),
                )
            except Unsupported as error:
                self._fall_back(error)
            else:
                if shape[0] is not None and shape[1] is not None:
                    self.prepare(shape[0], shape[1])
        else:
            self._tensorflow = trace(True)

    @property
    def engine(self) -> str:
        """`tensorflow` or `openvino`."""
        return "tensorflow" if self._openvino is None else "openvino"

    def prepare(self, height: int, width: int) -> None:
        """Makes ready for pictures of a size.

        Raises:
            UsageError: the engine that was asked for cannot compute the graph.
        """
        if self._openvino is not None:
            try:
                self._openvino.prepare(height, width)
            except Unsupported as error:
                self._fall_back(error)

    def __call__(self, images: Array, *rest: Array) -> list[Array]:
        """Computes a batch.

        Args:
            images: (B, H, W, C).
            rest: the vectors that the graph takes after them.

        Returns:
            The graph's outputs.

        Raises:
            UsageError: the engine that was asked for cannot compute the graph.
        """
        if self._openvino is not None:
            try:
                outputs: list[Array] = self._openvino(images, *rest)
            except Unsupported as error:
                self._fall_back(error)
            else:
                return outputs
        return [t.numpy() for t in self._tensorflow(tf.constant(images), *map(tf.constant, rest))]

    def _fall_back(self, error: Unsupported) -> None:
        if self._asked:
            raise UsageError(f"{self._asked}: {self._what}: {error}; --engine tensorflow computes it") from error
        self._tensorflow = self._trace(True)
        self._openvino = None
        self.note = f"{self._what} runs on TensorFlow: {error}"


def _gpu() -> bool:
    return bool(tf.config.list_physical_devices("GPU"))
