"""The class activation methods: NumPy functions from activations and gradient to raw, signed maps.

With A the target layer's activations, s the logit of the target and g = ds/dA; see each function for its formula and
paper. Where A and g come from is `build`'s and `run`'s business, what becomes of the maps is `vidcam.render`'s. A new
method is one decorated function here: the command line, the documentation and the tests read the registry.

A gradient that is the same at every position, as behind a global average pooling, comes as (B, 1, 1, K).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from vidcam._lazy import module
from vidcam.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from vidcam.types import Array
else:
    np = module("numpy")  # the command line's help lists the methods, and is quick

Need = Literal["gradient", "pooled head", "scores", "positions"]


UNDEFINED_OVER_TIME: tuple[Need, ...] = ("scores", "positions")
"""What is not to be had of a clip: scores of masks and places, which would each need a meaning in time."""


@dataclass(frozen=True, slots=True)
class Method:
    """A way to make a map.

    Attributes:
        name: what `--method` takes.
        title: the name as papers write it.
        paper: authors and year.
        needs: what there has to be: the `gradient` of the target's logit (B, h, w, K) or (B, 1, 1, K); a `pooled head`,
            which is a global average pooling and one dense layer; or `scores` (B, K), the target's logit on the picture
            masked by each channel, a forward pass a channel; or the same for the `positions` (B, h w + 1), with the
            features of one position alone, a pass of the head each. None of them: the activations alone.
        function: activations (B, h, w, K), and the gradient or the scores -> raw map (B, h, w).
    """

    name: str
    title: str
    paper: str
    needs: Need | None
    function: Callable[..., Array]

    @property
    def targeted(self) -> bool:
        """Whether the map depends on the target."""
        return self.needs is not None

    @property
    def scored(self) -> bool:
        """Whether the method takes forward passes of its own."""
        return self.needs == "scores"


METHODS: dict[str, Method] = {}


def _register(
    name: str, title: str, paper: str, needs: Need | None
) -> Callable[[Callable[..., Array]], Callable[..., Array]]:
    def add(function: Callable[..., Array]) -> Callable[..., Array]:
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


@_register("cam", "CAM", "Zhou et al. 2016", "pooled head")
def cam(activations: Array, gradient: Array) -> Array:
    """Class activation mapping: sum_k W[k, c] A_k, for a global-average-pooling + dense head.

    There each position's gradient is W[k, c] / (h w), as the pooling divides by h w.

    Args:
        activations: (B, h, w, K).
        gradient: (B, 1, 1, K).

    Returns:
        Raw maps (B, h, w). Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016.
    """
    return _weighted(activations, gradient[:, 0, 0] * (activations.shape[1] * activations.shape[2]))


@_register("gradcam", "Grad-CAM", "Selvaraju et al. 2017", "gradient")
def gradcam(activations: Array, gradient: Array) -> Array:
    """Grad-CAM: sum_k mean_ij(g_k) A_k; the outer ReLU belongs to rendering.

    Args:
        activations: (B, h, w, K).
        gradient: (B, h, w, K) or (B, 1, 1, K).

    Returns:
        Raw maps (B, h, w). Selvaraju et al., Grad-CAM, ICCV 2017, eq. 1 and 2.
    """
    return _weighted(activations, gradient[:, 0, 0] if _even(gradient) else gradient.mean((1, 2)))


@_register("gradcam++", "Grad-CAM++", "Chattopadhay et al. 2018", "gradient")
def gradcam_plus_plus(activations: Array, gradient: Array) -> Array:
    """Grad-CAM++: weights sum_ij alpha ReLU(g) with alpha = g^2 / (2 g^2 + g^3 sum_ab A_ab).

    alpha is 0 where g <= 0 or the denominator <= 0 (a negative sum, as swish makes). The paper's factor exp(s) is left
    out: it is one number a map, and cancels in scaling.

    Args:
        activations: (B, h, w, K).
        gradient: (B, h, w, K) or (B, 1, 1, K).

    Returns:
        Raw maps (B, h, w). Chattopadhay et al., Grad-CAM++, WACV 2018, eq. 19.
    """
    positions = activations.shape[1] * activations.shape[2]
    weights = np.empty((len(activations), activations.shape[3]), activations.dtype)
    # Picture by picture: what is in between stays in the processor's cache.
    for weight, one, g in zip(weights, activations, gradient, strict=True):
        # alpha g = g / (2 + g sum A) where g > 0: without g^2 and g^3, which vanish in float32 at g = 1e-23.
        denominator = g * one.sum((0, 1))
        denominator += 2.0
        something = (g > 0.0) & ~(denominator <= 0.0)  # NaN is something
        shares = np.divide(g, denominator, out=np.zeros_like(g), where=something)
        shares.sum((0, 1), out=weight)
    return _weighted(activations, weights * positions if _even(gradient) else weights)


@_register("hirescam", "HiResCAM", "Draelos & Carin 2020", "gradient")
def hirescam(activations: Array, gradient: Array) -> Array:
    """HiResCAM: sum_k g_k A_k, elementwise.

    Args:
        activations: (B, h, w, K).
        gradient: (B, h, w, K) or (B, 1, 1, K).

    Returns:
        Raw maps (B, h, w). Draelos and Carin, Use HiResCAM instead of Grad-CAM, arXiv:2011.08891, 2020.
    """
    if _even(gradient):
        return _weighted(activations, gradient[:, 0, 0])
    maps: Array = np.einsum("bhwk,bhwk->bhw", activations, gradient)
    return maps


@_register("xgradcam", "XGrad-CAM", "Fu et al. 2020", "gradient")
def xgradcam(activations: Array, gradient: Array) -> Array:
    """XGrad-CAM: weights sum_ij g A / sum_ij A, 0 where that sum is 0.

    Args:
        activations: (B, h, w, K).
        gradient: (B, h, w, K) or (B, 1, 1, K).

    Returns:
        Raw maps (B, h, w). Fu et al., Axiom-based Grad-CAM, BMVC 2020, eq. 8.
    """
    total = activations.sum((1, 2))
    seen = total * gradient[:, 0, 0] if _even(gradient) else np.einsum("bhwk,bhwk->bk", activations, gradient)
    return _weighted(activations, np.divide(seen, total, out=np.zeros_like(total), where=total != 0.0))


@_register("layercam", "LayerCAM", "Jiang et al. 2021", "gradient")
def layercam(activations: Array, gradient: Array) -> Array:
    """LayerCAM: sum_k ReLU(g_k) A_k, elementwise.

    Args:
        activations: (B, h, w, K).
        gradient: (B, h, w, K) or (B, 1, 1, K).

    Returns:
        Raw maps (B, h, w). Jiang et al., LayerCAM, IEEE TIP 2021, eq. 6.
    """
    if _even(gradient):
        return _weighted(activations, np.maximum(gradient[:, 0, 0], 0.0))
    maps = np.empty(activations.shape[:3], activations.dtype)
    for map_, one, g in zip(maps, activations, gradient, strict=True):
        np.einsum("hwk,hwk->hw", one, np.maximum(g, 0.0), out=map_)
    return maps


@_register("eigencam", "Eigen-CAM", "Muhammad & Yeasin 2020", None)
def eigencam(activations: Array) -> Array:
    """Eigen-CAM: A v1 with v1 the first right singular vector of the uncentred (h w, K) matrix; no target enters.

    The vector's sign is free; it is chosen so that the map's sum is positive.

    Args:
        activations: (B, h, w, K).

    Returns:
        Raw maps (B, h, w). Muhammad and Yeasin, Eigen-CAM, IJCNN 2020.
    """
    count, height, width, channels = activations.shape
    maps = np.empty((count, height * width), activations.dtype)
    for map_, one in zip(maps, activations.reshape(count, -1, channels), strict=True):
        if not np.isfinite(one).all():  # the decomposition raises at NaN instead of handing it on
            map_[:] = np.nan
            continue
        # The smaller of the two Gram matrices has the same first vector: 49 positions against 1280 channels, or
        # 112 x 112 against 32. On the left, A v1 = sigma u1.
        if len(one) <= channels:
            vector, value = _first_vector(one @ one.T)
            map_[:] = vector * np.sqrt(max(value, 0.0))
        else:
            map_[:] = one @ _first_vector(one.T @ one)[0]
        if map_.sum() < 0.0:
            np.negative(map_, out=map_)
    return maps.reshape(activations.shape[:3])


@_register("scorecam", "Score-CAM", "Wang et al. 2020", "scores")
def scorecam(activations: Array, scores: Array) -> Array:
    """Score-CAM: sum_k softmax_k(score) A_k, without any gradient.

    Args:
        activations: (B, h, w, K).
        scores: (B, K), the target's logit on the input multiplied by the channel, upsampled and min-max scaled; -inf
            for channels that are left out: constant ones, and all but the top ones. The paper subtracts the logit of
            a blank input, which the softmax cancels.

    Returns:
        Raw maps (B, h, w). Wang et al., Score-CAM, CVPR Workshops 2020, Algorithm 1.
    """
    left_out = np.isneginf(scores)
    peak = np.where(left_out.all(1, keepdims=True), 0.0, scores.max(1, keepdims=True))
    weights = np.exp(scores - peak.astype(scores.dtype))
    total = weights.sum(1, keepdims=True)
    return _weighted(activations, np.divide(weights, total, out=np.zeros_like(weights), where=total != 0.0))


@_register("reciprocam", "Recipro-CAM", "Byun & Lee 2022", "positions")
def reciprocam(activations: Array, scores: Array) -> Array:
    """Recipro-CAM: the target's logit when only one position's features pass to the head, without any gradient.

    The logit when none passes is taken off, which the paper's scaling cancels: so a position that speaks against the
    target is negative. Behind a global average pooling and a dense layer this is Grad-CAM's map.

    Args:
        activations: (B, h, w, K).
        scores: (B, h w + 1), the logit for each position row by row, and at the end the one for none.

    Returns:
        Raw maps (B, h, w). Byun and Lee, Recipro-CAM, arXiv:2209.14074, 2022, eq. 3 to 5.
    """
    return (scores[:, :-1] - scores[:, -1:]).reshape(activations.shape[:3])


def _even(gradient: Array) -> bool:
    """Tells whether a gradient is the same at every position."""
    return gradient.shape[1:3] == (1, 1)


def _weighted(activations: Array, weights: Array) -> Array:
    """Returns sum_k w_k A_k, (B, h, w), of activations (B, h, w, K) and weights (B, K)."""
    # Without BLAS, whose threads would spin on the cores that the next pass of the network needs.
    maps: Array = np.einsum("bhwk,bk->bhw", activations, weights)
    return maps


def _first_vector(gram: Array) -> tuple[Array, float]:
    """Returns the eigenvector of a symmetric matrix's largest eigenvalue, and that value.

    Power iteration, which mostly needs a tenth of a decomposition's time; the decomposition where it does not settle.
    """
    vector = gram.sum(0)
    small = 16 * float(np.finfo(gram.dtype).eps)
    for _ in range(64):
        length = float(np.sqrt(vector @ vector))
        if not length > 0.0 or not np.isfinite(length):
            break
        vector = vector / length
        image = gram @ vector
        value = float(vector @ image)
        rest = image - value * vector
        if float(rest @ rest) <= (small * value) ** 2:
            return vector, value
        vector = image
    values, vectors = np.linalg.eigh(gram)
    return vectors[:, -1], float(values[-1])
