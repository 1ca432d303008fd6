"""What computes a traced graph: TensorFlow, or OpenVINO where it is installed and knows every operation.

`runner` decides and runs; `openvino` converts; `operations` holds the backward operations that OpenVINO lacks and
`cache` the converted graphs on disk.
"""

from __future__ import annotations

import importlib.util
from typing import Literal, get_args

from vidcam.errors import UsageError

Engine = Literal["auto", "tensorflow", "openvino"]
Precision = Literal["float32", "bf16"]
ENGINES: tuple[Engine, ...] = get_args(Engine)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
ENGINE_NAMES = {"tensorflow": "TensorFlow", "openvino": "OpenVINO"}
INSTALL = "pip install 'vidcam[openvino]'"


class Unsupported(Exception):  # noqa: N818 - a finding, which never reaches the user as an error
    """OpenVINO cannot compute a graph as TensorFlow does; says why."""


def installed() -> bool:
    """Tells whether OpenVINO is there, without importing it."""
    return importlib.util.find_spec("openvino") is not None


def check_engine(engine: Engine, precision: Precision) -> tuple[Engine, Precision]:
    """Checks the choice of an engine and a precision.

    Args:
        engine: `auto`, `tensorflow` or `openvino`.
        precision: `float32` or `bf16`.

    Returns:
        The two.

    Raises:
        UsageError: one is unknown, OpenVINO is needed and missing, or the precision is none of the engine's or of this
            processor's.
    """
    if engine not in ENGINES:
        raise UsageError(f"engine {engine!r} is unknown; choose one of {', '.join(ENGINES)}")
    if precision not in PRECISIONS:
        raise UsageError(f"precision {precision!r} is unknown; choose one of {', '.join(PRECISIONS)}")
    if engine == "tensorflow" and precision != "float32":
        raise UsageError(f"--precision {precision} goes with --engine openvino; TensorFlow computes in float32")
    if not installed() and (engine == "openvino" or precision != "float32"):
        asked = "--engine openvino" if engine == "openvino" else f"--precision {precision}"
        raise UsageError(f"{asked} needs OpenVINO, which is not installed: {INSTALL}")
    if precision == "bf16":
        from vidcam.cam.engines.device import computes_bf16

        if not computes_bf16():
            raise UsageError("--precision bf16: this processor has no bfloat16 arithmetic, so nothing would be gained")
    return engine, precision
