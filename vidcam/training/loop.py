"""The training loop: epochs over batches, the best weights, early stopping, and a checkpoint after every epoch.

Everything random in an epoch follows from the seed and the epoch's number, so that a resumed run sees the same batches
as one that was never stopped.

Keras' callbacks were weighed for that (3.15). `BackupAndRestore` keeps the weights, the optimizer's state and the
epoch's number, but `EarlyStopping` begins anew when training does: what the best weights were and for how long is
forgotten, so that a resumed run keeps other weights. Neither holds the average of the weights, which epoch varies which
way, or a teacher's answers, and nothing tells that the pictures are others. `CSVLogger` writes what `history` has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vidcam._tensorflow import keras, tf
from vidcam.errors import VidcamError
from vidcam.training import checkpoint
from vidcam.training.augment import Variation, augment, draw_looks
from vidcam.training.average import Average
from vidcam.training.data import StageProgress, by_size
from vidcam.types import Array

WARM_UP = 0.05
"""The share of the steps over which the learning rate rises before it falls along a cosine."""


@dataclass(frozen=True, slots=True)
class Samples:
    """What a network is trained or validated on.

    Attributes:
        inputs: uint8 (N, h, w, 3) pixels, or float32 (N, k) features; what is only predicted may be a list of pixels
            (h, w, 3) of several sizes.
        classes: int64 (N,), class indices.
        targets: float32 (views, N, outputs), the probabilities to learn: one output for two classes, else one for each.
            With several views the parts of the pictures that are seen repeat after so many epochs.
        weights: float32 (N,), what each sample counts.
        aspects: float32 (N,), width through height of the pictures as they were; None for features.
    """

    inputs: Array | list[Array]
    classes: Array
    targets: Array
    weights: Array
    aspects: Array | None = None

    def __len__(self) -> int:
        return len(self.classes)


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how fast to train.

    Attributes:
        name: the phase, for the history and the progress.
        epochs: at most so many.
        batch_size: samples a step.
        learning_rate: the highest; it rises over the first steps and falls to 0 along a cosine.
        weight_decay: of AdamW, times the learning rate a step.
        patience: end after so many epochs without a lower validation loss, None for never.
        seed: of the order of the samples and of their variation.
        vary: how pictures vary; None shows them as they are.
        ema: what the average of the weights keeps of itself at every step, 0 for no average. With it the average is
            what is validated and kept.
    """

    name: str
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    patience: int | None
    seed: int
    vary: Variation | None = None
    ema: float = 0.0


@dataclass(slots=True)
class PhaseState:
    """How far a phase has come: what a checkpoint holds.

    Attributes:
        epoch: the epochs done.
        history: a row for every epoch, of this phase and those before.
        best: the weights of the epoch with the lowest validation loss so far, in the order of `model.weights`.
        best_epoch: that epoch, from 1; 0 for the weights that the phase began with.
        best_loss: its validation loss.
    """

    epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best: list[Array] = field(default_factory=list)
    best_epoch: int = 0
    best_loss: float = float("inf")


def one_hot(classes: Array, count: int) -> Array:
    """Returns class indices as target probabilities, float32 (1, N, 1) for two classes, else (1, N, count)."""
    if count == 2:
        return classes.astype(np.float32)[None, :, None]
    return np.eye(count, dtype=np.float32)[classes][None]


