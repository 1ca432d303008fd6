"""TensorFlow and Keras, imported on first use and without their start-up chatter.

`tf` and `keras` stand for the modules; nothing is imported before one of their attributes is asked for, which keeps
`import vidcam` and `vidcam --help` quick. Beyond that only what both `models` and `cam` ask of any Keras model.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import Any

from vidcam.errors import UsageError, VidcamError

_lock = threading.Lock()
_ready = False


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Sends what C++ code writes to standard error to a file, and shows it only where the import fails.

    Libraries log before the level above has been read, so that no setting of TensorFlow's keeps them quiet. Python's
    own `sys.stderr` stays connected.
    """
    try:
        sys.stderr.flush()
        saved = os.dup(2)
    except (AttributeError, OSError, ValueError):  # no standard error at all
        yield
        return
    stream = sys.stderr
    with tempfile.TemporaryFile() as log, open(saved, "w", closefd=False, buffering=1) as direct:
        try:
            if stream.fileno() == 2:
                sys.stderr = direct
        except (OSError, ValueError, AttributeError):  # replaced by an object without a descriptor: a notebook, a test
            pass
        os.dup2(log.fileno(), 2)
        try:
            yield
        except BaseException:
            log.seek(0)
            os.write(saved, log.read())
            raise
        finally:
            os.dup2(saved, 2)
            sys.stderr = stream
    os.close(saved)


def _prepare() -> None:
    """Imports TensorFlow once, quietly, and lets a GPU's memory grow instead of taking all of it."""
    global _ready  # noqa: PLW0603
    with _lock:
        if _ready:
            return
        # Before the import: the C++ side reads it once. 3 leaves fatal messages only; a user's own setting stays.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        os.environ.setdefault("KERAS_BACKEND", "tensorflow")
        with silence():
            tensorflow = _found("tensorflow")
            gpus = tensorflow.config.list_physical_devices("GPU")
        tensorflow.get_logger().setLevel("ERROR")
        for gpu in gpus:
            try:
                tensorflow.config.experimental.set_memory_growth(gpu, True)
            except RuntimeError:  # somebody has used the GPU already and chosen for himself
                break
        _ready = True


def _found(name: str) -> Any:
    """Imports TensorFlow or Keras.

    Raises:
        VidcamError: it cannot be imported.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        reason = " ".join(str(error).split())[:150]
        raise VidcamError(
            f"this needs TensorFlow, and {name} cannot be imported ({reason}): pip install tensorflow keras. The "
            "models that ship, .vidcam files and models that were explained here before need neither"
        ) from error


class _Lazy:
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        _prepare()
        return getattr(_found(self._name), attribute)


tf: Any = _Lazy("tensorflow")
keras: Any = _Lazy("keras")


def warm_up() -> None:
    """Imports TensorFlow now, for a thread that has the time while others read the source."""
    _prepare()
    _found("keras")


def input_shape(model: Any) -> tuple[int | None, ...] | None:
    """Returns the shape of a Keras model's one input, with the batch; None where only a call will tell.

    Raises:
        UsageError: the model takes several inputs.
    """
    shape = getattr(model, "input_shape", None) if model.built else None
    if isinstance(shape, dict):
        shape = list(shape.values())
    if isinstance(shape, list):
        if len(shape) != 1:
            told = ", ".join(f"{t.name} {tuple(t.shape)}" for t in model.inputs)
            raise UsageError(f"{model.name}: takes {len(shape)} inputs ({told}); vidcam explains models of one picture")
        shape = shape[0]
    return None if shape is None else tuple(shape)
