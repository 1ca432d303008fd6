"""From a name, a file or a Keras model to a `Classifier`: the network and what is needed to show it a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from vidcam import _archive, _cache
from vidcam._tensorflow import input_shape, keras
from vidcam.errors import UsageError, VidcamError
from vidcam.models import zoo
from vidcam.models.archive import first_line, load_custom_objects, quiet_keras, read_card, read_model
from vidcam.models.card import card_of, classifier_of, neither_of
from vidcam.models.classifier import Classifier, Later
from vidcam.models.files import ModelFile, find_model
from vidcam.models.graph_file import open_graph
from vidcam.models.identity import classifier_identity, content_of, network_identity
from vidcam.models.labels import read_labels
from vidcam.models.outputs import no_classifier, with_one_output
from vidcam.models.preprocess import scaling_of
from vidcam.models.recognize import is_teachable, known_network, scaling
from vidcam.models.settle import any_size, checked_size, clip_length, labels_of
from vidcam.types import FITS, Fit

MODEL_SUFFIXES = (".keras", ".h5", ".hdf5", ".onnx", ".tflite", ".pb", ".xml", ".zip", ".pt", ".pth", ".safetensors")
IMAGENET_CLASSES = 1000
TEACHABLE_CARD: dict[str, Any] = {"preprocess": "tf", "fit": "crop", "preprocess_from": "Teachable Machine's"}


def load_model(
    model: Any = zoo.DEFAULT_MODEL,
    *,
    weights: str | Path | None = None,
    labels: str | Path | tuple[str, ...] | list[str] | None = None,
    preprocess: str | None = None,
    input_size: int | tuple[int, int] | None = None,
    fit: Fit | None = None,
    layer: str | None = None,
    output: str | int | None = None,
    token_grid: tuple[int, int] | None = None,
    clip_frames: int | None = None,
    custom_objects: str | Path | Mapping[str, Any] | None = None,
    unsafe: bool = False,
) -> Classifier:
    """Loads a classifier.

    Args:
        model: a name (`vidcam.models.names()`), the path of a model file or folder, a `.vidcam` file that `vidcam
            export` wrote, or a `keras.Model`, which is used as it is and never changed.
        weights: a weights file (`.weights.h5`, `.h5`, or a `.keras` of the same network) for a model by name, instead
            of the download.
        labels: a name for each class, or a file of them (see `read_labels`).
        preprocess: the step from RGB 0..255 to the model's input: a name (`PREPROCESSING`), or `mean=M,M,M,std=S,S,S`;
            found out where it can be.
        input_size: side, or (width, height), in pixels.
        fit: how frames of another shape are fitted; `keep` for ImageNet models that run at any size, else `squash`.
        layer: the layer to explain, where it should not be found.
        output: name or index of the output that gives the classes, of a model with several.
        token_grid: rows and columns of a transformer's patches, where they cannot be found.
        clip_frames: how many frames a network that sees time is shown at once, where it takes any number.
        custom_objects: classes and functions of the user's that the file needs, or the Python file that defines them.
        unsafe: load Lambda layers, whose code runs.

    Returns:
        The classifier.

    Raises:
        UsageError: an option is unknown or does not go with the model.
        VidcamError: a file is missing, damaged or of another network; there is no network to download from.
    """
    if fit is not None and fit not in FITS:
        raise UsageError(f"fit {fit!r} is unknown; choose one of {', '.join(FITS)}")
    if preprocess is not None:
        scaling_of(preprocess)
    options: dict[str, Any] = {
        "weights": weights,
        "labels": labels,
        "preprocess": preprocess,
        "input_size": checked_size(input_size),
        "fit": fit,
        "layer": layer,
        "output": output,
        "token_grid": token_grid,
        "clip_frames": clip_frames,
        "custom_objects": custom_objects,
        "unsafe": unsafe,
    }
    if isinstance(model, str | Path) and Path(model).suffix.lower() == _archive.SUFFIX:
        return open_graph(Path(model), options)
    opened = _opened(model, options)
    if opened is not None:
        return opened
    load = partial(_load, model, **options)
    network = Later(lambda: load().model)
    shipped = _shipped(model, options)
    if shipped is not None:
        return replace(shipped, network=network, named=Later(lambda: network_identity(model, options)))
    identity = network_identity(model, options)
    if identity is None:
        return load()
    found = _kept(model, options, identity)
    if found is not None:
        return replace(found, network=network, named=identity)
    classifier = replace(load(), named=identity)
    key = classifier_identity(identity, model, options)
    if key is not None:
        _cache.store(key, card_of(classifier))
    return classifier


def _opened(model: Any, options: Mapping[str, Any]) -> Classifier | None:
    """Opens a file that OpenVINO reads; returns None for anything else, also for what cannot be read."""
    if not isinstance(model, str | Path) or str(model) in zoo.ZOO or str(model) in zoo.BUNDLED:
        return None
    path = _path(model)
    if options["weights"] is not None:
        raise UsageError(f"--weights goes with a model by name; {path} has its own")
    file = find_model(path)
    if file.kind == "keras":
        return None
    from vidcam.models.foreign import open_classifier

    names = ("labels", "preprocess", "input_size", "fit", "layer", "output", "token_grid")
    return open_classifier(file, _name(file), **{name: options[name] for name in names})


def _shipped(model: Any, options: Mapping[str, Any]) -> Classifier | None:
    """Returns a classifier that ships inside the package by the graph that ships with it."""
    if str(model) not in zoo.BUNDLED:
        return None
    file = zoo.BUNDLED[str(model)].with_suffix(_archive.SUFFIX)
    plain = all(not options[name] for name in ("weights", "preprocess", "layer", "custom_objects", "unsafe"))
    if not plain or not file.is_file():
        return None
    try:
        found = open_graph(file, options)
        # Made of the network beside it, or of one that it has been trained anew since?
        fresh = found.graph is not None and found.graph.card.get("source") == content_of(zoo.BUNDLED[str(model)])
    except (VidcamError, OSError):
        return None
    return replace(found, source=str(zoo.BUNDLED[str(model)])) if fresh else None


def _kept(model: Any, options: Mapping[str, Any], identity: str) -> Classifier | None:
    """Returns a classifier by what was found out when it was loaded before."""
    key = classifier_identity(identity, model, options)
    stored = None if key is None else _cache.load(key)
    if stored is None:
        return None
    weights = options["weights"]
    # Where the file lies is no matter of its content.
    source = str(zoo.BUNDLED.get(str(model), model))
    if str(model) in zoo.ZOO:
        source = "imagenet" if weights is None else str(weights)
    try:
        return classifier_of(stored.card, None, source=source)
    except (KeyError, TypeError, ValueError, VidcamError):
        _cache.remove(str(key))
        return None


def _load(
    model: Any,
    *,
    weights: str | Path | None,
    labels: str | Path | tuple[str, ...] | list[str] | None,
    preprocess: str | None,
    input_size: int | tuple[int, int] | None,
    fit: Fit | None,
    layer: str | None,
    output: str | int | None,
    token_grid: tuple[int, int] | None,
    clip_frames: int | None,
    custom_objects: str | Path | Mapping[str, Any] | None,
    unsafe: bool,
) -> Classifier:
    """Loads a classifier with its network; see `load_model`."""
    if isinstance(custom_objects, str | Path):
        custom_objects = load_custom_objects(custom_objects)

    card: dict[str, Any] = {}
    if not isinstance(model, str | Path):
        network, name, source = model, str(model.name), "a keras.Model"
    elif str(model) in zoo.ZOO:
        name = str(model)
        entry = zoo.ZOO[name]
        network, source = _build(name, weights)
        card = {"preprocess": entry.preprocess, "input_size": (entry.size, entry.size)}
    else:
        path = _path(model)
        if weights is not None:
            raise UsageError(f"--weights goes with a model by name; {path} has its own")
        file = find_model(path)
        network, name, source = read_model(file.path, custom_objects, unsafe=unsafe), _name(file), str(path)
        card = _card(file, network)
        name = card.get("name", name) if path in zoo.BUNDLED.values() else name

    network = with_one_output(network, output, name)
    classes, in_size, channels, frames = _interface(network, name, clip_frames or card.get("clip_frames"))
    known = known_network(network)
    imagenet = known is not None and classes == IMAGENET_CLASSES
    size = checked_size(input_size) or (tuple(card["input_size"]) if "input_size" in card else in_size)
    if size is None:
        raise any_size(name)
    if preprocess is not None:
        scaled, known_from = preprocess, "as given"
    elif "preprocess" in card:
        scaled, known_from = card["preprocess"], card.get("preprocess_from", "as it was trained")
    else:
        scaled, known_from = scaling(network, name, known)
    return Classifier(
        network,
        name=name,
        preprocess=scaled,
        preprocess_from=known_from,
        input_size=size,
        channels=channels,
        fit=fit or card.get("fit") or ("keep" if imagenet and known and zoo.ZOO[known].pooled else "squash"),
        labels=labels_of(labels, card, classes, imagenet=imagenet),
        layer=layer or card.get("layer"),
        source=source,
        frames=frames,
        token_grid=token_grid or _pair(card.get("token_grid")),
        neither=neither_of(card, classes),
    )


def _pair(numbers: Any) -> tuple[int, int] | None:
    return (int(numbers[0]), int(numbers[1])) if numbers else None


def _name(file: ModelFile) -> str:
    """Returns what a file is called: of Teachable Machine's, whose files are all named alike, the folder's name."""
    if not file.teachable:
        return file.named.stem
    folder = file.named if file.named != file.path else file.path.resolve().parent
    return folder.stem or file.path.stem


def _card(file: ModelFile, network: Any) -> dict[str, Any]:
    """Returns what is known of a file beside its network: what vidcam or Teachable Machine wrote to it."""
    card = read_card(file.path)
    if not card and is_teachable(network):
        card = dict(TEACHABLE_CARD)
        if file.labels is not None:
            card["labels"] = read_labels(file.labels)
    return card


def _path(model: str | Path) -> Path:
    if str(model) in zoo.BUNDLED:
        return zoo.BUNDLED[str(model)]
    path = Path(model)
    if path.suffix.lower() in MODEL_SUFFIXES or path.exists():
        return path
    import difflib

    close = difflib.get_close_matches(str(model), zoo.names(), n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else "`vidcam run --help` lists the names"
    raise UsageError(f"model {str(model)!r} is neither a known name nor a model file; {hint}")


def _build(name: str, weights: str | Path | None) -> tuple[Any, str]:
    constructor = zoo.ZOO[name].constructor()
    if weights is None:
        try:
            return constructor(weights="imagenet"), "imagenet"
        except Exception as error:
            raise VidcamError(
                f"the ImageNet weights of {name} could not be downloaded ({first_line(error, 120)}); "
                "without a network, give a weights file with --weights PATH"
            ) from error
    path = Path(weights)
    if not path.is_file():
        raise VidcamError(f"weights {path}: no such file")
    network = constructor(weights=None)
    try:
        # Keras tells the kind of weights by the name's end, and a whole saved model serves as well.
        with quiet_keras():
            network.load_weights(path)
    except Exception as error:
        raise VidcamError(
            f"weights {path}: not weights of {name}, or damaged ({first_line(error, 120)}); "
            "a .weights.h5, .h5 or .keras file of that network with its 1000 classes is needed"
        ) from error
    return network, str(path)


def _interface(network: Any, name: str, told: int | None) -> tuple[int, tuple[int, int] | None, int, int]:
    """Returns the number of classes, the model's own (width, height) where it is fixed, its channels and its frames."""
    try:
        whole = shape = input_shape(network)
    except UsageError as error:
        raise no_classifier(network, str(error)) from error
    frames = 0
    if whole is not None and len(whole) == 5:
        frames, shape = clip_length(name, whole[1], told), (whole[0], *whole[2:])
    elif told is not None:
        raise UsageError(f"{name}: takes one picture at a time; leave --clip-frames (clip_frames=) out")
    if shape is not None and (len(shape) != 4 or shape[3] not in (1, 3, None)):
        raise no_classifier(
            network,
            f"{name}: its input of shape {whole} is not a picture (batch, height, width, 1 or 3 channels) and "
            "no clip (batch, frames, height, width, 1 or 3 channels)",
        )
    channels = shape[3] if shape is not None and shape[3] else 3
    size = (shape[2], shape[1]) if shape is not None and shape[1] and shape[2] else None
    try:
        output = network.output_shape
    except (AttributeError, ValueError):
        output = _traced_output(network, channels)
    if isinstance(output, dict | list):
        raise UsageError(f"{name}: has {len(output)} outputs; vidcam explains classifiers of one")
    if len(output) not in (2, 4) or output[-1] is None or any(d not in (1, None) for d in output[1:-1]):
        message = f"{name}: its output of shape {output} is no list of classes; vidcam explains classifiers"
        raise no_classifier(network, message)
    return (2 if output[-1] == 1 else int(output[-1])), size, channels, frames


def _traced_output(network: Any, channels: int) -> tuple[int | None, ...]:
    """A subclassed model knows its output's shape only once it has been called."""
    spec = keras.KerasTensor((None, None, None, channels), dtype="float32")
    try:
        return tuple(network.compute_output_spec(spec).shape)
    except Exception as error:
        raise UsageError(
            f"{network.name}: the model has not been built; call it once on a batch of pictures first "
            f"({first_line(error, 100)})"
        ) from error
