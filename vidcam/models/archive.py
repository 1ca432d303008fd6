"""Model files: reading them without running code of theirs, and what vidcam adds to a `.keras` archive.

A `.keras` file is a zip archive of config.json, metadata.json and the weights. Models that vidcam saves carry one entry
more, `vidcam.json`, which Keras ignores: what is needed besides the network to show it a picture.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import math
import sys
import tempfile
import threading
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
CARD_FORMAT = 1
CODE_LAYERS = ("Lambda", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "TFSMLayer")
"""Keras layers whose saved form is, or points at, code."""
WEIGHTS = "model.weights.h5"
BOMB = 100
"""How many times its own size an archive may unpack to."""
SPARE, PACKED = 1_000_000, 4
"""A file of n bytes holds at most SPARE + PACKED n weights: as if they were packed to a quarter of a byte each."""
_loading = threading.RLock()


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
    config, version = read_config(path)
    if not unsafe:
        for layer in _code_layers(config):
            raise VidcamError(
                f"{path}: holds a {layer} layer, which runs code from the file; if you trust where it came from, "
                "load it with --unsafe-model (unsafe=True)"
            )
    custom = dict(custom_objects or {})
    try:
        with quiet_keras(), _no_more_weights_than(path):
            if is_keras2(version):
                return _read_keras2(path, config, custom, unsafe)
            return keras.models.load_model(path, custom_objects=custom, compile=False, safe_mode=not unsafe)
    except VidcamError as error:
        raise VidcamError(f"{path}: {error}") from error
    except Exception as error:
        text = str(error)
        if "custom" in text.lower() and ("register" in text.lower() or "custom_object" in text.lower()):
            raise VidcamError(
                f"{path}: holds classes or functions that Keras does not know ({first_line(error)}); "
                "give the Python file that defines them with --custom-objects FILE.py (custom_objects=)"
            ) from error
        raise VidcamError(f"{path}: not a Keras model that can be loaded ({first_line(error)})") from error


def is_keras2(version: str) -> bool:
    """Tells from the version that a file names whether Keras 2, or 1, wrote it."""
    return version.split(".", maxsplit=1)[0] in ("1", "2")


def _read_keras2(path: Path, config: Any, custom: dict[str, Any], unsafe: bool) -> Any:
    from vidcam.models.keras2 import upgrade
    from vidcam.models.keras2_weights import read_weights

    network = keras.saving.deserialize_keras_object(upgrade(config, custom), custom, safe_mode=not unsafe)
    if zipfile.is_zipfile(path):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, zipfile.ZipFile(path) as archive:
            network.load_weights(archive.extract(WEIGHTS, folder))
        return network
    import h5py

    with h5py.File(path, "r") as file:
        read_weights(file, network)
    return network


@contextlib.contextmanager
def _no_more_weights_than(path: Path) -> Iterator[None]:
    """Stops a network that declares more weights than its file can hold, before memory is taken for them."""
    room = SPARE + PACKED * path.stat().st_size
    ours = threading.get_ident()
    add = keras.layers.Layer.add_weight

    def counted(layer: Any, shape: Any = (), *args: Any, **kwargs: Any) -> Any:
        nonlocal room
        if threading.get_ident() == ours:
            room -= math.prod(shape or ())
            if room < 0:
                raise VidcamError(
                    f"layer {layer.name!r} declares weights of shape {tuple(shape)}, more than the file holds; "
                    "it is damaged"
                )
        return add(layer, shape, *args, **kwargs)

    with _loading:
        keras.layers.Layer.add_weight = counted
        try:
            yield
        finally:
            keras.layers.Layer.add_weight = add


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
    if card.get("format") != CARD_FORMAT:
        raise VidcamError(f"{path}: its {ENTRY} is of format {card.get('format')}; this vidcam reads {CARD_FORMAT}")
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
        "format": CARD_FORMAT,
        "name": classifier.name,
        "labels": list(classifier.labels),
        "preprocess": classifier.preprocess,
        "input_size": list(classifier.input_size),
        "fit": classifier.fit,
        "layer": classifier.layer,
        **({"token_grid": list(classifier.token_grid)} if classifier.token_grid else {}),
        **({"clip_frames": classifier.frames} if classifier.frames else {}),
        "neither": None if classifier.neither is None else {"class": classifier.neither},
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


def read_config(path: Path) -> tuple[Any, str]:
    """Reads what a model file says about its network, without building anything.

    Returns:
        The network's configuration, and the version of Keras that wrote it (empty where it does not say).

    Raises:
        VidcamError: the file is missing, damaged or no whole model.
    """
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


def _zip_config(path: Path) -> tuple[Any, str]:
    with zipfile.ZipFile(path) as archive:
        check_members(path, archive)
        if "config.json" not in archive.namelist():
            raise VidcamError(f"{path}: a zip archive, but no Keras model: it has no config.json")
        about = json.loads(archive.read("metadata.json")) if "metadata.json" in archive.namelist() else {}
        return json.loads(archive.read("config.json")), str(about.get("keras_version", ""))


def check_members(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuses an archive that would write outside its folder, or that unpacks to far more than it is.

    Raises:
        VidcamError: it is one of these.
    """
    for member in archive.infolist():
        name = member.filename
        if name.startswith(("/", "\\")) or ".." in Path(name).parts:
            raise VidcamError(f"{path}: its archive holds {name!r}, which would be written outside; refused")
    if sum(member.file_size for member in archive.infolist()) > SPARE + BOMB * path.stat().st_size:
        raise VidcamError(f"{path}: its archive unpacks to more than {BOMB} times its size; refused")


def _h5_config(path: Path) -> tuple[Any, str]:
    import h5py

    with h5py.File(path, "r") as file:
        config, version = file.attrs.get("model_config"), file.attrs.get("keras_version", "")
    if config is None:
        raise VidcamError(
            f"{path}: holds weights but no network; name the network with --model and give this file with --weights"
        )
    return json.loads(config), version.decode() if isinstance(version, bytes) else str(version)


def _code_layers(config: Any) -> Iterator[str]:
    if isinstance(config, dict):
        if config.get("class_name") in CODE_LAYERS or config.get("class_name") == "__lambda__":
            yield str(config["class_name"])
        for value in config.values():
            yield from _code_layers(value)
    elif isinstance(config, list):
        for value in config:
            yield from _code_layers(value)
