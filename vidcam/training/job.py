"""One training from a data folder to a model file: what `vidcam train` does."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vidcam._files import make_folder
from vidcam._tensorflow import keras
from vidcam.errors import UsageError
from vidcam.metrics.classification import best_temperature
from vidcam.models import load_model, save_classifier
from vidcam.models.classifier import Classifier
from vidcam.training import checkpoint, distill, half, loop, transfer
from vidcam.training.augment import Variation
from vidcam.training.data import Pictures, StageProgress, class_weights
from vidcam.training.options import FOLDED, OWN, WEIGHT_DECAY, TrainingOptions
from vidcam.training.reading import Data
from vidcam.types import Array

FINE_TUNE_RATE = 0.02
"""The learning rate of fine-tuning, as a share of the head's."""
GROUNDS = 512
"""At most so many pictures of the background show around others."""
LOST = 0.002
"""The share of the validation pictures that may be taken for the background."""
AUGMENTED_VIEWS = 3
"""How many varied views of each picture the frozen base is asked about, beside the picture itself."""


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What came of a training.

    Attributes:
        classifier: the trained classifier, as it was saved.
        history: a row for every epoch: phase, epoch, loss, accuracy, val_loss, val_accuracy.
        best_epoch: the epoch of the last phase whose weights were kept, from 1; 0 where fine-tuning did not help.
        temperature: what the logits were divided by so that the probabilities fit the validation pictures.
        interrupted: Ctrl-C ended it before its time.
    """

    classifier: Classifier
    history: list[dict[str, Any]]
    best_epoch: int
    temperature: float
    interrupted: bool


def train(
    data: Data,
    output: str | Path,
    options: TrainingOptions,
    *,
    resume: bool = False,
    progress: StageProgress | None = None,
    on_epoch: Callable[[dict[str, Any]], None] | None = None,
) -> TrainingResult:
    """Trains a classifier and saves it.

    Args:
        data: the pictures.
        output: the `.keras` file; a folder of the same stem beside it holds the checkpoint while the training runs.
        options: checked options.
        resume: go on from the checkpoint, where there is one.
        progress: told of the work that is being done.
        on_epoch: called with every new row of the history.

    Returns:
        The result; the file is complete. The checkpoint stays, so that what follows can be taken up again as well:
        `finish` removes it.

    Raises:
        UsageError: the checkpoint is of another run, or the teacher knows other classes.
        VidcamError: weights cannot be read, or the training diverges.
    """
    output = Path(output)
    make_folder(output.with_suffix(""))
    file = checkpoint_file(output)
    if not resume:
        file.unlink(missing_ok=True)
    mark = _fingerprint(options, data)
    keras.utils.set_random_seed(options.seed)
    held = checkpoint.read(file, mark)
    count = len(data.labels)
    soft: dict[str, Array] = dict(held.extra) if held is not None else {}
    if options.distill is not None and "teacher" not in soft:
        teacher = distill.load_teacher(options.distill)
        soft["teacher"] = distill.teacher_probabilities(
            teacher,
            data.train,
            data.labels,
            _variation(data.train, count, options),
            views=options.teacher_views,
            seed=options.seed,
            progress=progress,
        )
    targets = loop.one_hot(data.train.classes, count)
    if "teacher" in soft:
        targets = distill.soften(targets, soft["teacher"])
    weights = class_weights(data.train.classes, count)[data.train.classes]
    train = loop.Samples(data.train.pixels, data.train.classes, targets, weights, data.train.aspects)
    how_varied = _variation(data.train, count, options)
    val = _validation(data.val, count)
    how = {"file": file, "fingerprint": mark, "extra": soft, "progress": progress, "on_epoch": on_epoch}
    run = _own if options.arch in OWN else _transferred
    model, state, interrupted = run(train, val, options, _plan(options, how_varied), how)
    if options.half:
        half.round_weights(model)
    temperature = _calibrate(model, val)
    if options.background is not None:
        _admit(model, val)
    if options.half:
        half.round_weights(model)
    classifier = Classifier(
        model,
        name=output.stem,
        preprocess="none",
        input_size=options.input_size,  # type: ignore[arg-type]
        channels=3,
        fit=options.fit,
        labels=data.labels,
        neither=count - 1 if options.background is not None else None,
        source=str(output),
    )
    # Names, not paths: the file may travel.
    files = ("weights", "distill", "background", "start_from")
    told = {name: Path(v).name if name in files and v else v for name, v in mark.items()}
    save_classifier(classifier, output, extra={"training": {**told, "temperature": temperature}})
    if options.half:
        half.halve(output)
    return TrainingResult(classifier, state.history, state.best_epoch, temperature, interrupted)


def checkpoint_file(output: Path) -> Path:
    """Returns where the training of a model file keeps its checkpoint."""
    return output.with_suffix("") / "checkpoint.npz"


def finish(output: Path) -> None:
    """Removes the checkpoint of a training that has nothing left to do."""
    checkpoint_file(output).unlink(missing_ok=True)


def _fingerprint(options: TrainingOptions, data: Data) -> dict[str, Any]:
    """What a resumed run has to share; more epochs are another schedule and so another run."""
    mark: dict[str, Any] = {name: str(v) if isinstance(v, Path) else v for name, v in asdict(options).items()}
    for name in ("weights", "distill", "start_from"):
        path = getattr(options, name)
        if path is not None:
            mark[f"content of the {name} file"] = _digest([path.read_bytes()])
    parts = [a for p in (data.train, data.val) for a in (p.classes, *p.pixels)]
    return {**mark, "labels": list(data.labels), "set of pictures": _digest(np.ascontiguousarray(a) for a in parts)}


def _digest(parts: Iterable[Any]) -> str:
    found = hashlib.blake2b(digest_size=16)
    for part in parts:
        found.update(part)
    return found.hexdigest()


def _validation(pictures: Pictures, count: int) -> loop.Samples:
    ones = np.ones(len(pictures), np.float32)
    return loop.Samples(pictures.pixels, pictures.classes, loop.one_hot(pictures.classes, count), ones, ones)


def _variation(pictures: Pictures, count: int, options: TrainingOptions) -> Variation | None:
    if not options.augment:
        return None
    grounds = None
    if options.background is not None:
        members = np.flatnonzero(pictures.classes == count - 1)
        grounds = np.stack([pictures.pixels[i] for i in members[:: -(-len(members) // GROUNDS)]])
    return Variation(options.scale, options.aspect, options.sides, grounds)


def _plan(options: TrainingOptions, variation: Variation | None) -> loop.Plan:
    assert options.learning_rate is not None
    return loop.Plan(
        name="train",
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        weight_decay=WEIGHT_DECAY.get(options.arch, 1e-4),
        patience=options.patience,
        seed=options.seed,
        vary=variation,
        ema=options.ema,
    )


def _own(
    train: loop.Samples, val: loop.Samples, options: TrainingOptions, plan: loop.Plan, how: dict[str, Any]
) -> tuple[Any, loop.PhaseState, bool]:
    build, count = OWN[options.arch], _count(train)
    dtype = "mixed_bfloat16" if options.precision == "bfloat16" else "float32"
    size = (None, None) if options.sides or options.fit == "keep" else options.input_size
    learner = build(size, count, training=True, dtype=dtype)
    if options.arch == FOLDED and options.start_from is None:
        transfer.fold(learner, options.weights)
    if options.start_from is not None:
        _begin(learner, options.start_from)
    state, interrupted = loop.fit(learner, train, val, plan, **how)
    model = build(options.input_size, count)
    model.set_weights(learner.get_weights())
    return model, state, interrupted


def _transferred(
    train: loop.Samples, val: loop.Samples, options: TrainingOptions, plan: loop.Plan, how: dict[str, Any]
) -> tuple[Any, loop.PhaseState, bool]:
    assert options.input_size is not None
    count = _count(train)
    model, body, top = transfer.build(
        options.arch, options.input_size, count, options.weights, dense=options.dense, dropout=options.dropout
    )
    state, interrupted = loop.PhaseState(), False
    held = checkpoint.read(how["file"], how["fingerprint"])
    if held is None or held.phase != "tune":
        views = 1 + (AUGMENTED_VIEWS if options.augment else 0)
        told = how["progress"]
        on_train = _features(body, train, plan, views, told)
        on_val = _features(body, val, replace(plan, vary=None), 1, told)
        state, interrupted = loop.fit(top, on_train, on_val, replace(plan, name="head", vary=None), **how)
    if options.fine_tune and not interrupted:
        transfer.unfreeze(model, options.arch)
        rate = plan.learning_rate * FINE_TUNE_RATE
        plan = replace(plan, name="tune", epochs=options.fine_tune, learning_rate=rate)
        state, interrupted = loop.fit(model, train, val, plan, earlier=state.history, **how)
    return transfer.finished(model, top, count), state, interrupted


def _count(samples: loop.Samples) -> int:
    return max(2, int(samples.targets.shape[-1]))


def _features(
    body: Any, samples: loop.Samples, plan: loop.Plan, views: int, progress: StageProgress | None
) -> loop.Samples:
    """Asks the frozen base once about every picture and its varied views, so that the head's epochs take a moment."""
    found = []
    steps = -(-len(samples) // 32)
    for view in range(views):
        vary = plan.vary if view else None
        pixels, seed = np.asarray(samples.inputs), (plan.seed, view)
        for i, part in enumerate(transfer.features(body, pixels, samples.aspects, vary, seed), 1):
            found.append(part)
            if progress is not None:
                progress("features of the base", view * steps + i, views * steps)
    return loop.Samples(
        np.concatenate(found),
        np.tile(samples.classes, views),
        np.tile(samples.targets[:1], (1, views, 1)),
        np.tile(samples.weights, views),
    )


def _admit(model: Any, val: loop.Samples) -> None:
    """Lowers the background's logit until hardly a validation picture of the other classes is taken for it.

    Who shows a cat and reads that there is none has lost more than who sees heat on an empty room.
    """
    log_p = np.log(np.clip(loop.predictor(model)(val.inputs), 1e-12, 1.0))
    known = val.classes != log_p.shape[1] - 1
    excess = log_p[known, -1] - log_p[known, :-1].max(axis=1)
    last = model.get_layer("predictions")
    kernel, bias = last.get_weights()
    bias[-1] -= max(0.0, float(np.quantile(excess, 1 - LOST)))
    last.set_weights([kernel, bias])


def _begin(model: Any, file: Path) -> None:
    """Gives a network the weights of a trained one; where the classes differ, the last layer's are made to fit.

    Raises:
        UsageError: the file holds a network of another kind.
    """
    theirs, own = load_model(file).model.get_weights(), model.get_weights()
    if [w.shape for w in theirs[:-2]] != [w.shape for w in own[:-2]]:
        raise UsageError(f"--start-from {file}: not a network of --arch {model.name}")
    for mine, w in zip(own[-2:], theirs[-2:], strict=True):
        # One output z is the two classes -z / 2 and z / 2.
        columns = np.concatenate([-w / 2, w / 2], axis=-1) if w.shape[-1] == 1 < mine.shape[-1] else w
        shared = min(columns.shape[-1], mine.shape[-1])
        mine[..., :shared] = columns[..., :shared]
    model.set_weights([*theirs[:-2], *own[-2:]])


def _calibrate(model: Any, val: loop.Samples) -> float:
    """Divides the logits by the temperature that suits the validation pictures best, inside the last layer."""
    probabilities = loop.predictor(model)(val.inputs)
    temperature = best_temperature(probabilities, val.classes)
    last = model.get_layer("predictions")
    last.set_weights([w / temperature for w in last.get_weights()])
    return temperature
