"""OpenVINO, imported on first use and in one place, because as it comes it sends a telemetry event when imported.

`ov` stands for the module; `load` imports what is below it. Its converter of models, more than half of what an import
takes, waits until it is asked for.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import sys
import threading
from collections.abc import Iterator
from typing import Any

_TELEMETRY, _CONVERTER = "openvino_telemetry", "openvino.tools.ovc"
_lock = threading.RLock()


def installed() -> bool:
    """Tells whether OpenVINO is there, without importing it."""
    return importlib.util.find_spec("openvino") is not None


def load(name: str = "openvino") -> Any:
    """Imports OpenVINO without its telemetry, which would fork a process and connect to a server.

    Args:
        name: `openvino` or a module below it.

    Returns:
        The module.
    """
    with _lock:
        if "openvino" not in sys.modules:
            with _without(_TELEMETRY, _CONVERTER):
                module: Any = importlib.import_module("openvino")
            if not hasattr(module, "convert_model"):
                module.__getattr__ = _converter
        with _without(_TELEMETRY):
            return importlib.import_module(name)


@contextlib.contextmanager
def _without(*names: str) -> Iterator[None]:
    """Lets the import of modules fail that OpenVINO does without."""
    there = {name: sys.modules[name] for name in names if name in sys.modules}
    sys.modules.update(dict.fromkeys(names))  # type: ignore[arg-type]  # importing what is None fails
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]
        sys.modules.update(there)


def _converter(attribute: str) -> Any:
    """Stands for `openvino.convert_model`, also for others who import OpenVINO after vidcam."""
    if attribute != "convert_model":
        raise AttributeError(f"module 'openvino' has no attribute {attribute!r}")
    return load(_CONVERTER).convert_model


@functools.cache
def core() -> Any:
    """Returns the process's one `openvino.Core`."""
    return load().Core()


def last_words(error: Exception) -> str:
    """Returns what OpenVINO's report of many lines comes to."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    around = ("Exception from", "Check '", "[ ", "To facilitate the conversion")
    told = [line for line in lines if not line.startswith(around)] or lines
    text = " ".join(told[-1].removeprefix("-- ").split()) if told else type(error).__name__
    return text if len(text) <= 160 else f"{text[:159]}…"


class _Lazy:
    def __getattr__(self, attribute: str) -> Any:
        return getattr(load(), attribute)


ov: Any = _Lazy()
