"""The class activation methods: pure functions from activations and gradients to raw, signed maps.

With A the target layer's activations, s the logit of the target and g = ds/dA; see each function for its formula and
paper. Where A and g come from is `graph`'s business, what becomes of the maps is `vidcam.render`'s. A new method is
one decorated function here: the command line, the documentation and the tests read the registry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from vidcam._tensorflow import tf
from vidcam.errors import UsageError

Need = Literal["gradients", "weights", "scores"]


@dataclass(frozen=True, slots=True)
class Method:
    """A way to make a map.

    Attributes:
        name: what `--method` takes.
        title: the name as papers write it.
        paper: authors and year.
        needs: what the function takes after the activations: `gradients` of the target's logit (B, h, w, K); the
            `weights` (B, K) that a pooling + dense head gives each channel for the target; or `scores` (B, K), the
            target's logit on the picture masked by each channel, a forward pass a channel.
        function: activations (B, h, w, K) and what it needs -> raw map (B, h, w); tensors of one float type.
    """

    name: str
    title: str
    paper: str
    needs: tuple[Need, ...]
    function: Callable[..., Any]

    @property
    def targeted(self) -> bool:
        """Whether the map depends on the target; without gradients, weights or scores it cannot."""
        return bool(self.needs)


METHODS: dict[str, Method] = {}


def _register(name: str, title: str, paper: str, *needs: Need) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        METHODS[name] = Method(name, title, paper, needs, function)
        return function

    return add


def find_method(name: str) -> Method:
    """Returns the method of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in METHODS:
        raise UsageError(f"method {name!r} is unknown; choose one of {', '.join(METHODS)}")
    return METHODS[name]


@_register("cam", "CAM", "Zhou et al. 2016", "weights")
def cam(activations: Any, weights: Any) -> Any:
    """Class activation mapping: sum_k W[k, c] A_k, for a global-average-pooling + dense head.

    Args:
        activations: (B, h, w, K).
        weights: (B, K), the dense layer's weights for the target.

    Returns:
        Raw maps (B, h, w). Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016.
    """
    return tf.einsum("bhwk,bk->bhw", activations, weights)


@_register("gradcam", "Grad-CAM", "Selvaraju et al. 2017", "gradients")
def gradcam(activations: Any, gradients: Any) -> Any:
    """Grad-CAM: sum_k mean_ij(g_k) A_k; the outer ReLU belongs to rendering.

    Args:
        activations: (B, h, w, K).
        gradients: (B, h, w, K).

    Returns:
        Raw maps (B, h, w). Selvaraju et al., Grad-CAM, ICCV 2017, eq. 1 and 2.
    """
    return tf.einsum("bhwk,bk->bhw", activations, tf.reduce_mean(gradients, axis=(1, 2)))


@_register("gradcam++", "Grad-CAM++", "Chattopadhay et al. 2018", "gradients")
def gradcam_plus_plus(activations: Any, gradients: Any) -> Any:
    """Grad-CAM++: weights sum_ij alpha ReLU(g) with alpha = g^2 / (2 g^2 + g^3 sum_ab A_ab).

    alpha is 0 where g <= 0 or the denominator <= 0 (a negative sum, as swish makes). The paper's factor exp(s) is left
    out: it is one number a map, and cancels in scaling.

    Args:
        activations: (B, h, w, K).
        gradients: (B, h, w, K).

    Returns:
        Raw maps (B, h, w). Chattopadhay et al., Grad-CAM++, WACV 2018, eq. 19.
    """
    # alpha g = g / (2 + g sum A) where g > 0: without g^2 and g^3, which vanish in float32 at g = 1e-23.
    denominator = 2.0 + gradients * tf.reduce_sum(activations, axis=(1, 2), keepdims=True)
    nothing = (gradients <= 0.0) | (denominator <= 0.0)
    shares = tf.where(nothing, tf.zeros_like(gradients), gradients) / tf.where(
        nothing, tf.ones_like(denominator), denominator
    )
    return tf.einsum("bhwk,bk->bhw", activations, tf.reduce_sum(shares, axis=(1, 2)))


@_register("hirescam", "HiResCAM", "Draelos & Carin 2020", "gradients")
def hirescam(activations: Any, gradients: Any) -> Any:
    """HiResCAM: sum_k g_k A_k, elementwise.

    Args:
        activations: (B, h, w, K).
        gradients: (B, h, w, K).

    Returns:
        Raw maps (B, h, w). Draelos and Carin, Use HiResCAM instead of Grad-CAM, arXiv:2011.08891, 2020.
    """
    return tf.einsum("bhwk,bhwk->bhw", activations, gradients)


