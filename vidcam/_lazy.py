"""Public names that are imported on first use, so that importing a package loads none of its heavy parts (PEP 562).

lazy_loader was weighed. Its `attach` does what `lazy` does in as many lines at each place of use, and the rest of it,
stubs and modules that load themselves, is not needed: a dependency for fifteen lines.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazy(package: str, exports: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Makes a package's `__getattr__` and `__dir__`.

    Args:
        package: the package's `__name__`.
        exports: public name -> the module that defines it.

    Returns:
        The functions to assign to `__getattr__` and `__dir__`; the latter lists what is in `__all__`.
    """

    def getattr_(name: str) -> Any:
        if name not in exports:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(exports[name]), name)

    def dir_() -> list[str]:
        names: list[str] = sys.modules[package].__all__
        return sorted(names)

    return getattr_, dir_


class _Module:
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)


def module(name: str) -> Any:
    """Stands for a module that is imported when one of its attributes is first asked for."""
    return _Module(name)
