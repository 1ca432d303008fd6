"""A Keras model traced to one TensorFlow function: pixels and a selection to logits, activations and their gradient.

The target layer's output is tapped while the model is traced, and the selected logit is differentiated with respect to
it, so that only the head runs backwards. The batch dimension stays open: a last, smaller batch traces nothing again.
What inputs and outputs mean is said in docs/format.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vidcam._tensorflow import tf
from vidcam.cam.build.choose import Candidate, choose_layers, explainable, laid_out
from vidcam.cam.build.head import has_pooled_head, pooled
from vidcam.cam.build.network import Network, exact_type, freeze, image_spec
from vidcam.cam.run.graph import Facts
from vidcam.cam.targets import Layers
from vidcam.errors import UsageError


@dataclass(frozen=True, slots=True)
class Traced:
    """A traced classifier.

    Attributes:
        function: (images (B, h, w, C), selection (classes + 2,)) -> logits, probabilities (B, classes), and for each
            target layer activations (B, h', w', K) and gradient (B, h', w', K) or (B, 1, 1, K); a concrete function.
        facts: what is known about it.
    """

    function: Callable[[Any, Any], tuple[Any, ...]]
    facts: Facts


def trace(network: Network, layer: Layers = None, *, dtype: str = "uint8", frozen: bool = True) -> Traced:
    """Traces a classifier together with the gradient of its logits.

    Args:
        network: the model; it comes out as it went in. Later changes of its weights do not reach a frozen graph.
        layer: path or name of the target layer, several by comma or as a sequence, None to find it.
        dtype: of the images.
        frozen: take the weights as constants, as far as one graph can hold them; False for a graph that is only looked
            at, which is made in a fraction of the time.

    Returns:
        The traced classifier.

    Raises:
        UsageError: the model is no image classifier, has no such layer, or does not run at that size.
    """
    found: dict[str, Any] = {}

    def explain(images: Any, selection: Any) -> Any:
        forward = own.trace(images)
        raw, logits, probabilities, _, end = forward
        targets = choose_layers(explainable(own, forward), layer, own.name)
        if len({t.steps for t in targets}) > 1:
            raise UsageError(f"layers {', '.join(t.path for t in targets)}: their maps have other steps in time")
        found.update(
            layers=tuple(t.path for t in targets),
            classes=int(logits.shape[1]),
            end=end,
            pooled_head=all(has_pooled_head(t, raw) for t in targets),
            steps=targets[0].steps,
        )
        weights = select(logits, selection)
        if raw.shape[1] == 1:  # the two shown classes have the logits -z and z
            weights = weights[:, 1:] - weights[:, :1]
        maps: list[Any] = []
        for t in targets:
            maps.append(_exact(laid_out(t.outputs, t.positions, own, images)))
            mean = pooled(t, raw)
            if mean is None:
                gradients = tf.gradients(raw, list(t.outputs), grad_ys=weights)
                maps.append(_exact(laid_out(_there(t, gradients), t.positions, own, images)))
            else:
                maps.append(_pooled_gradient(raw, mean, weights, maps[-1]))
        return logits, probabilities, *maps

    own = network.with_values() if frozen else network
    signature = [image_spec(own.shape, dtype), tf.TensorSpec([None], "float32", name="selection")]
    function = freeze(explain, signature)
    return Traced(function, Facts(**found))


def trace_masked(network: Network) -> Callable[[Any, Any], tuple[Any]]:
    """Traces the forward pass of one picture (h, w, C) under masks (N, h, w) to logits (N, classes)."""
    own = network.with_values()

    def forward(image: Any, masks: Any) -> Any:
        x = own.scaled(image[tf.newaxis])
        return (own.trace_input(x * tf.cast(masks, x.dtype)[..., tf.newaxis]).logits,)

    picture = tf.TensorSpec(image_spec(own.shape, "uint8").shape[1:], "uint8")
    return freeze(forward, [picture, tf.TensorSpec([None, None, None], "float32")])


def trace_head(traced: Traced, layer: int) -> Callable[[Any], tuple[Any]]:
    """Traces what follows a target layer: features (N, h', w', K) in the place of its own to logits (N, classes).

    Raises:
        UsageError: the picture reaches the classes by other ways as well, such as a class token's.
    """
    whole: Any = traced.function
    tapped = whole.outputs[2 + 2 * layer]
    while tapped.op.type in ("Identity", "Cast"):
        tapped = tapped.op.inputs[0]
    if _reaches(whole.outputs[0], whole.inputs[0], without=tapped):
        raise UsageError("method reciprocam cannot be used for this layer: the classes depend on more than its map")
    weights = {placeholder.name: value for value, placeholder in whole.graph.captures}

    def head(features: Any) -> Any:
        given = {tapped.name: tf.cast(features, tapped.dtype), **weights}
        return tf.graph_util.import_graph_def(
            whole.graph.as_graph_def(), input_map=given, return_elements=[whole.outputs[0].name], name=""
        )

    return freeze(head, [tf.TensorSpec([None, None, None, tapped.shape[3]], "float32")])


def _reaches(end: Any, start: Any, *, without: Any) -> bool:
    """Tells whether a tensor is computed from another one, also where a third is given."""
    seen, waiting = {without.ref()}, [end]
    while waiting:
        tensor = waiting.pop()
        if tensor.ref() in seen:
            continue
        if tensor is start:
            return True
        seen.add(tensor.ref())
        waiting.extend(tensor.op.inputs)
    return False


def select(logits: Any, selection: Any) -> Any:
    """Says how much each picture's logits weigh in what is explained.

    Args:
        logits: (B, classes).
        selection: (classes + 2,), a weight for each class, one for each picture's best class and one for its runner-up:
            the best of the classes that the weights before leave at 0.

    Returns:
        The weights (B, classes).
    """
    classes = logits.shape[1]
    selection = tf.cast(selection, logits.dtype)
    best = tf.one_hot(tf.argmax(logits, axis=1), classes, dtype=logits.dtype)
    weights = selection[tf.newaxis, :classes] + selection[classes] * best
    free = tf.cast(tf.equal(weights, 0.0), logits.dtype)
    lowest = tf.reduce_min(logits, axis=1, keepdims=True) - 1.0
    runner_up = tf.one_hot(tf.argmax(tf.where(free > 0.0, logits, lowest), axis=1), classes, dtype=logits.dtype)
    return weights + selection[classes + 1] * runner_up * free


def _there(target: Candidate, gradients: list[Any]) -> list[Any]:
    """Returns gradients, zeros where there are none: a frame whose output nothing reads."""
    if all(g is None for g in gradients):
        raise UsageError(f"layer {target.path}: the classes do not depend on it by what can be differentiated")
    return [tf.zeros_like(o) if g is None else g for o, g in zip(target.outputs, gradients, strict=True)]


def _pooled_gradient(raw: Any, mean: Any, weights: Any, activations: Any) -> Any:
    """Differentiates the weighted sum of the logits with respect to a map behind which all places are averaged.

    The gradient is the same everywhere then, and only what the pooling gives is differentiated: that takes no map's
    memory, and works where rows and columns are open.
    """
    (gradient,) = tf.gradients(raw, mean, grad_ys=tf.cast(weights, raw.dtype))
    gradient = _exact(gradient)
    positions = tf.cast(tf.reduce_prod(tf.shape(activations)[1:3]), gradient.dtype)
    return tf.reshape(gradient, [-1, 1, 1, activations.shape[-1]]) / positions


def _exact(tensor: Any) -> Any:
    """Returns a tensor in float32 also where the model computes in half precision."""
    return tf.cast(tensor, exact_type(tensor.dtype.name))
