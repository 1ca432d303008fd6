"""The weights of a network that Keras 2 saved as HDF5, put into the same network of Keras 3."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from vidcam.errors import VidcamError
from vidcam.models.keras2 import plain_name

STATES = ("StateVar:0", "state_var:0", "count:0")
"""Ends of the names of what Keras 2 kept beside the weights: random generators, how many pictures were counted."""
RENAMED_WEIGHTS = {"kernel": "depthwise_kernel"}
"""What a weight is called in Keras 3 -> what a depthwise convolution called it in Keras 2."""


def read_weights(file: Any, network: Any) -> None:
    """Reads the weights.

    Each layer's are found by the names of the layer and the weight, as far as these are unambiguous, else taken in
    the order in which Keras 2 wrote them: those that were trained first.

    Args:
        file: the open `h5py.File`.
        network: the `keras.Model`, built.

    Raises:
        VidcamError: a layer's weights are missing or of another shape. The message is to follow the name of the file.
    """
    root = file.get("model_weights", file)
    groups: dict[str, Any] = {plain_name(name): root[name] for name in _names(root, "layer_names") if name in root}
    for layer in network.layers:
        variables = [*layer.trainable_weights, *layer.non_trainable_weights]
        if not variables:
            continue
        group = groups.get(layer.name, {})
        names = _names(group, "weight_names") if group else []
        if len(names) > len(variables):
            names = [name for name in names if not name.endswith(STATES)]
        if len(names) != len(variables):
            raise VidcamError(
                f"layer {layer.name!r} has {len(variables)} weights, the file holds {len(names)} of it; it is damaged "
                "or of another network"
            )
        for name, variable in zip(_in_order(names, layer, variables), variables, strict=True):
            value = group[name]
            if tuple(value.shape) != tuple(variable.shape):
                raise VidcamError(
                    f"the weight {name} has the shape {tuple(value.shape)}, the layer {layer.name!r} needs "
                    f"{tuple(variable.shape)}; the file is damaged"
                )
            variable.assign(np.asarray(value))
    for layer in network._flatten_layers():
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()


def _names(group: Any, kind: str) -> list[str]:
    """Returns a list of names from a group's attributes; a long one is kept in parts."""
    parts = [group.attrs[kind]] if kind in group.attrs else []
    while f"{kind}{len(parts)}" in group.attrs:
        parts.append(group.attrs[f"{kind}{len(parts)}"])
    return [n.decode() if isinstance(n, bytes) else str(n) for part in parts for n in part]


def _in_order(names: list[str], layer: Any, variables: list[Any]) -> list[str]:
    """Sorts the names of a layer's weights as its variables are, where both can be told apart by their ends."""
    owners = {id(v): part.name for part in layer._flatten_layers() for v in part._trainable_variables}
    owners |= {id(v): part.name for part in layer._flatten_layers() for v in part._non_trainable_variables}
    wanted = [(owners.get(id(v), ""), v.name) for v in variables]
    ends = {}
    for name in names:
        owner, _, kind = name.rpartition("/")
        for place in range(owner.count("/") + 1):  # a name may hold a slash, or the names of the models around it
            ends[name, place] = (plain_name("/".join(owner.split("/")[place:])), kind.split(":")[0])
    found: dict[tuple[str, str], list[str]] = {}
    for (name, _), end in ends.items():
        found.setdefault(end, []).append(name)
    chosen = [
        found.get((owner, kind)) or found.get((owner, RENAMED_WEIGHTS.get(kind, kind)), []) for owner, kind in wanted
    ]
    unique = all(len(c) == 1 for c in chosen) and max(Counter(wanted).values()) == 1
    return [c[0] for c in chosen] if unique and len({c[0] for c in chosen}) == len(names) else names
