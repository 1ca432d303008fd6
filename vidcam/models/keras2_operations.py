"""The operations that Keras 2 kept inside functional models (`inputs / 127.5 - 1`), as a layer of Keras 3.

Importing this module imports TensorFlow and registers the layer with Keras.
"""

from __future__ import annotations

from typing import Any

from vidcam._tensorflow import keras, tf

PACKAGE = "vidcam"
GETITEM = "__operators__.getitem"
SCALING = (
    *("math.truediv", "math.divide", "math.multiply", "math.subtract", "math.add", "nn.bias_add"),
    *("__operators__.add", "__operators__.truediv", "__operators__.mul", "__operators__.sub"),
)
"""Operations by which `preprocess_input` scales pixels."""
FUNCTIONS = frozenset(
    [
        *(*SCALING, GETITEM, "cast", "concat", "stack", "reshape", "transpose", "reverse", "squeeze", "expand_dims"),
        *("identity", "convert_to_tensor", "clip_by_value", "pad", "compat.v1.pad", "linalg.matmul", "strided_slice"),
        *("compat.v1.transpose", "compat.v1.squeeze", "compat.v1.expand_dims", "split", "compat.v1.concat"),
        *(f"math.{n}" for n in ("negative", "abs", "square", "sqrt", "rsqrt", "pow", "exp", "log", "floordiv", "mod")),
        *(f"math.{n}" for n in ("maximum", "minimum", "tanh", "sigmoid", "softplus", "reciprocal", "floor", "round")),
        *(f"math.reduce_{n}" for n in ("mean", "sum", "max", "min", "std", "variance")),
        *("math.l2_normalize", "nn.l2_normalize", "math.divide_no_nan", "math.scalar_mul"),
        *(f"nn.{n}" for n in ("relu", "relu6", "elu", "selu", "leaky_relu", "softmax", "silu", "swish", "gelu")),
        *(f"nn.{n}" for n in ("sigmoid", "softplus", "tanh", "avg_pool", "max_pool", "avg_pool2d", "max_pool2d")),
        *("compat.v1.nn.avg_pool", "compat.v1.nn.max_pool", "image.resize", "compat.v1.image.resize_images"),
        *("image.grayscale_to_rgb", "image.rgb_to_grayscale", "image.per_image_standardization"),
        *("compat.v1.image.resize_bilinear", "image.convert_image_dtype", "nn.depth_to_space", "nn.space_to_depth"),
        *("nn.local_response_normalization", "compat.v1.gather", "gather"),
    ]
)
"""Names below `tf` that a file may call: all of them compute numbers from tensors and do nothing else."""


@keras.saving.register_keras_serializable(PACKAGE)  # type: ignore[untyped-decorator]
def hard_sigmoid(x: Any) -> Any:
    """What Keras 2 called so: max(0, min(1, 0.2 x + 0.5)); Keras 3's has the slope 1/6."""
    return tf.clip_by_value(0.2 * x + 0.5, 0.0, 1.0)


@keras.saving.register_keras_serializable(PACKAGE)
class OldFunction(keras.layers.Layer):  # type: ignore[misc]
    """A call of a TensorFlow function as a layer.

    Args:
        function: its name below `tf`, one of `FUNCTIONS`.
        first: its first argument: numbers, or `{MARK: n}` for the layer's n-th input, or a list of such.
        arguments: the others by name, alike.
    """

    MARK = "input"

    def __init__(self, function: str, first: Any, arguments: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if function not in FUNCTIONS:
            raise ValueError(f"the function {function} is none of those that a model file may call")
        self.function, self.first, self.arguments = function, first, arguments

    @property
    def scales(self) -> bool:
        """Whether it is of the kind by which `preprocess_input` scales pixels."""
        return self.function in SCALING

    def call(self, *tensors: Any) -> Any:
        """Calls the function; the arguments are the layer's inputs in their order."""

        def filled(value: Any) -> Any:
            if isinstance(value, dict) and set(value) == {self.MARK}:
                return tensors[value[self.MARK]]
            return [filled(v) for v in value] if isinstance(value, list | tuple) else value

        first = filled(self.first)
        if self.function == GETITEM:
            return first[_slices(self.arguments["slice_spec"])]
        target = tf
        for part in self.function.split("."):
            target = getattr(target, part)
        arguments = {key: filled(value) for key, value in self.arguments.items()}
        if not tensors or not isinstance(first, float | int | list) or any(t is first for t in tensors):
            return target(first, **arguments)
        # A number before a tensor takes the tensor's type, as in `1.0 - x`.
        alike = tf.cast(first, tensors[0].dtype) if isinstance(first, float | int) else first
        return target(alike, **arguments)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments to make it again."""
        return {**super().get_config(), "function": self.function, "first": self.first, "arguments": self.arguments}


def _slices(spec: Any) -> Any:
    """Returns the index of `x[...]` as a file holds it."""
    if isinstance(spec, list | tuple):
        return tuple(_slices(s) for s in spec)
    if isinstance(spec, dict):
        if spec.get("class_name") == "__ellipsis__":
            return Ellipsis
        return slice(spec.get("start"), spec.get("stop"), spec.get("step"))
    return spec
