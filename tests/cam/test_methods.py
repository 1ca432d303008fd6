"""Each method is what its paper says: literal loops on small arrays in float64, and the cases that break formulas."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from vidcam.cam import METHODS

FROM_MAPS = [name for name, method in METHODS.items() if method.needs != "positions"]
"""Recipro-CAM's function has only to lay out what the head said; it is tested on networks."""
GRADIENT_METHODS = [name for name, method in METHODS.items() if method.needs == "gradient"]


def run(name, activations, needed=None, dtype="float64"):
    """Calls a method's function with what it needs."""
    method = METHODS[name]
    given = [np.asarray(needed, dtype)] if method.needs else []
    result = method.function(np.asarray(activations, dtype), *given)
    assert result.dtype == dtype
    return result


def inputs(seed=0, shape=(2, 4, 5, 6), low=0.0):
    rng = np.random.default_rng(seed)
    return np.maximum(rng.normal(0.3, 1, shape), low), rng.normal(0, 1, shape)


def needed_by(name, gradients):
    """Returns what a method takes for a gradient: for CAM one of a pooled head, for Score-CAM scores (B, K)."""
    if METHODS[name].needs == "gradient":
        return gradients
    return gradients.mean((1, 2), keepdims=name == "cam")


def swish(seed=0):
    """Activations like swish's: small negative values, and channels whose sum is negative."""
    rng = np.random.default_rng(seed)
    x = rng.normal(-1.0, 1.5, (2, 4, 5, 8))
    return x / (1 + np.exp(-x)), rng.normal(0, 2, x.shape)


def literal_gradcam_plus_plus(a, g):
    b_, h, w, k_ = a.shape
    out = np.zeros((b_, h, w))
    for b in range(b_):
        for k in range(k_):
            total = sum(a[b, i, j, k] for i in range(h) for j in range(w))
            weight = 0.0
            for i in range(h):
                for j in range(w):
                    gradient = g[b, i, j, k]
                    denominator = 2 * gradient**2 + gradient**3 * total
                    alpha = gradient**2 / denominator if gradient > 0 and denominator > 0 else 0.0
                    weight += alpha * max(gradient, 0.0)
            out[b] += weight * a[b, :, :, k]
    return out


@pytest.mark.parametrize("make", [inputs, swish])
def test_gradcam_plus_plus_equals_equation_19(make):
    a, g = make()
    np.testing.assert_allclose(run("gradcam++", a, g), literal_gradcam_plus_plus(a, g), rtol=1e-11, atol=1e-13)


def test_gradcam_plus_plus_meets_negative_denominators_and_tiny_gradients():
    a, g = swish()
    denominators = 2 * g**2 + g**3 * a.sum((1, 2), keepdims=True)
    assert ((g > 0) & (denominators <= 0)).any()  # or the test above would not have looked at them
    tiny = run("gradcam++", inputs()[0], 1e-30 * inputs()[1], dtype="float32")
    assert np.abs(tiny).max() > 0
    np.testing.assert_allclose(
        tiny / np.abs(tiny).max(), _unit(literal_gradcam_plus_plus(inputs()[0], 1e-30 * inputs()[1])), atol=1e-5
    )


def _unit(x):
    return x / np.abs(x).max()


