"""The gradients that are written into OpenVINO's graphs, against TensorFlow's own of the same functions."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from vidcam._openvino import core, ov
from vidcam.cam.build.gradients import differentiate
from vidcam.cam.build.nodes import NoRule

RNG = np.random.default_rng(3)
K1 = RNG.normal(0, 0.5, (1, 1, 4, 6)).astype("float32")
K3 = RNG.normal(0, 0.5, (3, 3, 4, 6)).astype("float32")
D3 = RNG.normal(0, 0.5, (3, 3, 4, 2)).astype("float32")
W = RNG.normal(0, 0.5, (4, 5)).astype("float32")
K5 = np.zeros((5, 5, 4, 6), "float32")
K5[::2, ::2] = K3
FLAT = RNG.normal(0, 0.5, (7 * 6 * 4, 5)).astype("float32")
ROW = RNG.normal(1, 0.5, (4,)).astype("float32")


def pooled(x):
    return tf.reduce_mean(x, [1, 2])


HEADS = {
    "mean, dense, bias": lambda x: tf.nn.bias_add(pooled(x) @ W, [0.1, 0.2, 0.3, 0.4, 0.5]),
    "mean that keeps its axes, 1x1": lambda x: tf.nn.conv2d(tf.reduce_mean(x, [1, 2], True), K1, 1, "SAME"),
    "sum": lambda x: tf.reduce_sum(x, [1, 2]),
    "max": lambda x: tf.reduce_max(x, [1, 2]),
    "flatten, dense": lambda x: tf.reshape(x, [-1, 7 * 6 * 4]) @ FLAT,
    "max pool": lambda x: pooled(tf.nn.max_pool2d(x, 2, 2, "VALID") ** 2) @ W,
    "max pool, same, overlapping": lambda x: pooled(tf.nn.max_pool2d(x, 3, 2, "SAME") ** 2) @ W,
    "average pool": lambda x: pooled(tf.nn.avg_pool2d(x, 2, 2, "VALID") ** 2) @ W,
    "average pool, same, overlapping": lambda x: pooled(tf.nn.avg_pool2d(x, 3, 2, "SAME") ** 2) @ W,
    "average pool over all": lambda x: tf.nn.avg_pool2d(x, (7, 6), 1, "VALID"),
    "1x1": lambda x: pooled(tf.nn.conv2d(x, K1, 1, "SAME") ** 2),
    "3x3": lambda x: pooled(tf.nn.conv2d(x, K3, 1, "SAME") ** 2),
    "3x3, stride 2": lambda x: pooled(tf.nn.conv2d(x, K3, 2, "SAME") ** 2),
    "3x3, stride 2, valid": lambda x: pooled(tf.nn.conv2d(x, K3, 2, "VALID") ** 2),
    "3x3, dilated": lambda x: pooled(tf.nn.conv2d(x, K3, 1, "VALID", dilations=2) ** 2),
    "depthwise": lambda x: pooled(tf.nn.depthwise_conv2d(x, D3, [1, 1, 1, 1], "SAME") ** 2),
    "depthwise, stride 2": lambda x: pooled(tf.nn.depthwise_conv2d(x, D3, [1, 2, 2, 1], "SAME") ** 2),
    "padding": lambda x: pooled(tf.nn.conv2d(tf.pad(x, [[0, 0], [0, 1], [1, 0], [0, 0]]), K3, 2, "VALID") ** 2),
    "batch norm": lambda x: pooled(tf.nn.batch_normalization(x, ROW, ROW**2 + 1, ROW, ROW, 1e-3) ** 2),
    "layer norm": lambda x: (
        tf.nn.batch_normalization(pooled(x), *tf.nn.moments(pooled(x), [1], keepdims=True), 0, 1, 1e-3) @ W
    ),
    "concatenation": lambda x: pooled(tf.concat([x, x**2, tf.nn.relu(x)], 3)),
    "split": lambda x: pooled(tf.multiply(*tf.split(x, 2, 3))),
    "transposition": lambda x: tf.reduce_sum(tf.transpose(x, [0, 3, 1, 2]) ** 2, [2, 3]),
    "squeeze and excite": lambda x: pooled(x * tf.sigmoid(tf.reduce_mean(x, [1, 2], True))),
    "a residual": lambda x: pooled((x + tf.nn.relu(x)) * x),
    "division": lambda x: pooled(x / (x**2 + 1.0)) / ROW,
    "division of a number": lambda x: pooled(1.0 / (tf.exp(x) + 1.0)),
    "subtraction": lambda x: pooled(ROW - x) - pooled(x) ** 2,
    "softmax inside": lambda x: tf.nn.softmax(pooled(x)) @ W,
    "attention": lambda x: tf.reduce_sum(
        x * tf.reshape(tf.nn.softmax(tf.reshape(x[..., :1], [-1, 42])), [-1, 7, 6, 1]), [1, 2]
    ),
    "relu": lambda x: pooled(tf.nn.relu(x)),
    "relu6": lambda x: pooled(tf.nn.relu6(x * 4)),
    "leaky relu": lambda x: pooled(tf.nn.leaky_relu(x, 0.1) ** 2),
    "prelu": lambda x: pooled(tf.maximum(x, 0.0) + ROW * tf.minimum(x, 0.0)),
    "elu": lambda x: pooled(tf.nn.elu(x)),
    "selu": lambda x: pooled(tf.nn.selu(x)),
    "gelu": lambda x: pooled(tf.nn.gelu(x)),
    "gelu by tanh": lambda x: pooled(tf.nn.gelu(x, approximate=True)),
    "swish": lambda x: pooled(x * tf.sigmoid(x)),
    "hard swish": lambda x: pooled(x * tf.nn.relu6(x * 2 + 3) / 6),
    "mish": lambda x: pooled(x * tf.tanh(tf.math.softplus(x))),
    "sigmoid": lambda x: pooled(tf.sigmoid(x)),
    "tanh": lambda x: pooled(tf.tanh(x)),
    "softplus": lambda x: pooled(tf.math.softplus(x)),
    "exp, log, sqrt": lambda x: pooled(tf.math.log(tf.sqrt(tf.exp(x) + 1.0))),
    "abs": lambda x: pooled(tf.abs(x)),
    "norm": lambda x: tf.math.rsqrt(tf.reduce_sum(pooled(x) ** 2, 1, True) + 0.1) * pooled(x),
    "maximum of two": lambda x: pooled(tf.maximum(x, 0.5 * x**2)),
    "half precision": lambda x: tf.cast(pooled(tf.cast(x, tf.float16) ** 2), tf.float32),
}


OPERATIONS = {
    "Swish": lambda ops, x: ops.swish(x),
    "Swish with beta": lambda ops, x: ops.swish(x, np.float32(1.7)),
    "HSwish": lambda ops, x: ops.hswish(x),
    "HSigmoid": lambda ops, x: ops.hsigmoid(x),
    "HardSigmoid": lambda ops, x: ops.hard_sigmoid(x, np.float32(0.2), np.float32(0.5)),
    "Gelu": lambda ops, x: ops.gelu(x, "erf"),
    "Gelu tanh": lambda ops, x: ops.gelu(x, "tanh"),
    "PRelu": lambda ops, x: ops.prelu(x, np.float32([0.3])),
    "PRelu by channel": lambda ops, x: ops.prelu(x, np.float32([0.1, 0.2, 0.3, 0.4])),
    "Clamp": lambda ops, x: ops.clamp(x, -0.5, 1.5),
    "SoftPlus": lambda ops, x: ops.softplus(x),
    "MVN": lambda ops, x: ops.mvn(x, np.int64([1]), True, 1e-3, "inside_sqrt"),
    "MVN outside": lambda ops, x: ops.mvn(x, np.int64([1, 2]), True, 1e-3, "outside_sqrt"),
    "Power": lambda ops, x: ops.power(ops.add(ops.abs(x), np.float32(0.5)), np.float32(1.5)),
}
"""What front ends give and TensorFlow has no one operation for; its slopes are measured."""


REFERENCES = {
    # Not every processor's TensorFlow has the gradient of a dilated convolution: zeros between the weights do the same.
    "3x3, dilated": lambda x: pooled(tf.nn.conv2d(x, K5, 1, "VALID") ** 2),
}


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    """Each head's results and gradient, by one graph, which is compiled once."""
    picture = RNG.normal(0, 1, (3, 7, 6, 4)).astype("float32")
    function = tf.function(
        lambda x: {f"h{i}": tf.identity(head(x)) for i, head in enumerate(HEADS.values())},
        input_signature=[tf.TensorSpec([None, 7, 6, 4])],
    )
    concrete = function.get_concrete_function()
    file = tmp_path_factory.mktemp("heads") / "heads.pb"
    file.write_bytes(concrete.graph.as_graph_def().SerializeToString())
    model = core().read_model(file)
    model.reshape([-1, 7, 6, 4])
    named = {name: tensor for tensor in model.outputs for name in tensor.get_names()}
    expected, results, inputs, values = {}, [], [*model.get_parameters()], [picture]
    with tf.GradientTape(persistent=True) as tape:
        x = tf.constant(picture)
        tape.watch(x)
        answers = {name: REFERENCES.get(name, head)(x) for name, head in HEADS.items()}
    ops = ov.opset13
    for i, name in enumerate(HEADS):
        tensor = concrete.structured_outputs[f"h{i}"]
        target = named[tensor.name].get_node().input_value(0)
        seed = np.random.default_rng(i).normal(size=answers[name].shape).astype("float32")
        given = ops.parameter(ov.PartialShape(list(target.get_partial_shape())), np.float32)
        results += [target, differentiate(target, inputs[0].output(0), given.output(0))]
        inputs.append(given)
        values.append(seed)
        expected[name] = answers[name].numpy(), tape.gradient(answers[name], x, seed).numpy()
    whole = ov.Model(results, inputs, "heads")
    outputs = core().compile_model(whole, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(values)
    return {name: (outputs[2 * i], outputs[2 * i + 1], *expected[name]) for i, name in enumerate(HEADS)}


@pytest.mark.parametrize("name", HEADS)
def test_a_heads_gradient_is_tensorflows(name, computed):
    y, gradient, expected_y, expected_gradient = computed[name]
    close = {"atol": 5e-3, "rtol": 5e-3} if "half" in name else {"atol": 2e-5, "rtol": 1e-4}
    np.testing.assert_allclose(y, expected_y, **close)
    np.testing.assert_allclose(gradient, expected_gradient, **close)


def test_the_slopes_of_openvinos_own_operations_are_as_measured():
    ops = ov.opset13
    x = ops.parameter([-1, 4, 5], np.float32)
    sums = ops.constant(np.random.default_rng(2).normal(size=(1, 4, 5)).astype("float32"))
    results = []
    for make in OPERATIONS.values():
        y = make(ops, x)
        results += [ops.reduce_sum(ops.multiply(y, sums), np.int64([1, 2]), False), y]
    seeds = [differentiate(y.output(0), x.output(0), sums.output(0)) for y in results[1::2]]
    compiled = core().compile_model(
        ov.Model([*(r.output(0) for r in results[::2]), *seeds], [x], "o"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    at = np.random.default_rng(4).uniform(-2, 2, (4, 5)).astype("float32")
    at = np.where(np.abs(at[..., None] - [0, -0.5, 1.5]).min(-1) < 0.05, at + 0.1, at).astype("float32")
    step = 1e-2
    moved = np.stack([at + s * step * np.eye(20)[i].reshape(4, 5) for s in (1, -1) for i in range(20)])
    found = [compiled(moved.astype("float32"))[i] for i in range(len(OPERATIONS))]
    slopes = compiled(at[np.newaxis])
    for i, name in enumerate(OPERATIONS):
        measured = (found[i][:20] - found[i][20:]).reshape(4, 5) / (2 * step)
        np.testing.assert_allclose(slopes[len(OPERATIONS) + i][0], measured, atol=3e-3, err_msg=name)


def test_quantisation_passes_straight_through_and_what_it_cuts_off_has_no_gradient():
    ops = ov.opset13
    x = ops.parameter([1, 5], np.float32)
    rounded = ops.fake_quantize(x, *(np.float32(v) for v in (0, 6, 0, 6)), 4)
    y = ops.multiply(rounded, np.array([[1, 2, 3, 4, 5]], np.float32))
    gradient = differentiate(y.output(0), x.output(0), ops.constant(np.ones((1, 5), np.float32)).output(0))
    compiled = core().compile_model(ov.Model([gradient], [x], "q"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled([np.array([[-1, 0.3, 2.9, 5.9, 7]], np.float32)])[0]
    np.testing.assert_array_equal(found, [[0, 2, 3, 4, 0]])


def test_what_has_no_rule_is_named():
    ops = ov.opset13
    x = ops.parameter([1, 5], np.float32)
    y = ops.cum_sum(x, np.int64(1))
    with pytest.raises(NoRule, match="CumSum"):
        differentiate(y.output(0), x.output(0), ops.constant(np.ones((1, 5), np.float32)).output(0))
