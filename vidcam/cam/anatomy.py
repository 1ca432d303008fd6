"""What can be explained of a classifier: its layers with a map, the one that is chosen, the methods its head allows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vidcam import _cache
from vidcam._tensorflow import tf
from vidcam.cam.build.choose import Candidate, choose_layers, default_layer, explainable, laid_out
from vidcam.cam.build.head import has_pooled_head
from vidcam.cam.build.network import image_spec
from vidcam.cam.graphs import WRONG, Graphs, graph_name, input_height, network_of
from vidcam.cam.methods import METHODS, UNDEFINED_OVER_TIME
from vidcam.types import Array, Classifier, OpenNetwork

SINGLE_FRAMES = "; it sees single frames, so of things that look alike it cannot tell which moves"


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer that a map can be made from.

    Attributes:
        path: what `--layer` takes.
        kind: the name of its class.
        shape: rows, columns and channels of its map at the classifier's own input size.
        steps: in time, of a network that sees it; else 1.
    """

    path: str
    kind: str
    shape: tuple[int, int, int]
    steps: int = 1


@dataclass(frozen=True, slots=True)
class Anatomy:
    """A classifier as vidcam sees it.

    Attributes:
        layers: those with a map, in the order of the forward pass.
        chosen: the path of the one that is explained; of several, by comma.
        reason: why that one.
        end: what the network ends with: `softmax`, `sigmoid` or `linear`.
        methods: the names of the methods that are defined for it.
        parameters: how many numbers the network holds.
        trainable: how many of them training changes; None where vidcam cannot train it.
        network: what the network is kept as, with its inputs and outputs where they have names.
    """

    layers: tuple[Layer, ...]
    chosen: str
    reason: str
    end: str
    methods: tuple[str, ...]
    parameters: int
    trainable: int | None
    network: str


def anatomy_of(classifier: Classifier) -> Anatomy:
    """Returns what can be explained of a classifier: from its card, as it was kept, or by loading its network.

    Args:
        classifier: what `vidcam.load_model` returns.

    Raises:
        UsageError: nothing in it has positions that lead to its classes, or no layer of the name that it was given.
        VidcamError: it is a graph alone, whose card does not say.
    """
    card = classifier.graph.card.get("anatomy") if classifier.graph is not None else None
    found = _from_card(card)
    if found is not None:
        return found
    name = graph_name(classifier, classifier.layer)
    key = None if name is None else f"{name}-anatomy-{'x'.join(map(str, classifier.input_size))}"
    stored = None if key is None else _cache.load(key)
    found = None if stored is None else _from_card(stored.card)
    if found is None:
        found = dissect(classifier)
        if key is not None:
            _cache.store(key, asdict(found))
    return found


def dissect(classifier: Classifier) -> Anatomy:
    """Finds what can be explained of a classifier; `anatomy_of` asks only where nobody has yet.

    Args:
        classifier: what `vidcam.load_model` returns.

    Returns:
        What can be explained of it.

    Raises:
        UsageError: nothing in it has positions that lead to its classes, or no layer of the name that it was given.
    """
    width, height = classifier.input_size[0], input_height(classifier)
    if isinstance(classifier.network, OpenNetwork):
        return _dissect_opened(classifier, height, width)
    network = network_of(classifier)
    found: list[Candidate] = []
    facts: dict[str, Any] = {}

    def look(images: Any) -> Any:
        forward = network.trace(images)
        choice = explainable(network, forward)
        chosen, reason = choose_layers(choice, classifier.layer, classifier.name), "named by the model"
        if classifier.layer is None:
            reason = default_layer(choice)[1]
        pooled = all(has_pooled_head(c, forward.raw) for c in chosen)
        missing = {*(() if pooled else ("pooled head",)), *(UNDEFINED_OVER_TIME if classifier.frames else ())}
        methods = tuple(m.name for m in METHODS.values() if m.needs not in missing)
        found.extend(choice.candidates.values())
        facts.update(chosen=",".join(c.path for c in chosen), reason=reason, end=forward.end, methods=methods)
        # Rows and columns may be open.
        shapes = tuple(tf.shape(laid_out(c.outputs, c.positions, network, images))[1:] for c in found)
        return shapes, tuple(laid_out(c.outputs, c.positions, network, images) for c in chosen)

    concrete = tf.function(look, input_signature=[image_spec(network.shape, "uint8")], autograph=False)
    shapes, _ = concrete(tf.zeros((1, height, width, classifier.channels), "uint8"))
    if classifier.frames and _sees_single_frames(lambda x: concrete(x)[1][0].numpy(), classifier):
        facts["reason"] += SINGLE_FRAMES
    layers = (_layer(c, *s.numpy().tolist()) for c, s in zip(found, shapes, strict=True))
    model = classifier.model
    counts = (sum(math.prod(w.shape) for w in weights) for weights in (model.weights, model.trainable_weights))
    parameters, trainable = counts
    return Anatomy(layers=tuple(layers), parameters=parameters, trainable=trainable, network=_told(model), **facts)


