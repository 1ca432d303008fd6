"""OpenVINO's view of the processor. One core for the whole process, made on first use."""

from __future__ import annotations

import functools
from typing import Any

PLUGIN = "CPU"


@functools.cache
def core() -> Any:
    """Returns the `openvino.Core`."""
    import openvino

    return openvino.Core()


def computes_bf16() -> bool:
    """Tells whether the processor has bfloat16 arithmetic."""
    return "BF16" in core().get_property(PLUGIN, "OPTIMIZATION_CAPABILITIES")