def fit(
    model: Any,
    train: Samples,
    val: Samples,
    plan: Plan,
    *,
    file: Path | None = None,
    fingerprint: Mapping[str, Any] | None = None,
    extra: Mapping[str, Array] | None = None,
    earlier: Sequence[dict[str, Any]] = (),
    progress: StageProgress | None = None,
    on_epoch: Callable[[dict[str, Any]], None] | None = None,
) -> tuple[PhaseState, bool]:
    """Trains a network that ends in logits, and leaves it with the best weights.

    Args:
        model: the `keras.Model`; one output for two classes, else one for each.
        train: what to learn from.
        val: what decides which epoch was the best.
        plan: how.
        file: the checkpoint, read where it exists and holds this phase, written after every epoch.
        fingerprint: what has to be equal for a checkpoint to be this run's.
        extra: further arrays for the checkpoint.
        earlier: the history of the phases before.
        progress: told of every step.
        on_epoch: called with every new row of the history.

    Returns:
        The final state, and whether Ctrl-C ended it before its time.

    Raises:
        VidcamError: the loss is no number any more.
        KeyboardInterrupt: Ctrl-C came before there was anything to keep.
    """
    steps = max(1, len(train) // plan.batch_size)
    optimizer = _optimizer(model, plan, steps)
    state = PhaseState(history=list(earlier))
    average = Average(model, plan.ema) if plan.ema else None
    changing = [*model.variables, *optimizer.variables, *(average.variables if average else ())]
    if file is not None and (held := checkpoint.read(file, fingerprint or {})) and held.phase == plan.name:
        state = PhaseState(held.epoch, held.history, held.best, held.best_epoch, held.best_loss)
        checkpoint.restore(held, changing)
    step = _train_step(model, optimizer, train, average)
    evaluate = predictor(model)
    if earlier and not state.best:  # what the phases before have reached is not given up for less
        state.best, state.best_loss = [np.array(w) for w in model.weights], loss_and_accuracy(evaluate, val)[0]
    interrupted = False
    try:
        while state.epoch < plan.epochs and not _exhausted(state, plan.patience):
            row = _epoch(step, train, plan, state.epoch, steps=steps, progress=progress)
            with average.shown() if average else nullcontext():
                loss, accuracy = loss_and_accuracy(evaluate, val)
                weights = [np.array(w) for w in model.weights] if loss < state.best_loss else []
            row |= {"val_loss": loss, "val_accuracy": accuracy}
            if not np.isfinite([row["loss"], loss]).all():
                raise VidcamError(
                    f"the loss is no number any more in epoch {state.epoch + 1}; train with a lower --learning-rate"
                )
            state.epoch += 1
            state.history.append(row)
            if weights:
                state.best, state.best_epoch, state.best_loss = weights, state.epoch, loss
            if file is not None:
                held = checkpoint.Checkpoint(
                    plan.name, state.epoch, state.history, state.best, state.best_epoch, state.best_loss
                )
                checkpoint.write(file, held, changing, fingerprint or {}, extra or {})
            if on_epoch is not None:
                on_epoch(row)
    except KeyboardInterrupt:
        if not state.best:
            raise
        interrupted = True
    for variable, value in zip(model.weights, state.best, strict=True):
        variable.assign(value)
    return state, interrupted


def predictor(model: Any) -> Callable[[Array | list[Array]], Array]:
    """Returns a function from inputs of any number to the model's outputs, float32 (N, outputs)."""

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator, unused-ignore]
    def forward(x: Any) -> Any:
        return model(tf.cast(x, tf.float32), training=False)

    def predict(inputs: Array | list[Array], batch: int = 64) -> Array:
        found = np.zeros((len(inputs), model.output_shape[-1]), np.float32)
        for members in by_size(inputs):
            for i in range(0, len(members), batch):
                chosen = members[i : i + batch]
                found[chosen] = forward(tf.constant(np.stack([inputs[c] for c in chosen]))).numpy()
        return found

    return predict


