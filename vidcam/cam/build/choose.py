"""Which layers of a model a map can be made from, and which of them it is made from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from vidcam._tensorflow import tf
from vidcam.cam.build.layouts import TRACED_PICTURES
from vidcam.cam.build.names import find_layer
from vidcam.cam.build.network import Forward, Network
from vidcam.cam.build.places import Places, find_places, keeps_places
from vidcam.cam.build.positions import Positions
from vidcam.cam.build.trace import ancestors, is_map
from vidcam.cam.targets import Layers
from vidcam.errors import UsageError

LOCAL_POOLING = ("MaxPooling2D", "AveragePooling2D", "MaxPooling3D", "AveragePooling3D")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A layer that a map can be made from.

    Attributes:
        path: of the layer.
        layer: the layer.
        input: its first input, symbolic.
        outputs: what it gave, symbolic; of a layer that is called for each frame of a clip, one for each.
        positions: how each output is a map; None for the plain (B, h, w, K).
    """

    path: str
    layer: Any
    input: Any
    outputs: tuple[Any, ...]
    positions: Positions | None = None

    @property
    def steps(self) -> int:
        """How many steps in time the map has."""
        grid = self.positions.grid if self.positions else ()
        return grid[0] if len(grid) == 3 else len(self.outputs)


@dataclass(frozen=True, slots=True)
class Choice:
    """What can be explained of a model.

    Attributes:
        candidates: path -> layer, in the order of the forward pass.
        preferred: the path of the one that attention makes the one to explain, empty where it has no say.
        reason: why that one.
    """

    candidates: dict[str, Candidate]
    preferred: str = ""
    reason: str = ""


def explainable(network: Network, forward: Forward) -> Choice:
    """Lists the layers that a class activation map can be made from.

    Those are the layers from the first with weights that mix on whose output has positions and channels, larger than
    1x1, and leads to the logits. A layer called several times counts with its last call.

    Args:
        network: the model.
        forward: what it made of its input.

    Returns:
        The layers.

    Raises:
        UsageError: there are none.
    """
    simple = keeps_places(forward.calls, forward.raw) and not network.frames and network.grid is None
    places = None if simple else _places(network)
    behind = ancestors(forward.raw)
    found: dict[str, Candidate] = {}
    preferred, mixed = "", False
    repeated: dict[str, list[Any]] = {}
    for i, call in enumerate(forward.calls):
        mixed = mixed or any(len(w.shape) >= (3 if simple else 2) for w in getattr(call.layer, "weights", []))
        if not hasattr(call.output, "op") or call.output.ref() not in behind or not mixed:
            continue
        positions = places.positions[i] if places else None
        if not (is_map(call.output) if places is None else positions):
            continue
        repeated.setdefault(call.path, []).append(call.output)
        found.pop(call.path, None)
        found[call.path] = Candidate(call.path, call.layer, call.input, (call.output,), positions)
        if places and i == places.preferred:
            preferred = call.path
    found = {path: _in_time(c, repeated[path], network) for path, c in found.items()}
    if not found:
        raise UsageError(
            f"{network.name}: nothing in it has rows and columns that lead to its classes; vidcam explains networks of "
            "convolutions or of patch tokens"
        )
    _check_size(network, found.values())
    return Choice(found, preferred, places.reason if places else "")


def _in_time(candidate: Candidate, outputs: list[Any], network: Network) -> Candidate:
    """Takes all calls of a layer that is called for each frame of a clip."""
    if len(outputs) != network.frames or candidate.positions is None or len(candidate.positions.grid) != 2:
        return candidate
    return replace(candidate, outputs=tuple(outputs))


def _places(network: Network) -> Places:
    """Traces the network once more, every size known, to see what its tensors' axes are."""
    height, width, channels = network.shape
    shape = (height or network.size[0], width or network.size[1], channels)
    still = replace(network, shape=shape, weights=None)
    found: list[Places] = []

    def look(images: Any) -> Any:
        x = still.scaled(images)
        forward = still.trace_input(x)
        found.append(find_places(x, forward.calls, forward.raw, network.grid))
        return forward.raw

    with tf.init_scope():
        spec = tf.TensorSpec((TRACED_PICTURES, *shape), "uint8")
        tf.function(look, input_signature=[spec], autograph=False).get_concrete_function()
    return found[-1]


