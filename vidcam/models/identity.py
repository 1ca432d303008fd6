"""What names a classifier before its network is loaded: the content of its files, the options, who reads them."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vidcam.models import zoo

NOT_OF_NETWORK = ("labels", "preprocess", "input_size", "fit", "layer")
"""Options that say how the network is used, not what it is."""


def network_identity(model: Any, options: Mapping[str, Any]) -> str | None:
    """Names a network.

    Args:
        model: what `load_model` takes.
        options: `load_model`'s others.

    Returns:
        A hexadecimal digest; None for what lies in memory only, or cannot be read.
    """
    if not isinstance(model, str | Path) or isinstance(options.get("custom_objects"), Mapping):
        return None
    named = {name: value for name, value in options.items() if name not in NOT_OF_NETWORK}
    try:
        content = (
            f"the network {model}" if str(model) in zoo.ZOO else content_of(zoo.BUNDLED.get(str(model), Path(model)))
        )
        return _digest([content, _values(named), _readers()])
    except OSError:
        return None


def classifier_identity(network: str, model: Any, options: Mapping[str, Any]) -> str | None:
    """Names a classifier: a network, what it is called, and how it is used.

    Args:
        network: its network's name.
        model: what `load_model` takes.
        options: `load_model`'s others.
    """
    path = Path(str(model))
    beside = path.parent / "labels.txt"  # Teachable Machine's
    used = {name: options[name] for name in NOT_OF_NETWORK if name in options}
    try:
        labels = content_of(beside) if beside.is_file() else ""
        return _digest([network, path.name, path.resolve().parent.name, _values(used), labels])
    except OSError:
        return None


def _values(options: Mapping[str, Any]) -> list[Any]:
    """Returns options as plain values, files by their content."""
    found = []
    for name, value in sorted(options.items()):
        is_file = isinstance(value, str | Path) and name in ("weights", "labels", "custom_objects")
        found.append([name, content_of(Path(value)) if is_file else repr(value)])
    return found


def content_of(path: Path) -> str:
    """Returns the digest of a file's content, or of all files below a folder.

    Raises:
        OSError: it cannot be read.
    """
    if not path.is_dir():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    return _digest([[str(p.relative_to(path)), content_of(p)] for p in sorted(path.rglob("*")) if p.is_file()])


@functools.cache
def _readers() -> list[Any]:
    """Returns what reads networks: vidcam's own code, and the libraries' versions."""
    import importlib.metadata

    own = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        own.update(file.read_bytes())
    versions = {}
    for library in ("keras", "tensorflow", "openvino"):
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            versions[library] = ""
    return [own.hexdigest(), versions]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:40]