def loss_and_accuracy(predict: Callable[[Array | list[Array]], Array], samples: Samples) -> tuple[float, float]:
    """Returns the mean cross-entropy against the true classes in nats, and the accuracy, of a model of logits."""
    logits = predict(samples.inputs).astype(np.float64)
    if logits.shape[1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    with np.errstate(invalid="ignore"):  # a loss that is no number is the caller's to report
        log_p = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    loss = -log_p[np.arange(len(samples)), samples.classes].mean()
    return float(loss), float((logits.argmax(axis=1) == samples.classes).mean())


def _exhausted(state: PhaseState, patience: int | None) -> bool:
    return patience is not None and state.epoch - state.best_epoch >= patience and state.epoch > 0


def _optimizer(model: Any, plan: Plan, steps: int) -> Any:
    total = steps * plan.epochs
    warm = min(int(WARM_UP * total), total - 1)
    schedule = keras.optimizers.schedules.CosineDecay(
        plan.learning_rate / 100 if warm else plan.learning_rate,
        total - warm,
        warmup_target=plan.learning_rate if warm else None,
        warmup_steps=warm,
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=plan.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    optimizer.build(model.trainable_variables)
    return optimizer


def _train_step(model: Any, optimizer: Any, train: Samples, average: Average | None) -> Any:
    binary = train.targets.shape[2] == 1
    targets, weights, classes = (tf.constant(a) for a in (train.targets, train.weights, train.classes))

    @tf.function(jit_compile=False, reduce_retracing=True)  # type: ignore[untyped-decorator, unused-ignore]
    def step(x: Any, chosen: Any, view: Any) -> Any:
        target, weight, truth = (tf.gather(a, chosen) for a in (targets[view], weights, classes))
        with tf.GradientTape() as tape:
            logits = tf.cast(model(x, training=True), tf.float32)
            if binary:
                losses = tf.nn.sigmoid_cross_entropy_with_logits(target, logits)[:, 0]
            else:
                losses = tf.nn.softmax_cross_entropy_with_logits(target, logits)
            loss = tf.reduce_mean(losses * weight)
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        if average is not None:
            average.update()
        guess = tf.cast(logits[:, 0] > 0, truth.dtype) if binary else tf.argmax(logits, axis=1)
        return loss, tf.reduce_mean(tf.cast(tf.equal(guess, truth), tf.float32))

    return step


def _epoch(
    step: Any, train: Samples, plan: Plan, epoch: int, *, steps: int, progress: StageProgress | None
) -> dict[str, Any]:
    sums = np.zeros(2)
    name = f"{plan.name} {epoch + 1}/{plan.epochs}"
    view = tf.constant(epoch % len(train.targets))
    for i, (x, chosen) in enumerate(_batches(train, plan, epoch, steps), 1):
        sums += [float(v) for v in step(x, chosen, view)]
        if progress is not None:
            progress(f"{name}, loss {sums[0] / i:.3f}, accuracy {sums[1] / i:.3f}", i, steps)
    return {
        "phase": plan.name,
        "epoch": epoch + 1,
        "loss": float(sums[0] / steps),
        "accuracy": float(sums[1] / steps),
    }


def _batches(train: Samples, plan: Plan, epoch: int, steps: int) -> Any:
    order = np.random.default_rng([plan.seed, epoch]).permutation(len(train))
    inputs, vary, aspects = np.asarray(train.inputs), plan.vary, train.aspects
    views = len(train.targets)
    looks = draw_looks(len(train), plan.seed, epoch % views if views > 1 else epoch) if vary else None
    sides = [vary.side(epoch * steps + i, plan.seed) if vary else None for i in range(steps)]

    def load(number: Any, chosen: Any) -> tuple[Any, Any]:
        # From the array at run time: as a constant of the graph it would be copied.
        x = tf.numpy_function(lambda c: inputs[c], [chosen], inputs.dtype, stateful=False)
        x.set_shape((None, *inputs.shape[1:]))
        if vary is None:
            return tf.cast(x, tf.float32), chosen
        side = tf.gather(tf.constant([s or 0 for s in sides]), number)
        size = tf.stack([side, side]) if vary.sides else tf.constant(inputs.shape[1:3])
        seed = tf.stack([plan.seed, epoch * steps + tf.cast(number, tf.int32)])
        varied = augment(x, tf.gather(looks, chosen), tf.gather(aspects, chosen), size, seed=seed, variation=vary)
        varied.set_shape((None, *(x.shape[1:3] if vary.sides is None else (None, None)), 3))
        return varied, chosen

    # Nothing is left to tune, and an iterator that is closed waits until the tuner wakes: up to a minute an epoch.
    fixed = tf.data.Options()
    fixed.autotune.enabled = False
    batches = tf.data.Dataset.from_tensor_slices(order).batch(plan.batch_size).take(steps)
    return batches.enumerate().map(load, num_parallel_calls=2, deterministic=True).prefetch(4).with_options(fixed)