def _sees_single_frames(layer: Callable[[Array], Array], classifier: Classifier) -> bool:
    """Tells whether each step of a layer's map (1, T' * h', w', K) depends on one frame of the window only.

    Args:
        layer: gives its map of a window (1, T * h, w, C).
        classifier: whose layer it is.
    """
    width, height = classifier.input_size
    frames, rng = classifier.frames, np.random.default_rng(0)
    one = rng.integers(0, 256, (frames, height, width, classifier.channels)).astype(np.uint8)
    other = one.copy()
    other[frames // 2] = 255 - one[frames // 2]
    before, after = (layer(x.reshape(1, frames * height, *x.shape[2:])) for x in (one, other))
    if before.shape[1] % frames:
        return False
    changed = (before != after).reshape(frames, -1).any(axis=1)
    return frames > 1 and np.flatnonzero(changed).tolist() == [frames // 2]


def _layer(candidate: Candidate, height: int, columns: int, channels: int) -> Layer:
    steps = candidate.steps
    return Layer(candidate.path, type(candidate.layer).__name__, (height // steps, columns, channels), steps)


def _told(model: Any) -> str:
    """Returns a Keras model's inputs and outputs, where it knows them."""
    inputs, outputs = (list(getattr(model, name, None) or ()) for name in ("inputs", "outputs"))
    # An output's tensor has a name that is another in every process; its layer's is the file's.
    names = [*(t.name for t in inputs), *(getattr(model, "output_names", None) or [t.name for t in outputs])]
    shapes = [
        f"{name} [{','.join('?' if n is None else str(n) for n in t.shape)}]"
        for name, t in zip(names, [*inputs, *outputs], strict=True)
    ]
    return f"Keras: {', '.join(shapes)}" if shapes else "Keras"


def _dissect_opened(classifier: Classifier, height: int, width: int) -> Anatomy:
    from vidcam.cam.build.opened_builder import look_into

    seen = look_into(classifier, height, width, classifier.layer, peek=True)
    facts = Graphs(classifier, None, None, WRONG).facts
    methods = [m.name for m in METHODS.values() if m.needs != "pooled head" or facts.pooled_head]
    if facts.without:
        methods = [m for m in methods if METHODS[m].needs != "gradient"]
    model = classifier.network.peek()
    tensors = ", ".join(f"{t.get_any_name()} {t.partial_shape}" for t in (*model.inputs, *model.outputs))
    return Anatomy(
        layers=tuple(Layer(layer.path, layer.kind, layer.shape) for layer in seen.layers.values()),
        chosen=",".join(facts.layers),
        reason=seen.reason,
        end=seen.end,
        methods=tuple(methods),
        parameters=sum(math.prod(n.shape) for n in model.get_ops() if n.get_type_name() == "Constant"),
        trainable=None,
        network=f"{classifier.network.kind}: {tensors}",
    )


def _from_card(card: Mapping[str, Any] | None) -> Anatomy | None:
    if card is None:
        return None
    try:
        return Anatomy(
            layers=tuple(
                Layer(str(d["path"]), str(d["kind"]), _shape(d["shape"]), int(d.get("steps", 1)))
                for d in card["layers"]
            ),
            chosen=str(card["chosen"]),
            reason=str(card["reason"]),
            end=str(card["end"]),
            methods=tuple(str(m) for m in card["methods"]),
            parameters=int(card["parameters"]),
            trainable=None if card["trainable"] is None else int(card["trainable"]),
            network=str(card["network"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _shape(value: Any) -> tuple[int, int, int]:
    rows, columns, channels = value
    return int(rows), int(columns), int(channels)
