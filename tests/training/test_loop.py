"""The loop: the best weights, early stopping, Ctrl-C, and going on after a kill."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from vidcam.errors import UsageError, VidcamError
from vidcam.training import checkpoint, distill, loop

PLAN = loop.Plan("train", epochs=4, batch_size=8, learning_rate=0.05, weight_decay=0.0, patience=None, seed=3)


def network(seed: int = 0) -> Any:
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((6,))
    x = keras.layers.Dropout(0.2)(keras.layers.Dense(8, activation="relu")(inputs))
    return keras.Model(inputs, keras.layers.Dense(1)(x))


def samples(count: int, seed: int) -> loop.Samples:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 6)).astype(np.float32)
    classes = (x[:, 0] + 0.5 * x[:, 1] + rng.normal(0, 0.5, count) > 0).astype(np.int64)
    return loop.Samples(x, classes, loop.one_hot(classes, 2), np.ones(count, np.float32))


TRAIN, VAL = samples(60, 1), samples(40, 2)


class KilledError(Exception):
    """Stands for a kill: nothing catches it."""


def test_a_run_killed_within_an_epoch_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    whole = network()
    expected, _ = loop.fit(whole, TRAIN, VAL, PLAN)

    def kill(name: str, done: int, total: int) -> None:
        if name.startswith("train 3/") and done == 2:
            raise KilledError

    file = tmp_path / "checkpoint.npz"
    keep = {"teacher": np.eye(2, dtype=np.float32)}
    with pytest.raises(KilledError):
        loop.fit(network(), TRAIN, VAL, PLAN, file=file, fingerprint={"a": 1}, extra=keep, progress=kill)
    held = checkpoint.read(file, {"a": 1})
    assert held is not None
    assert held.epoch == 2
    np.testing.assert_array_equal(held.extra["teacher"], np.eye(2))
    again = network(seed=99)
    rows: list[dict[str, Any]] = []
    state, interrupted = loop.fit(again, TRAIN, VAL, PLAN, file=file, fingerprint={"a": 1}, on_epoch=rows.append)
    assert not interrupted
    assert [row["epoch"] for row in rows] == [3, 4]
    assert [row["epoch"] for row in state.history] == [1, 2, 3, 4]
    for a, b in zip(state.history, expected.history, strict=True):
        assert a["val_loss"] == pytest.approx(b["val_loss"], rel=1e-5)
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-5)
    for a, b in zip(again.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    assert [f.name for f in tmp_path.iterdir()] == ["checkpoint.npz"]


def test_a_checkpoint_of_another_run_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.npz"
    assert checkpoint.read(file, {}) is None
    loop.fit(network(), TRAIN, VAL, replace(PLAN, epochs=1), file=file, fingerprint={"epochs": 1, "seed": 3})
    with pytest.raises(UsageError, match=r"another epochs \(1\)"):
        checkpoint.read(file, {"epochs": 2, "seed": 3})
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(VidcamError, match="damaged checkpoint"):
        checkpoint.read(file, {})


def test_the_best_epochs_weights_are_kept_and_patience_ends_it() -> None:
    model = network()
    plan = replace(PLAN, epochs=60, learning_rate=0.5, patience=4)
    state, _ = loop.fit(model, TRAIN, VAL, plan)
    losses = [row["val_loss"] for row in state.history]
    assert state.best_epoch == int(np.argmin(losses)) + 1
    assert len(losses) == state.best_epoch + 4
    assert loop.loss_and_accuracy(loop.predictor(model), VAL)[0] == pytest.approx(min(losses), abs=1e-6)


def test_a_phase_that_only_does_harm_leaves_what_was_there() -> None:
    model = network()
    state, _ = loop.fit(model, TRAIN, VAL, replace(PLAN, epochs=30))
    before = loop.loss_and_accuracy(loop.predictor(model), VAL)
    plan = replace(PLAN, name="tune", epochs=1, learning_rate=100.0)
    after, _ = loop.fit(model, TRAIN, VAL, plan, earlier=state.history)
    assert after.best_epoch == 0
    assert [row["phase"] for row in after.history] == ["train"] * 30 + ["tune"]
    assert loop.loss_and_accuracy(loop.predictor(model), VAL) == pytest.approx(before)


def test_ctrl_c_keeps_the_best_so_far() -> None:
    def stop(row: dict[str, Any]) -> None:
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    model = network()
    state, interrupted = loop.fit(model, TRAIN, VAL, PLAN, on_epoch=stop)
    assert interrupted
    assert state.epoch == 2
    assert loop.loss_and_accuracy(loop.predictor(model), VAL)[0] == pytest.approx(
        min(r["val_loss"] for r in state.history)
    )

    def at_once(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loop.fit(network(), TRAIN, VAL, PLAN, progress=at_once)


def test_a_loss_that_is_no_number_is_an_error() -> None:
    with pytest.raises(VidcamError, match="lower --learning-rate"):
        loop.fit(network(), TRAIN, VAL, replace(PLAN, learning_rate=1e38))


def test_the_first_step_descends_the_weighted_cross_entropy() -> None:
    """One plain step of the loop against the gradient written out for a linear model."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)])
    weights = np.linspace(0.5, 2, len(TRAIN)).astype(np.float32)
    data = replace(TRAIN, weights=weights)
    kernel, bias = model.get_weights()
    p = 1 / (1 + np.exp(-(data.inputs @ kernel + bias)))
    gradient = data.inputs.T @ (weights[:, None] * (p - data.targets[0])) / len(data)
    plan = replace(PLAN, epochs=1, batch_size=len(data), learning_rate=0.01)
    loop.fit(model, data, VAL, plan)
    # Adam's first step is the learning rate against the gradient's sign.
    np.testing.assert_allclose(model.get_weights()[0] - kernel, -0.01 * np.sign(gradient), rtol=1e-3)