def _check_size(network: Network, candidates: Any) -> None:
    """Checks that tokens are as many as pictures of any size have patches, where the size is open."""
    fixed = [c for c in candidates if c.positions and c.positions.before is not None and c.outputs[0].shape[1]]
    if None in network.shape and fixed:
        raise network.own_size_only(f"has embeddings for {fixed[0].outputs[0].shape[1]} tokens")


def laid_out(tensors: Sequence[Any], positions: Positions | None, network: Network, images: Any) -> Any:
    """Brings what has positions to a map, time steps one under another.

    Args:
        tensors: a candidate's outputs, or as large, symbolic.
        positions: how each is a map.
        network: the model.
        images: the pictures (B, h, w, C) that it is computed from, symbolic.

    Returns:
        (B, steps * rows, columns, K).
    """
    if positions is None:
        return tensors[0]
    *lead, rows, columns = positions.grid
    if None in network.shape:
        # As many patches to a picture's side as there are at the size that was looked at.
        sides = tf.shape(images)[1:3]
        rows, columns = sides[0] * rows // network.size[0], sides[1] * columns // network.size[1]
    height = math.prod(lead) * rows
    maps = []
    for tensor in tensors:
        x = tensor
        if positions.before is None and not lead and not positions.folded:
            maps.append(x)  # a map as it stands, which methods may put another in the place of
            continue
        if positions.before is not None:
            count = (rows if positions.folded else height) * columns
            x = x[:, positions.before : positions.before + count]
        maps.append(tf.reshape(x, [-1, height, columns, tensor.shape[-1]]))
    return maps[0] if len(maps) == 1 else tf.concat(maps, axis=1)


def default_layer(choice: Choice) -> tuple[Candidate, str]:
    """Chooses the layer to explain: the one that attention suggests, or the last one with a map.

    Where a pooling follows the last map, it is the layer before that: pooling throws positions away that the layer
    before it still has (VGG16: 14x14 instead of 7x7).

    Args:
        choice: what `explainable` found.

    Returns:
        The layer, and the reason in a few words.
    """
    if choice.preferred:
        return choice.candidates[choice.preferred], choice.reason
    by_output: dict[Any, Candidate] = {}
    for c in choice.candidates.values():  # layers that hand their input on, and the models around a layer, come later
        by_output.setdefault(c.outputs[-1].ref(), c)
    chosen = by_output[next(reversed(choice.candidates.values())).outputs[-1].ref()]
    reason = "the last layer with a map before the logits"
    while type(chosen.layer).__name__ in LOCAL_POOLING:
        before = by_output.get(chosen.input.ref())
        if before is None and len(chosen.outputs) > 1:  # frame by frame, what a layer gives is parted anew for the next
            paths = list(choice.candidates)
            before = choice.candidates.get(paths[max(paths.index(chosen.path) - 1, 0)])
        if before is None or before is chosen:
            break
        reason = f"the input of the pooling {chosen.path}, the last layer with a map before the logits"
        chosen = before
    return chosen, reason


def choose_layers(choice: Choice, layer: Layers, model_name: str) -> list[Candidate]:
    """Finds the layers a user names, or the default one.

    Args:
        choice: what `explainable` found.
        layer: a path or the name of one layer; several by comma or as a sequence; None for the default one.
        model_name: for messages.

    Returns:
        The layers, each once.

    Raises:
        UsageError: see `choose_layer`.
    """
    if isinstance(layer, str):
        layer = [layer] if layer in choice.candidates else [part.strip() for part in layer.split(",")]
    names: Sequence[str | None] = layer or [None]
    calls = [choose_layer(choice, name, model_name) for name in names]
    return list({call.path: call for call in calls}.values())


def choose_layer(choice: Choice, layer: str | None, model_name: str) -> Candidate:
    """Finds the layer a user names, or the default one.

    Args:
        choice: what `explainable` found.
        layer: a path, the name of one layer, or None.
        model_name: for messages.

    Returns:
        The layer.

    Raises:
        UsageError: there is no layer of that name (close ones are listed), or several.
    """
    return default_layer(choice)[0] if layer is None else find_layer(choice.candidates, layer, model_name)
