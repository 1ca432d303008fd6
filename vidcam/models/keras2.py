"""The configuration of a network that Keras 2 saved, brought to Keras 3 before anything is built of it.

Pure data in, pure data out: nested dictionaries as they stand in a file. What Keras 3 left out of its layers or calls
otherwise is said here and nowhere else; the weights are read in `keras2_weights`, the operations that functional
models held in the place of layers are in `keras2_operations` and, of TensorFlow 2.3 and older, in `keras2_nodes`.
"""

from __future__ import annotations

import base64
import inspect
import marshal
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from vidcam._tensorflow import keras
from vidcam.errors import VidcamError
from vidcam.models.keras2_nodes import NODE_KINDS, OldNode, attribute
from vidcam.models.keras2_operations import FUNCTIONS, PACKAGE, OldFunction, hard_sigmoid

Config = dict[str, Any]
MODEL_CLASSES = ("Sequential", "Functional", "Model")
RENAMED_CLASSES = {
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",
    "FixedDropout": "Dropout",  # of the `efficientnet` package; dropping nothing at inference, as any dropout
    "ThresholdedReLU": "ReLU",
}
ARGUMENTS = {("LeakyReLU", "alpha"): "negative_slope", ("ThresholdedReLU", "theta"): "threshold"}
"""(class, argument) of Keras 2 -> the argument's name in Keras 3."""
ACTIVATIONS = {"softmax_v2": "softmax", "swish": "silu"}
TRAINING_ONLY = ("_initializer", "_regularizer", "_constraint")
"""Ends of arguments that say nothing about what a trained network computes."""
IGNORED = ("implementation", "time_major", "fused", "rng_type", "force_generator")
"""Arguments of Keras 2 that choose how something is computed, not what."""
WITHOUT_MEANING: tuple[Any, ...] = (None, False, 1, 1.0, "", "auto", [], {})
"""Values of arguments that Keras 3 does not know, at which they changed nothing."""


def plain_name(name: str) -> str:
    """Returns a layer's name as Keras 3 allows it: `fire2/squeeze` is `fire2_squeeze`."""
    return name.replace("/", "_")


def upgrade(model: Config, custom: Collection[str] = ()) -> Config:
    """Brings a network's configuration to Keras 3.

    Args:
        model: `class_name` and `config` as Keras 2 wrote them; not changed.
        custom: the names of classes and functions that the user brings, which are left as they are.

    Returns:
        What `keras.saving.deserialize_keras_object` takes.

    Raises:
        VidcamError: a layer cannot be had in Keras 3: it is named, with its class and the reason. The message is to
            follow the name of the file.
    """
    return _layer(model, frozenset(custom))


def _layer(old: Config, custom: frozenset[str]) -> Config:
    kind, config = _kind(old), old.get("config")
    name = str(old.get("name") or (config.get("name") if isinstance(config, dict) else "") or kind)
    new: Config = {"class_name": RENAMED_CLASSES.get(kind, kind), "name": plain_name(name), "registered_name": None}
    if kind in custom:
        own = {**config, "name": plain_name(name)} if isinstance(config, dict) and "name" in config else config
        new |= {"module": None, "registered_name": kind, "config": own}
    elif kind in MODEL_CLASSES:
        new |= _model(kind, config, custom)
    elif kind in ("TFOpLambda", "SlicingOpLambda"):
        return _operation(old, name)
    elif kind == "Lambda":
        new |= {"module": "keras.layers", "config": _code(name, config)}
    elif kind == "TensorFlowOpLayer":
        return _graph_node(old, name)
    elif isinstance(config, dict) and isinstance(getattr(keras.layers, new["class_name"], None), type):
        new |= {"module": "keras.layers", "config": _arguments(kind, name, config, custom)}
    else:
        raise VidcamError(
            f"layer {name!r} is of the class {kind}, which Keras does not have; give the Python file that defines it "
            "with --custom-objects FILE.py (custom_objects=), or export the model to TFLite or ONNX where it was made"
        )
    if "inbound_nodes" in old:
        new["inbound_nodes"] = [_node(node) for node in old["inbound_nodes"]]
    return new


def _kind(old: Config) -> str:
    """Returns the class of a layer without the package it was registered in (`Vendor>Kind`)."""
    kind = old.get("class_name")
    if not isinstance(kind, str):
        raise VidcamError("its configuration holds a layer without a class; the file is damaged")
    return kind.rsplit(">", 1)[-1]


def _unreadable(name: str, kind: str, what: str) -> VidcamError:
    return VidcamError(
        f"layer {name!r} ({kind}) is {what}, which cannot be read; export the model to TFLite or ONNX where it was "
        "made, or save it there with Keras 3"
    )


def _code(name: str, config: Any) -> Config:
    """Returns the arguments of a Lambda layer, whose function is Python's compiled code; it is loaded on demand only.

    Raises:
        VidcamError: the code is another Python's.
    """
    new = {key: config[key] for key in ("name", "trainable", "dtype", "arguments") if key in config}
    for key in ("function", "output_shape"):
        value = config.get(key)
        if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str):
            try:
                marshal.loads(base64.b64decode(value[0]))
            except (ValueError, EOFError, TypeError) as error:
                raise _unreadable(name, "Lambda", "code of another version of Python") from error
            code = {"code": value[0], "defaults": value[1], "closure": value[2]}
            new[key] = {"class_name": "__lambda__", "config": code}
        elif value is not None:
            new[key] = value
    new["name"] = plain_name(str(new.get("name") or name))
    return new