def test_the_average_of_the_weights_is_what_is_kept(tmp_path: Path) -> None:
    """Against the average written out over the weights after each step, also across a kill."""
    seen: list[list[np.ndarray]] = []

    def collect(row: dict[str, Any]) -> None:
        seen.append([w.numpy() for w in model.weights])

    plan = replace(PLAN, epochs=4, batch_size=len(TRAIN), ema=0.75)  # a step an epoch
    model = network()
    begin = [w.numpy() for w in model.weights]
    state, _ = loop.fit(model, TRAIN, VAL, plan, on_epoch=collect)
    average = begin
    averages = []
    for weights in seen:
        average = [0.75 * a + 0.25 * w for a, w in zip(average, weights, strict=True)]
        averages.append(average)
    for got, want in zip(model.get_weights(), averages[state.best_epoch - 1], strict=True):
        np.testing.assert_allclose(got, want, atol=1e-6)

    class Killed(Exception):
        pass

    def kill(row: dict[str, Any]) -> None:
        if row["epoch"] == 2:
            raise Killed

    again = network()
    with pytest.raises(Killed):
        loop.fit(again, TRAIN, VAL, plan, file=tmp_path / "c.npz", on_epoch=kill)
    again = network(seed=9)
    loop.fit(again, TRAIN, VAL, plan, file=tmp_path / "c.npz")
    for got, want in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-6)


def test_a_teachers_views_take_turns() -> None:
    """Targets of view 1 count in the second epoch: with those of view 0 flipped, the second step turns back."""
    data = replace(TRAIN, targets=np.concatenate([TRAIN.targets, 1 - TRAIN.targets]))
    rows: list[dict[str, Any]] = []
    plan = replace(PLAN, epochs=2, batch_size=len(TRAIN), learning_rate=1e-9)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)])
    kernel = np.zeros((6, 1), np.float32)
    kernel[0] = 2.0
    model.set_weights([kernel, np.zeros(1, np.float32)])
    loop.fit(model, data, VAL, plan, on_epoch=rows.append)
    z = 2.0 * TRAIN.inputs[:, 0]
    for row, truth in zip(rows, data.targets[:, :, 0], strict=True):
        want = np.log1p(np.exp(-np.abs(z))) + np.maximum(z, 0) - z * truth
        assert row["loss"] == pytest.approx(want.mean(), rel=1e-4)


def test_score_is_the_mean_cross_entropy() -> None:
    logits = np.array([[2.0], [-1.0], [0.5]])
    data = loop.Samples(logits, np.array([1, 1, 0]), np.zeros((3, 1)), np.ones(3))
    p = 1 / (1 + np.exp(-logits[:, 0]))
    expected = -(np.log(p[0]) + np.log(p[1]) + np.log(1 - p[2])) / 3
    loss, accuracy = loop.loss_and_accuracy(lambda x: x, data)
    assert loss == pytest.approx(expected)
    assert accuracy == pytest.approx(1 / 3)


def test_a_teacher_softens_targets() -> None:
    p = np.array([[0.2, 0.8], [0.999, 0.001]], np.float32)
    hard = np.array([[1.0], [0.0]], np.float32)
    soft = distill.soften(hard, p)
    for row in range(2):
        a, b = np.sqrt(p[row])  # temperature 2 takes the root
        assert soft[row, 0] == pytest.approx(0.3 * hard[row, 0] + 0.7 * b / (a + b), abs=1e-6)
    three = np.array([[0.1, 0.2, 0.7]], np.float32)
    roots = np.sqrt(three[0])
    np.testing.assert_allclose(
        distill.soften(np.eye(3, dtype=np.float32)[[1]], three)[0],
        0.3 * np.array([0, 1, 0]) + 0.7 * roots / roots.sum(),
        atol=1e-6,
    )
