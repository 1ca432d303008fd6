"""Model files: reading them without running code of theirs, and what vidcam adds to a `.keras` archive.

A `.keras` file is a zip archive of config.json, metadata.json and the weights. Models that vidcam saves carry one entry
more, `vidcam.json`, which Keras ignores: what is needed besides the network to show it a picture.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import sys
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vidcam._files import written
from vidcam._tensorflow import keras
from vidcam.errors import UsageError, VidcamError
from vidcam.models.classifier import Classifier

ENTRY = "vidcam.json"
FORMAT = 1
CODE_LAYERS = ("Lambda", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "TFSMLayer")
"""Keras layers whose saved form is, or points at, code."""


def read_model(path: Path, custom_objects: Mapping[str, Any] | None = None, *, unsafe: bool = False) -> Any:
    """Loads a Keras model file.

    Args:
        path: a `.keras` or `.h5` file.
        custom_objects: the user's own classes and functions, by name.
        unsafe: load Lambda layers, whose code runs.

    Returns:
        The `keras.Model`, not compiled.

    Raises:
        VidcamError: the file is missing, damaged, no whole model, or needs code that was not allowed.
    """
    config = _read_config(path)
    if not unsafe:
        for layer in _code_layers(config):
            raise VidcamError(
                f"{path}: holds a {layer} layer, which runs code from the file; if you trust where it came from, "
                "load it with --unsafe-model (unsafe=True)"
            )
    try:
        with quiet_keras():
            return keras.models.load_model(
                path, custom_objects=dict(custom_objects or {}), compile=False, safe_mode=not unsafe
            )
    except Exception as error:
        text = str(error)
        if "custom" in text.lower() and ("register" in text.lower() or "custom_object" in text.lower()):
            raise VidcamError(
                f"{path}: holds classes or functions that Keras does not know ({first_line(error)}); "
                "give the Python file that defines them with --custom-objects FILE.py (custom_objects=)"
            ) from error
        raise VidcamError(f"{path}: not a Keras model that can be loaded ({first_line(error)})") from error


def read_card(path: Path) -> dict[str, Any]:
    """Returns the `vidcam.json` of a model file, or an empty dictionary where there is none."""
    if not zipfile.is_zipfile(path):
        return {}
    with zipfile.ZipFile(path) as archive:
        if ENTRY not in archive.namelist():
            return {}
        try:
            card: dict[str, Any] = json.loads(archive.read(ENTRY))
        except ValueError as error:
            raise VidcamError(f"{path}: its {ENTRY} is damaged ({error})") from error
    if card.get("format") != FORMAT:
        raise VidcamError(f"{path}: its {ENTRY} is of format {card.get('format')}; this vidcam reads {FORMAT}")
    return card


def save_classifier(classifier: Classifier, path: str | Path, extra: Mapping[str, Any] | None = None) -> None:
    """Writes a classifier as one `.keras` file that vidcam and plain Keras load.

    The file appears under its name only when complete.

    Args:
        classifier: what to save.
        path: the file; its suffix has to be `.keras`.
        extra: further entries for `vidcam.json`, of plain JSON types.

    Raises:
        UsageError: the suffix is not `.keras`.
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise UsageError(f"{path}: models are saved as .keras files")
    card = {
        **(extra or {}),
        "format": FORMAT,
        "name": classifier.name,
        "labels": list(classifier.labels),
        "preprocess": classifier.preprocess,
        "input_size": list(classifier.input_size),
        "fit": classifier.fit,
        "layer": classifier.layer,
    }
    with written(path, suffix=".keras") as temporary:
        classifier.model.save(temporary)
        with zipfile.ZipFile(temporary, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(ENTRY, json.dumps(card, indent=1))


def load_custom_objects(path: str | Path) -> dict[str, Any]:
    """Runs a Python file of the user's and returns what it defines, for `custom_objects`.

    Args:
        path: the `.py` file.

    Returns:
        Its public names and their values.

    Raises:
        VidcamError: the file is missing or raises.
    """
    path = Path(path)
    if not path.is_file():
        raise VidcamError(f"custom objects {path}: no such file")
    spec = importlib.util.spec_from_file_location("vidcam_custom_objects", path)
    if spec is None or spec.loader is None:
        raise VidcamError(f"custom objects {path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise VidcamError(f"custom objects {path}: {type(error).__name__}: {error}") from error
    return {name: value for name, value in vars(module).items() if not name.startswith("_")}


@contextlib.contextmanager
def quiet_keras() -> Iterator[None]:
    """Keeps Keras' warnings about what it could not load from the user, who gets one error instead."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def first_line(error: BaseException, limit: int = 200) -> str:
    """Returns an exception's kind and the first line of its text, cut to `limit` characters."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _read_config(path: Path) -> Any:
    if path.is_dir():
        if (path / "saved_model.pb").exists():
            raise VidcamError(
                f"{path}: a SavedModel has no layers to look into in Keras 3; load it where it was made "
                "and save it with model.save('model.keras')"
            )
        raise VidcamError(f"{path}: is a directory; a model is a .keras or .h5 file")
    if not path.is_file():
        raise VidcamError(f"{path}: no such file")
    try:
        if zipfile.is_zipfile(path):
            return _zip_config(path)
        return _h5_config(path)
    except VidcamError:
        raise
    except Exception as error:
        raise VidcamError(f"{path}: not a Keras model file, or a damaged one ({first_line(error)})") from error


def _zip_config(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.startswith(("/", "\\")) or ".." in Path(name).parts:
                raise VidcamError(f"{path}: its archive holds {name!r}, which would be written outside; refused")
        if "config.json" not in archive.namelist():
            raise VidcamError(f"{path}: a zip archive, but no Keras model: it has no config.json")
        return json.loads(archive.read("config.json"))


def _h5_config(path: Path) -> Any:
    import h5py

    with h5py.File(path, "r") as file:
        config = file.attrs.get("model_config")
    if config is None:
        raise VidcamError(
            f"{path}: holds weights but no network; name the network with --model and give this file with --weights"
        )
    return json.loads(config)


def _code_layers(config: Any) -> Iterator[str]:
    if isinstance(config, dict):
        if config.get("class_name") in CODE_LAYERS or config.get("class_name") == "__lambda__":
            yield str(config["class_name"])
        for value in config.values():
            yield from _code_layers(value)
    elif isinstance(config, list):
        for value in config:
            yield from _code_layers(value)