def _model(kind: str, config: Any, custom: frozenset[str]) -> Config:
    if isinstance(config, list):  # a Sequential of Keras 2.2 and older
        config = {"layers": config}
    if not isinstance(config, dict) or not isinstance(config.get("layers"), list):
        raise VidcamError(f"its {kind} has no layers; the file is damaged")
    inside = [_layer(layer, custom) for layer in config["layers"]]
    new = {"name": plain_name(str(config.get("name") or kind.lower())), "trainable": config.get("trainable", True)}
    if kind == "Sequential":
        shape = _first_shape(config["layers"])
        if shape is not None and inside[0]["class_name"] != "InputLayer":
            dtype = inside[0]["config"].get("dtype")
            start = {"batch_shape": shape, "dtype": dtype, "name": f"{inside[0]['name']}_input"}
            inside.insert(0, {"module": "keras.layers", "class_name": "InputLayer", "config": start})
        return {"module": "keras", "config": {**new, "layers": inside}}
    calls = {layer["name"]: len(layer["inbound_nodes"]) for layer in inside if layer["class_name"] in MODEL_CLASSES}
    _count_from_zero(inside, calls)
    ends = {}
    for key in ("input_layers", "output_layers"):
        places = [_place(place) for place in config[key]] if not _is_place(config[key]) else [_place(config[key])]
        # An output that is a nested model's counts the model's own building as its first call in Keras 3.
        places = [[n, (1 if n in calls else 0) + min(i, calls.get(n, i + 1) - 1), t] for n, i, t in places]
        ends[key] = places[0] if len(places) == 1 else places
    return {"module": "keras", "class_name": "Model", "config": {**new, "layers": inside, **ends}}


def _first_shape(old: list[Config]) -> Any:
    config = old[0].get("config") if old else None
    shape = config.get("batch_input_shape") if isinstance(config, dict) else None
    return _tuple(shape)


def _tuple(value: Any) -> Any:
    """Returns the items of a tuple as Keras 2 wrote some of them: `{"class_name": "__tuple__", "items": [...]}`."""
    if isinstance(value, dict) and "items" in value:
        return value["items"]
    return value


def _count_from_zero(inside: list[Config], calls: Mapping[str, int]) -> None:
    """Makes all references to a nested model's calls begin at 0; older Kerases counted its own building as call 0."""
    seen = [ref for layer in inside for ref in _references(layer.get("inbound_nodes"))]
    for name, count in calls.items():
        mine = [ref for ref in seen if ref[0] == name]
        if mine and max(ref[1] for ref in mine) >= count:
            for ref in mine:
                ref[1] -= 1


def _references(nodes: Any) -> Iterator[list[Any]]:
    if isinstance(nodes, dict):
        if nodes.get("class_name") == "__keras_tensor__":
            yield nodes["config"]["keras_history"]
        else:
            for value in nodes.values():
                yield from _references(value)
    elif isinstance(nodes, list):
        for value in nodes:
            yield from _references(value)


def _arguments(kind: str, name: str, config: Config, custom: frozenset[str]) -> Config:
    """Returns the arguments of a layer that Keras has, as Keras 3 calls them."""
    cls = getattr(keras.layers, RENAMED_CLASSES.get(kind, kind))
    accepted = {*inspect.signature(cls.__init__).parameters, *inspect.signature(keras.layers.Layer.__init__).parameters}
    new: Config = {}
    for key, value in config.items():
        known = ARGUMENTS.get((kind, key), key)
        if key.endswith(TRAINING_ONLY):
            continue
        if key == "batch_input_shape":
            if kind == "InputLayer":
                new["batch_shape"] = _tuple(value)
        elif known in accepted:
            new[known] = _value(known, value, name, custom)
        elif value not in WITHOUT_MEANING and kind not in ("InputLayer", "FixedDropout") and key not in IGNORED:
            raise VidcamError(
                f"layer {name!r} ({kind}) has {key}={value!r}, which Keras 3 does not know; "
                "export the model to TFLite or ONNX where it was made"
            )
    new["name"] = plain_name(str(new.get("name") or name))
    return new


def _value(key: str, value: Any, name: str, custom: frozenset[str]) -> Any:
    if key == "axis" and isinstance(value, list) and len(value) == 1:
        return int(value[0])
    if key == "dtype" and isinstance(value, dict):  # a policy: mixed_float16
        return value.get("config", {}).get("name", "float32")
    if key in ("activation", "recurrent_activation"):
        return _activation(value, name, custom)
    if key in ("layer", "forward_layer", "backward_layer") and isinstance(value, dict):
        return _layer(value, custom)
    return _tuple(value)


