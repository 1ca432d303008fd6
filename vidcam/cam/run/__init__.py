"""Running a graph: pictures and a selection of classes to activations, gradient, logits and probabilities in NumPy.

`openvino` computes graphs that are kept, `tensorflow` networks as they are; both give a `Pass`. How a graph is made is
`build`'s business, what a method makes of it `vidcam.cam.methods`'.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, get_args

from vidcam._openvino import installed
from vidcam.errors import UsageError

if TYPE_CHECKING:
    from vidcam.types import Array

EngineName = Literal["auto", "tensorflow", "openvino"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)
ENGINE_NAMES = {"tensorflow": "TensorFlow", "openvino": "OpenVINO"}
INSTALL = "pip install openvino"


class Unsupported(Exception):  # noqa: N818 - a finding, which never reaches the user as an error
    """OpenVINO cannot compute a graph as TensorFlow does; says why."""


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass of a network gives for a batch.

    Attributes:
        logits: (B, classes), of the classes as shown.
        probabilities: (B, classes).
        activations: of each target layer, (B, h, w, K).
        gradients: of the selected logit with respect to them, (B, h, w, K), or (B, 1, 1, K) where it is the same at
            every position.
    """

    logits: Array
    probabilities: Array
    activations: Sequence[Array]
    gradients: Sequence[Array]


class Engine(Protocol):
    """What computes a network."""

    @property
    def name(self) -> str:
        """`tensorflow` or `openvino`."""

    def prepare(self, height: int, width: int) -> None:
        """Makes ready for pictures of a size, ahead of the first.

        Raises:
            Unsupported: this engine cannot compute the network at that size.
        """

    def begin(self, height: int, width: int) -> None:
        """Compiles for whole batches of a size that there was made ready for."""

    def run(self, images: Array, selection: Array) -> Pass:
        """Computes a batch.

        Args:
            images: uint8 (B, h, w, C).
            selection: float32 (classes + 2,): the weights of the logits to explain, and of each picture's best class
                and runner-up (see `vidcam.cam.targets.selection_of`).
        """

    def classify(self, images: Array) -> tuple[Array, Array]:
        """Returns logits and probabilities (B, classes) alone."""

    def classify_masked(self, image: Array, masks: Array) -> Array:
        """Returns the logits (N, classes) of a picture (h, w, C) whose scaled values are multiplied by masks (N, h, w).

        Raises:
            UsageError: the graph does not say where its scaling ends.
        """

    def classify_features(self, features: Array, layer: int, size: tuple[int, int]) -> Array:
        """Returns the logits (N, classes) of features in the place of a target layer's.

        Args:
            features: (N, h, w, K).
            layer: which of the target layers.
            size: (height, width) of the pictures that they are of.

        Raises:
            UsageError: the classes depend on more than the layer.
        """


def check_engine(engine: EngineName) -> EngineName:
    """Checks the choice of an engine.

    Args:
        engine: `auto`, `tensorflow` or `openvino`.

    Returns:
        The choice.

    Raises:
        UsageError: it is unknown, or OpenVINO is asked for and missing.
    """
    if engine not in ENGINES:
        raise UsageError(f"engine {engine!r} is unknown; choose one of {', '.join(ENGINES)}")
    if engine == "openvino" and not installed():
        raise UsageError(f"--engine openvino needs OpenVINO, which is not installed: {INSTALL}")
    return engine


def gpu() -> bool:
    """Tells whether TensorFlow has a GPU to compute on; imports it only where the machine may have one."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1") or not _graphics():
        return False
    from vidcam._tensorflow import tf

    return bool(tf.config.list_physical_devices("GPU"))


def _graphics() -> bool:
    """Tells whether there is a driver of a kind that TensorFlow knows."""
    if sys.platform.startswith("linux"):
        return any(Path(p).exists() for p in ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg", "/dev/kfd"))
    plugin = {"darwin": "tensorflow-metal", "win32": "tensorflow-directml-plugin"}.get(sys.platform, "")
    import importlib.metadata

    try:
        importlib.metadata.version(plugin)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return False
    return True
