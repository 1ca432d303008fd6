"""A Keras model as TensorFlow graphs are traced from it: pixels in, raw logits and every layer's doing out; freezing.

Which layer is explained and how is `graph`'s business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

from vidcam._tensorflow import keras, tf
from vidcam.cam.build.trace import Call, End, flattens, record, split_output
from vidcam.errors import UsageError
from vidcam.types import Array

FREEZE_LIMIT = 1_500_000_000
"""Bytes of weights above which a graph reads them as variables: one graph holds 2 GiB at most."""
SCALED = "scaled"
"""The name of the tensor that the network takes, once pixels are scaled: there Score-CAM's masks enter."""
LARGE_MATRIX = 2**20
"""Bytes above which a matrix is no constant of the graph, whose optimisation would copy it again and again."""


class Forward(NamedTuple):
    """What a model made of its input, symbolic.

    Attributes:
        raw: the network's logits (B, C).
        logits: of the classes as shown (B, classes).
        probabilities: (B, classes).
        calls: what each layer did.
        end: what the network ends with.
    """

    raw: Any
    logits: Any
    probabilities: Any
    calls: list[Call]
    end: End


@dataclass(frozen=True, slots=True)
class Network:
    """A Keras model as TensorFlow graphs are traced from it.

    Attributes:
        model: the Keras model.
        name: its name, for messages.
        scale: from float pixels 0..255 to the model's input.
        shape: (height, width, channels) of the pictures; None for sizes that vary from call to call.
        weights: values for `model.weights` to compute with instead.
        size: (height, width) at which it is looked at where they vary.
        grid: rows and columns of its patches, where they are told.
        frames: of a network that sees time, how many it takes, which come in one picture one under another; else 0.
    """

    model: Any
    name: str
    scale: Callable[[Any], Any]
    shape: tuple[int | None, int | None, int]
    weights: Sequence[Array] | None = None
    size: tuple[int, int] = (224, 224)
    grid: tuple[int, int] | None = None
    frames: int = 0

    @property
    def exact(self) -> str:
        """The type of the model's input and of its maps."""
        return exact_type(self.model.compute_dtype or "float32")

    def with_values(self) -> Network:
        """Returns the network with its weights as they are now, as far as one graph can hold them."""
        return self if self.weights is not None else replace(self, weights=values(self.model))

    def scaled(self, images: Any) -> Any:
        """Brings symbolic pixels (B, h, w, C) to the model's input; of a clip's, to (B, T, h, w, C)."""
        x = tf.identity(self.scale(tf.cast(images, self.exact)), name=SCALED)
        if not self.frames:
            return x
        height, width, channels = self.shape
        return tf.reshape(x, [-1, self.frames, (height or 0) // self.frames, width or 0, channels])

    def trace(self, images: Any) -> Forward:
        """Runs symbolic pixels (B, h, w, C) through the model."""
        return self.trace_input(self.scaled(images))

    def trace_input(self, x: Any) -> Forward:
        """Runs the model's symbolic input through it."""
        try:
            with self._own_weights():
                output, calls = record(self.model, x)
        except (TypeError, ValueError) as error:  # Python numbers were wanted, and rows and columns are open
            if None not in self.shape:
                raise
            raise self.own_size_only("computes with its sides") from error
        if None in self.shape and flattens(calls):
            raise self.own_size_only("flattens its last map")
        raw, end = split_output(_vector(output, self.name))
        raw = tf.cast(_vector(raw, self.name), exact_type(raw.dtype.name))
        return Forward(raw, *_classes(raw, end), calls, end)

    def own_size_only(self, why: str) -> UsageError:
        """Returns the error of a network that does not run at other sizes."""
        return UsageError(
            f"{self.name}: {why}, so it takes its own input size only; use --fit squash, pad or crop and no "
            "--input-size"
        )

    def _own_weights(self) -> AbstractContextManager[Any]:
        """Keras reads other values for its variables inside this scope; the variables stay as they are."""
        if self.weights is None:
            return nullcontext()
        constants = [_constant(v, w.dtype) for w, v in zip(self.model.weights, self.weights, strict=True)]
        scope: AbstractContextManager[Any] = keras.StatelessScope(
            state_mapping=list(zip(self.model.weights, constants, strict=True))
        )
        return scope


def image_spec(shape: tuple[int | None, int | None, int], dtype: str) -> Any:
    """Returns the TensorSpec of a batch of images."""
    return tf.TensorSpec([None, *shape], dtype, name="images")


def values(model: Any) -> list[Array] | None:
    """Returns a model's weights as they are now, for `Network` to compute with as constants.

    Returns:
        An array for each of `model.weights`; None where they are more than one graph can hold.
    """
    arrays = [w.numpy() for w in model.weights]
    return arrays if sum(a.nbytes for a in arrays if not _large(a)) <= FREEZE_LIMIT else None


def _large(value: Array) -> bool:
    """Tells whether a weight is better kept outside the graph: a dense layer's matrix, which nothing folds into."""
    return value.ndim == 2 and value.nbytes > LARGE_MATRIX


def _constant(value: Array, dtype: str) -> Any:
    if not _large(value):
        return tf.constant(value, dtype=dtype)
    with tf.init_scope():  # a tensor outside the graph, which the graph takes as an input
        return tf.constant(value, dtype=dtype)


def freeze(function: Callable[..., Any], signature: Sequence[Any]) -> Callable[..., Any]:
    """Traces a function of tensors to one graph.

    Args:
        function: of symbolic tensors to a tuple of symbolic tensors.
        signature: a TensorSpec for each argument.

    Returns:
        The same function of tensors, to a sequence of tensors.
    """
    concrete = tf.function(function, input_signature=signature, autograph=False).get_concrete_function()
    return cast(Callable[..., Any], concrete)


def exact_type(dtype: str) -> str:
    """Returns the type that maps of tensors of this type are computed in: half precision is not exact enough."""
    return "float64" if dtype == "float64" else "float32"


def _vector(output: Any, name: str) -> Any:
    """Brings (B, 1, 1, C) to (B, C)."""
    if isinstance(output, dict | list | tuple):
        raise UsageError(f"{name}: has {len(output)} outputs; vidcam explains classifiers of one")
    if len(output.shape) == 2:
        return output
    if len(output.shape) == 4 and tuple(output.shape[1:3]) == (1, 1):
        return tf.squeeze(output, axis=(1, 2))
    raise UsageError(f"{name}: its output of shape {tuple(output.shape)} is no list of classes")


def _classes(raw: Any, end: str) -> tuple[Any, Any]:
    """From a network's raw logits (B, C) to the classes as shown; one output z is the two classes [-z, z].

    A linear end is read as logits of classes that exclude one another, as `from_logits=True` losses do.
    """
    if raw.shape[1] == 1:
        logits = tf.concat([-raw, raw], axis=1)
        return logits, tf.sigmoid(logits)
    return raw, tf.sigmoid(raw) if end == "sigmoid" else tf.nn.softmax(raw)
