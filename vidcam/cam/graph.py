"""One TensorFlow graph that does it all: pixels -> logits, probabilities and maps.

The target layer's output is tapped while the model is traced, the target's logit is differentiated with respect to
it (only the head runs backwards), and the weights are constants, so that batch norms fold into convolutions. The batch
dimension stays open: a last, smaller batch traces nothing again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from vidcam._tensorflow import tf
from vidcam.cam.head import dense_weights
from vidcam.cam.methods import Method
from vidcam.cam.network import Network, exact_type, freeze, image_spec, values
from vidcam.cam.scores import masked_scores
from vidcam.cam.trace import Layers, choose_layers, explainable
from vidcam.types import Array


@dataclass(frozen=True, slots=True)
class Graph:
    """A traced classifier with its maps.

    Attributes:
        function: (images (B, h, w, C), selection (classes,)) -> maps (B, h', w'), logits (B, classes), probabilities
            (B, classes). `selection` weights the logits that the maps explain; all zeros stand for each image's best.
        layer: the path of the explained layer.
        classes: the number of classes as shown: two for one sigmoid output.
    """

    function: Callable[[Any, Any], tuple[Any, Any, Any]]
    layer: str
    classes: int


def build(
    model: Any,
    method: Method,
    *,
    name: str,
    scale: Callable[[Any], Any],
    shape: tuple[int | None, int | None, int],
    dtype: str = "uint8",
    layer: Layers = None,
    against: bool = False,
    top_channels: int | None = None,
    weights: Sequence[Array] | None = None,
    frozen: bool = True,
) -> Graph:
    """Traces and freezes a classifier together with its maps.

    Args:
        model: the Keras model; it comes out as it went in. Later changes of its weights do not reach the graph.
        method: how maps are made.
        name: the model's name, for messages.
        scale: from float32 pixels 0..255 to the model's input.
        shape: (height, width, channels) of the images; None for sizes that vary from call to call.
        dtype: of the images.
        layer: path or name of the target layer, several by comma or as a sequence, None to find it.
        against: explain the negated logit.
        top_channels: for methods that need scores, how many channels get a forward pass; None for all.
        weights: values for `model.weights` to compute with instead.
        frozen: take the weights as constants, as far as one graph can hold them; False for a graph that is only looked
            at, which is made in a fraction of the time.

    Returns:
        The graph.

    Raises:
        UsageError: the model is no image classifier, has no such layer, does not run at that size, or has a head that
            the method is not defined for.
    """
    facts: dict[str, Any] = {}
    if frozen and weights is None:
        weights = values(model)
    network = Network(model, name, scale, shape, weights)
    forward_passes = "scores" in method.needs

    def explain(images: Any, selection: Any) -> Any:
        raw, logits, probabilities, calls, _ = network.trace(images)
        targets = choose_layers(explainable(calls, raw), layer, name)
        facts.update(layer=",".join(t.path for t in targets), classes=int(logits.shape[1]))
        chosen = tf.tile(tf.cast(selection, logits.dtype)[tf.newaxis, :], [tf.shape(logits)[0], 1])
        top = tf.one_hot(tf.argmax(logits, axis=1), logits.shape[1], dtype=logits.dtype)
        selection = tf.where(tf.reduce_any(selection != 0.0), chosen, top)
        selection = -selection if against else selection
        activations = [t.output for t in targets]
        if forward_passes:
            return logits, probabilities, selection, *(tf.cast(a, exact_type(a.dtype.name)) for a in activations)
        maps = [one_map(method, a, raw, selection) for a in activations]
        return merge(maps), logits, probabilities

    signature = [image_spec(shape, dtype), tf.TensorSpec([None], "float32", name="selection")]
    function = freeze(explain, signature)
    if forward_passes:
        function = _with_scores(function, method, masked_scores(network, dtype, top_channels))
    return Graph(function, facts["layer"], facts["classes"])


def build_forward(
    model: Any,
    *,
    name: str,
    scale: Callable[[Any], Any],
    shape: tuple[int | None, int | None, int],
    weights: Sequence[Array] | None = None,
    frozen: bool = True,
) -> Callable[[Any], tuple[Any, Any]]:
    """Traces and freezes a classifier alone; the arguments are `build`'s.

    Returns:
        uint8 images (B, h, w, C) -> logits and probabilities (B, classes).
    """
    if frozen and weights is None:
        weights = values(model)
    network = Network(model, name, scale, shape, weights)
    return freeze(lambda images: network.trace(images)[1:3], [image_spec(shape, "uint8")])


def merge(maps: Sequence[Any]) -> Any:
    """Merges several layers' maps: each resized to the largest, scaled to the mean of their peaks, then the mean.

    A shallow layer's map can be a thousand times weaker than a deep one's, so that a plain mean would show one of them
    only. The peak is the largest absolute value, so that the negated maps merge to the negated map.

    Args:
        maps: (B, h, w) each, at least one.

    Returns:
        Raw maps (B, h', w') as large as the largest, in the units of the maps.
    """
    if len(maps) == 1:
        return maps[0]
    height = tf.reduce_max([tf.shape(m)[1] for m in maps])
    width = tf.reduce_max([tf.shape(m)[2] for m in maps])
    dtype = maps[0].dtype
    peaks = [tf.reduce_max(tf.abs(m), axis=(1, 2), keepdims=True) for m in maps]
    resized = [tf.cast(tf.image.resize(m[..., tf.newaxis], [height, width])[..., 0], dtype) for m in maps]
    shares = [tf.where(p > 0.0, m / tf.where(p > 0.0, p, 1.0), m) for m, p in zip(resized, peaks, strict=True)]
    return tf.add_n(shares) / len(maps) * (tf.add_n(peaks) / len(maps))


def one_map(method: Method, activations: Any, raw: Any, selection: Any) -> Any:
    """Makes a method's maps, in float32 also where the model computes in half precision.

    Args:
        method: one that needs no scores.
        activations: the target layer's output (B, h, w, K), symbolic.
        raw: the network's raw logits (B, C).
        selection: (B, classes), the weights of the logits, of the classes as shown, that the maps explain.

    Returns:
        Raw maps (B, h, w).
    """
    exact = exact_type(activations.dtype.name)
    if raw.shape[1] == 1:  # the two shown classes have the logits -z and z
        selection = selection[:, 1:] - selection[:, :1]
    needs: dict[str, Any] = {}
    if "gradients" in method.needs:
        # The target's logit is sum(raw * selection); its gradient begins with the selection itself.
        (gradients,) = tf.gradients(raw, activations, grad_ys=selection)
        needs["gradients"] = tf.cast(gradients, exact)
    if "weights" in method.needs:
        weights = tf.cast(dense_weights(activations, raw), exact)
        needs["weights"] = tf.matmul(tf.cast(selection, exact), weights, transpose_b=True)
    return method.function(tf.cast(activations, exact), **needs)


def _with_scores(
    look: Callable[..., Any], method: Method, scores: Callable[[Any, Any, Any], Any]
) -> Callable[..., Any]:
    """Makes a graph's function for a method that needs forward passes between the activations and the maps."""

    def function(images: Any, selection: Any) -> tuple[Any, Any, Any]:
        logits, probabilities, selected, *activations = look(images, selection)
        return merge([method.function(a, scores(images, a, selected)) for a in activations]), logits, probabilities

    return function