def _activation(value: Any, name: str, custom: frozenset[str]) -> Any:
    if isinstance(value, dict):
        inside = value.get("config")
        kind = inside if value.get("class_name") == "function" else value.get("class_name")
        if isinstance(kind, str) and isinstance(inside, dict) and isinstance(getattr(keras.layers, kind, None), type):
            return _layer(value, custom)
        value = kind
    if value is None:
        return None
    if value == "hard_sigmoid":
        value = f"{PACKAGE}>{hard_sigmoid.__name__}"
    elif value not in custom:
        return _known_activation(str(value), name)
    return {"class_name": "function", "module": None, "config": value, "registered_name": value}


def _known_activation(value: str, name: str) -> str:
    value = ACTIVATIONS.get(value, value)
    try:
        keras.activations.get(value)
    except ValueError:
        raise VidcamError(
            f"layer {name!r} has the activation {value!r}, which Keras does not know; give the Python file that "
            "defines it with --custom-objects FILE.py (custom_objects=), or export the model to TFLite or ONNX"
        ) from None
    return value


def _is_place(value: Any) -> bool:
    """Tells whether a value names a tensor: a layer, which of its calls, which of its outputs, and arguments."""
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and all(isinstance(v, int) for v in value[1:3])
    )


def _place(value: Any) -> list[Any]:
    if not _is_place(value):
        raise VidcamError("its configuration joins layers in a way that is no Keras 2 model's; the file is damaged")
    return [plain_name(value[0]), value[1], value[2]]


def _tensor(value: Any) -> Config:
    history = _place(value)
    return {
        "class_name": "__keras_tensor__",
        "config": {"shape": [None], "dtype": "float32", "keras_history": history},
    }


def _node(node: Any) -> Config:
    """Brings one call of a layer from a list of places to Keras 3's arguments."""
    places = [node] if _is_place(node) else list(node)
    arguments: Config = {}
    for place in places:
        arguments |= place[3] if _is_place(place) and len(place) == 4 else {}
    tensors = [_tensor(place) for place in places]
    named = {key: _tensor(value) if _is_place(value) else value for key, value in arguments.items()}
    return {"args": [tensors[0] if len(tensors) == 1 else tensors], "kwargs": named}


def _operation(old: Config, name: str) -> Config:
    """Makes a layer of an operation that stood in a functional model: `inputs / 127.5` is one."""
    kind, function = old["class_name"], str(old["config"].get("function"))
    if function not in FUNCTIONS:
        raise _unreadable(name, kind, f"the operation {function}")
    nodes = old.get("inbound_nodes")
    if not isinstance(nodes, list) or len(nodes) != 1 or not isinstance(nodes[0], list) or not nodes[0]:
        raise _unreadable(name, kind, "an operation that is called several times")
    node = nodes[0]
    # Of a list of tensors, as `tf.concat` takes, each carries the arguments.
    carrier = node if _is_place(node) or not _is_place(node[0]) else node[0]
    first = node if carrier is node else [place[:3] for place in node]
    arguments = dict(carrier[3]) if len(carrier) == 4 else {}
    tensors: list[Config] = []

    def taken(value: Any) -> Any:
        """Notes a tensor and returns the mark that the layer puts it in the place of."""
        if isinstance(value, list) and len(value) in (3, 4) and value[0] == "_CONSTANT_VALUE":
            return value[2]
        if _is_place(value):
            tensors.append(_tensor(value))
            return {OldFunction.MARK: len(tensors) - 1}
        return [taken(v) for v in value] if isinstance(value, list) else value

    config = {
        "function": function,
        "first": taken(first),
        "arguments": {key: taken(value) for key, value in arguments.items() if key != "name"},
    }
    return _ours(OldFunction, name, config, [{"args": tensors, "kwargs": {}}])


def _graph_node(old: Config, name: str) -> Config:
    """Makes a layer of an operation as TensorFlow 2.3 and older saved it: as a node of a graph."""
    config = old["config"]
    node, nodes = config.get("node_def"), old.get("inbound_nodes")
    kind = str(node.get("op")) if isinstance(node, dict) else "of no kind"
    if kind not in NODE_KINDS or not isinstance(nodes, list):
        raise _unreadable(name, "TensorFlowOpLayer", f"the operation {kind}")
    try:
        attributes = {k: attribute(v) for k, v in node.get("attr", {}).items() if not k.startswith("_")}
    except (ValueError, TypeError, AttributeError) as error:
        raise _unreadable(name, "TensorFlowOpLayer", f"the operation {kind} with {error}") from error
    calls = [[call] if _is_place(call) else call for call in nodes]
    made = {"kind": kind, "attributes": attributes, "constants": dict(config.get("constants") or {})}
    return _ours(OldNode, name, made, [{"args": [_tensor(p) for p in call], "kwargs": {}} for call in calls])


def _ours(cls: type, name: str, config: Config, calls: list[Config]) -> Config:
    """Returns the configuration of a layer of vidcam's own."""
    return {
        "module": None,
        "registered_name": f"{PACKAGE}>{cls.__name__}",
        "class_name": cls.__name__,
        "config": {"name": plain_name(name), **config},
        "name": plain_name(name),
        "inbound_nodes": calls,
    }