def test_hirescam_is_the_sum_of_products():
    a, g = inputs()
    literal = np.zeros(a.shape[:3])
    for b, i, j in np.ndindex(*literal.shape):
        literal[b, i, j] = sum(g[b, i, j, k] * a[b, i, j, k] for k in range(a.shape[3]))
    np.testing.assert_allclose(run("hirescam", a, g), literal, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("make", [inputs, swish])
def test_xgradcam_weights_are_normalised_by_the_channels_sum(make):
    a, g = make()
    a[0, :, :, 2] = 0.0
    literal = np.zeros(a.shape[:3])
    for b in range(a.shape[0]):
        for k in range(a.shape[3]):
            total = a[b, :, :, k].sum()
            weight = sum((g[b, i, j, k] * a[b, i, j, k]) / total for i, j in np.ndindex(*a.shape[1:3])) if total else 0
            literal[b] += weight * a[b, :, :, k]
    np.testing.assert_allclose(run("xgradcam", a, g), literal, rtol=1e-10, atol=1e-12)


def test_layercam_weights_each_position_by_its_positive_gradient():
    a, g = inputs()
    literal = np.zeros(a.shape[:3])
    for b, i, j, k in np.ndindex(*a.shape):
        if g[b, i, j, k] > 0:
            literal[b, i, j] += g[b, i, j, k] * a[b, i, j, k]
    np.testing.assert_allclose(run("layercam", a, g), literal, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("shape", [(2, 3, 4, 30), (2, 6, 7, 5)], ids=["few positions", "few channels"])
def test_eigencam_projects_on_the_first_right_singular_vector(shape):
    for a in (inputs(shape=shape)[0], inputs(shape=shape, low=-9.0)[0], -inputs(shape=shape)[0]):
        literal = []
        for one in a:
            _, _, rows = np.linalg.svd(one.reshape(-1, shape[3]))
            projected = np.array(
                [sum(p * v for p, v in zip(pixel, rows[0], strict=True)) for pixel in one.reshape(-1, shape[3])]
            )
            literal.append(projected.reshape(shape[1:3]) * (-1 if projected.sum() < 0 else 1))
        np.testing.assert_allclose(run("eigencam", a), literal, rtol=1e-8, atol=1e-10)
        scale = np.abs(literal).max()
        np.testing.assert_allclose(run("eigencam", a, dtype="float32") / scale, literal / scale, atol=2e-5)


def test_scorecam_weights_channels_by_the_softmax_of_their_scores():
    a, _ = inputs()
    scores = np.random.default_rng(5).normal(0, 3, (2, 6))
    scores[0, 1] = scores[1, 4] = -np.inf
    literal = np.zeros(a.shape[:3])
    for b in range(2):
        total = sum(np.exp(s) for s in scores[b])
        for k in range(6):
            literal[b] += np.exp(scores[b, k]) / total * a[b, :, :, k]
    np.testing.assert_allclose(run("scorecam", a, scores), literal, rtol=1e-12)
    np.testing.assert_allclose(run("scorecam", a, scores - 100.0), literal, rtol=1e-12)  # a baseline cancels
    assert (run("scorecam", a, np.full((2, 6), -np.inf)) == 0).all()


def test_cam_is_the_weighted_sum_of_channels():
    a, g = inputs()
    weights = g.mean((1, 2))  # W[k, c]: the gradient is W[k, c] / (h w)
    literal = sum(weights[:, k, None, None] * a[..., k] for k in range(6))
    np.testing.assert_allclose(run("cam", a, weights[:, None, None] / 20), literal, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("make", [inputs, swish])
@pytest.mark.parametrize("name", GRADIENT_METHODS)
def test_a_gradient_that_is_the_same_everywhere_may_come_once(name, make):
    a, g = make()
    g = g.mean((1, 2), keepdims=True)
    whole = run(name, a, np.broadcast_to(g, a.shape).copy())
    np.testing.assert_allclose(run(name, a, g), whole, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shape", [(1, 7, 13, 1280), (1, 40, 30, 24), (1, 9, 9, 5)])
@pytest.mark.parametrize("kind", ["rectified", "noise", "flat", "two alike"])
def test_eigencam_equals_the_decomposition_also_where_no_direction_leads(shape, kind):
    rng = np.random.default_rng(0)
    a = rng.normal(0.0, 1.0, shape)
    if kind == "rectified":
        a = np.maximum(a + 0.3, 0)
    elif kind == "flat":
        a = np.full(shape, 0.5) + 1e-4 * a
    elif kind == "two alike":  # the second singular value is within a part in a thousand of the first
        u, s, v = np.linalg.svd(a.reshape(-1, shape[3]), full_matrices=False)
        s[:2] = 40.0, 40.0 * 0.999
        a = (u * s @ v).reshape(shape)
    rows = np.linalg.svd(a[0].reshape(-1, shape[3]), full_matrices=False)[2]
    literal = a[0] @ rows[0]
    literal *= -1 if literal.sum() < 0 else 1
    for dtype, tolerance in (("float64", 1e-7), ("float32", 2e-3 if kind == "two alike" else 1e-4)):
        found = run("eigencam", a, dtype=dtype)[0]
        np.testing.assert_allclose(found, literal, rtol=0, atol=tolerance * np.abs(literal).max())


@pytest.mark.parametrize("name", FROM_MAPS)
def test_zero_activations_give_a_zero_map(name):
    _, g = inputs()
    assert (run(name, np.zeros_like(g), needed_by(name, g)) == 0).all()


@pytest.mark.parametrize("name", FROM_MAPS)
def test_constant_activations_give_a_flat_map(name):
    _, g = inputs()
    g = np.broadcast_to(g.mean((1, 2), keepdims=True), g.shape)
    flat = run(name, np.full(g.shape, 0.7), needed_by(name, g))
    assert np.isfinite(flat).all()
    np.testing.assert_allclose(flat, np.broadcast_to(flat[:, :1, :1], flat.shape), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", GRADIENT_METHODS)
def test_without_gradient_there_is_no_map(name):
    a, g = inputs()
    assert (run(name, a, np.zeros_like(g)) == 0).all()


@pytest.mark.parametrize("name", ["gradcam++", "layercam"])
def test_methods_that_rectify_the_gradient_see_nothing_in_negative_ones(name):
    a, g = inputs()
    assert (run(name, a, -np.abs(g)) == 0).all()


@pytest.mark.parametrize("name", ["cam", "gradcam", "hirescam", "xgradcam"])
def test_linear_methods_negate_with_the_gradient(name):
    a, g = inputs()
    np.testing.assert_allclose(
        run(name, a, needed_by(name, -g)), -run(name, a, needed_by(name, g)), rtol=1e-12, atol=1e-13
    )


@pytest.mark.parametrize("name", FROM_MAPS)
def test_not_a_number_stays_visible_and_in_its_own_frame(name):
    a, g = inputs()
    clean = run(name, a, needed_by(name, g))
    broken = a.copy()
    broken[1, 2, 3, :] = np.nan
    result = run(name, broken, needed_by(name, g))
    assert np.isnan(result[1]).any()
    np.testing.assert_allclose(result[0], clean[0], rtol=1e-9)


@pytest.mark.parametrize("name", FROM_MAPS)
def test_each_frame_of_a_batch_is_alone(name):
    a, g = inputs(shape=(3, 4, 5, 6))
    together = run(name, a, needed_by(name, g))
    for i in range(3):
        alone = run(name, a[i : i + 1], needed_by(name, g)[i : i + 1])
        np.testing.assert_allclose(together[i : i + 1], alone, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_documents_its_formula_and_paper(name):
    method = METHODS[name]
    year = method.paper.split()[-1]
    assert year.isdigit()
    assert year in method.function.__doc__ or method.title.upper() in method.function.__doc__.upper()
    assert method.targeted is (name != "eigencam")


def test_masks_are_upsampled_as_opencv_does_and_min_max_scaled():
    """Score-CAM on a linear model: the score of a masked picture is a dot product that NumPy can make."""
    import keras
    from keras import layers

    from tests.networks import as_classifier, pictures
    from vidcam.cam import Explainer

    rng = np.random.default_rng(7)
    inside = keras.Input((12, 16, 3))
    x = layers.Conv2D(5, 3, strides=2, padding="same", activation="relu", name="last")(
        layers.Rescaling(1 / 255)(inside)
    )
    model = keras.Model(inside, layers.Dense(2)(layers.Flatten()(x)))
    for weight in model.weights:
        weight.assign(rng.normal(0.1, 0.5, weight.shape))
    frames = pictures(2, 12, 16)
    result = Explainer(as_classifier(model, input_size=(16, 12)), "scorecam")(frames, 1)
    features = keras.Model(inside, x)(frames.astype("float32")).numpy()
    for picture, a, map in zip(frames.astype(np.float64), features, result.maps, strict=True):
        scores = []
        for k in range(5):
            mask = cv2.resize(a[..., k], (16, 12), interpolation=cv2.INTER_LINEAR)
            low, high = mask.min(), mask.max()
            if low == high:
                scores.append(-np.inf)
                continue
            masked = picture * ((mask - low) / (high - low))[..., None]
            scores.append(float(model(masked[None].astype("float32"))[0, 1]))
        weights = np.exp(np.array(scores) - max(scores))
        np.testing.assert_allclose(map, a @ (weights / weights.sum()), rtol=2e-4, atol=1e-5)