@_register("xgradcam", "XGrad-CAM", "Fu et al. 2020", "gradients")
def xgradcam(activations: Any, gradients: Any) -> Any:
    """XGrad-CAM: weights sum_ij g A / sum_ij A, 0 where that sum is 0.

    Args:
        activations: (B, h, w, K).
        gradients: (B, h, w, K).

    Returns:
        Raw maps (B, h, w). Fu et al., Axiom-based Grad-CAM, BMVC 2020, eq. 8.
    """
    total = tf.reduce_sum(activations, axis=(1, 2))
    weights = tf.math.divide_no_nan(tf.einsum("bhwk,bhwk->bk", activations, gradients), total)
    return tf.einsum("bhwk,bk->bhw", activations, weights)


@_register("layercam", "LayerCAM", "Jiang et al. 2021", "gradients")
def layercam(activations: Any, gradients: Any) -> Any:
    """LayerCAM: sum_k ReLU(g_k) A_k, elementwise.

    Args:
        activations: (B, h, w, K).
        gradients: (B, h, w, K).

    Returns:
        Raw maps (B, h, w). Jiang et al., LayerCAM, IEEE TIP 2021, eq. 6.
    """
    return tf.einsum("bhwk,bhwk->bhw", activations, tf.nn.relu(gradients))


@_register("eigencam", "Eigen-CAM", "Muhammad & Yeasin 2020")
def eigencam(activations: Any) -> Any:
    """Eigen-CAM: A v1 with v1 the first right singular vector of the uncentred (h w, K) matrix; no target enters.

    The vector's sign is free; it is chosen so that the map's sum is positive.

    Args:
        activations: (B, h, w, K).

    Returns:
        Raw maps (B, h, w). Muhammad and Yeasin, Eigen-CAM, IJCNN 2020.
    """
    shape = tf.shape(activations)
    matrix = tf.reshape(activations, [shape[0], shape[1] * shape[2], shape[3]])
    # The decomposition raises at NaN instead of handing it on.
    finite = tf.reduce_all(tf.math.is_finite(matrix), axis=(1, 2), keepdims=True)
    matrix = tf.where(finite, matrix, 0.0)
    # The smaller of the two Gram matrices has the same first vector: 49 positions against 1280 channels, or 112 x 112
    # against 32. On the left, A v1 = sigma u1.

    def by_positions() -> Any:
        values, vectors = tf.linalg.eigh(tf.matmul(matrix, matrix, transpose_b=True))
        return vectors[..., -1] * tf.sqrt(tf.nn.relu(values[..., -1:]))

    def by_channels() -> Any:
        _, vectors = tf.linalg.eigh(tf.matmul(matrix, matrix, transpose_a=True))
        return tf.einsum("bpk,bk->bp", matrix, vectors[..., -1])

    projected = tf.cond(shape[1] * shape[2] <= shape[3], by_positions, by_channels)
    total = tf.reduce_sum(projected, axis=1, keepdims=True)
    projected = tf.where(total < 0.0, -projected, projected)
    nan = tf.constant(float("nan"), projected.dtype)
    return tf.reshape(tf.where(finite[..., 0], projected, nan), shape[:3])


@_register("scorecam", "Score-CAM", "Wang et al. 2020", "scores")
def scorecam(activations: Any, scores: Any) -> Any:
    """Score-CAM: sum_k softmax_k(score) A_k, without any gradient.

    Args:
        activations: (B, h, w, K).
        scores: (B, K), the target's logit on the input multiplied by the channel, upsampled and min-max scaled; -inf
            for channels that are left out: constant ones, and all but the top ones. The paper subtracts the logit of
            a blank input, which the softmax cancels.

    Returns:
        Raw maps (B, h, w). Wang et al., Score-CAM, CVPR Workshops 2020, Algorithm 1.
    """
    left_out = tf.math.is_inf(scores) & (scores < 0.0)
    none_left = tf.reduce_all(left_out, axis=1, keepdims=True)
    zeros = tf.zeros_like(scores)
    weights = tf.nn.softmax(tf.where(none_left, zeros, scores), axis=1)
    return tf.einsum("bhwk,bk->bhw", activations, tf.where(left_out, zeros, weights))
