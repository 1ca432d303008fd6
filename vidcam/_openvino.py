"""OpenVINO, imported on first use and in one place, because as it comes it sends a telemetry event when imported.

`ov` stands for the module; `load` imports what is below it.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
import threading
from typing import Any

_TELEMETRY = "openvino_telemetry"
_lock = threading.Lock()


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
            kept = sys.modules.get(_TELEMETRY)
            sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # importing it fails, and OpenVINO goes without
            try:
                importlib.import_module("openvino")
            finally:
                del sys.modules[_TELEMETRY]
                if kept is not None:
                    sys.modules[_TELEMETRY] = kept
        return importlib.import_module(name)


@functools.cache
def core() -> Any:
    """Returns the process's one `openvino.Core`."""
    return load().Core()


class _Lazy:
    def __getattr__(self, attribute: str) -> Any:
        return getattr(load(), attribute)


ov: Any = _Lazy()
