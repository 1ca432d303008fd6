"""One training from a data folder to a model file: what `vidcam train` does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vidcam._files import make_folder
from vidcam._tensorflow import keras
from vidcam.errors import UsageError
from vidcam.metrics.classification import best_temperature
from vidcam.models import save_classifier
from vidcam.models.classifier import Classifier
from vidcam.training import architectures, checkpoint, distill, half, loop, transfer
from vidcam.training.augment import augment
from vidcam.training.data import Files, Folder, Pictures, Progress, class_weights, read_pictures, split_off
from vidcam.types import Array

ARCHITECTURES = ("cnn", "cnn_flatten", *transfer.BASES)
OWN: dict[str, Callable[..., Any]] = {"cnn": architectures.cnn, "cnn_flatten": architectures.cnn_flatten}
LEARNING_RATE = {"cnn": 2e-3}
WEIGHT_DECAY = {"cnn": 0.05}
FINE_TUNE_RATE = 0.02
"""The learning rate of fine-tuning, as a share of the head's."""
AUGMENTED_VIEWS = 3
"""How many varied views of each picture the frozen base is asked about, beside the picture itself."""


@dataclass(frozen=True, slots=True)
class Options:
    """What `vidcam train` lets choose.

    Attributes:
        arch: one of `ARCHITECTURES`.
        input_size: (width, height) in pixels, None for the architecture's own.
        batch_size: pictures a step.
        epochs: at most so many.
        fine_tune: epochs with the base's top free, after the others; transfer learning only.
        learning_rate: the highest, None for the architecture's own.
        augment: vary the training pictures.
        val_split: the share of the training pictures to validate on where there is no `val` folder.
        patience: end after so many epochs without a lower validation loss.
        seed: of the split, the order, the variation and the first weights.
        weights: the transfer base's weights file.
        dense: units of a hidden layer on the transfer base.
        dropout: the share of the features left out in training, on the transfer base.
        distill: a model file of the same classes whose opinion softens the targets.
        precision: what `cnn` and `cnn_flatten` compute in while they train.
        half: keep the file's weights as 16-bit numbers.
    """

    arch: str = "cnn"
    input_size: tuple[int, int] | None = None
    batch_size: int = 32
    epochs: int = 20
    fine_tune: int = 0
    learning_rate: float | None = None
    augment: bool = True
    val_split: float = 0.1
    patience: int = 10
    seed: int = 0
    weights: Path | None = None
    dense: int = 0
    dropout: float = 0.2
    distill: Path | None = None
    precision: str = "float32"
    half: bool = False


@dataclass(frozen=True, slots=True)
class Data:
    """The pictures of a training.

    Attributes:
        labels: the class names.
        train: what is learnt from.
        val: what decides when to stop.
        test: what is only evaluated on, None where the folder has none.
    """

    labels: tuple[str, ...]
    train: Pictures
    val: Pictures
    test: Pictures | None

    @property
    def splits(self) -> dict[str, Pictures]:
        """The splits that there are, by name, `test` last."""
        return {"train": self.train, "val": self.val, **({"test": self.test} if self.test is not None else {})}


@dataclass(frozen=True, slots=True)
class Result:
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


def check(options: Options) -> Options:
    """Fills in what depends on the architecture and refuses what does not go together.

    Returns:
        The options with input size and learning rate set.

    Raises:
        UsageError: an option does not go with the architecture.
    """
    arch = options.arch
    if arch not in ARCHITECTURES:
        raise UsageError(f"--arch {arch!r} is unknown; choose one of {', '.join(ARCHITECTURES)}")
    own = arch in OWN
    for name, given in (("--weights", options.weights), ("--fine-tune", options.fine_tune), ("--dense", options.dense)):
        if own and given:
            raise UsageError(f"{name}: goes with transfer learning; {arch} starts from nothing")
    if not own and options.precision != "float32":
        raise UsageError(f"--precision {options.precision}: goes with {' and '.join(OWN)}; {arch} trains in float32")
    for name, path in (("--weights", options.weights), ("--distill", options.distill)):
        if path is not None and not path.is_file():
            raise UsageError(f"{name} {path}: no such file")
    side = architectures.DEFAULT_SIZE.get(arch, 224)
    size = options.input_size or (side, side)
    architectures.check_size(arch, size, architectures.MIN_SIZE[arch] if own else transfer.BASES[arch].minimum)
    rate = options.learning_rate or LEARNING_RATE.get(arch, 1e-3)
    return replace(options, input_size=size, learning_rate=rate)


def read(folder: Folder, options: Options, progress: Progress | None = None) -> Data:
    """Splits and reads a data folder's pictures.

    Args:
        folder: what `discover` found.
        options: checked options.
        progress: told of every picture.

    Returns:
        The pictures, at the input size.

    Raises:
        UsageError: there is no training split.
        VidcamError: a class has no readable picture.
    """
    if "train" not in folder.splits:
        raise UsageError(f"{folder.root}: holds no train folder")
    splits: dict[str, Files] = dict(folder.splits)
    if "val" not in splits:
        splits["train"], splits["val"] = split_off(splits["train"], options.val_split, options.seed)
    assert options.input_size is not None
    read = {
        name: read_pictures(files, options.input_size, folder.labels, progress, f"reading {name}")
        for name, files in splits.items()
    }
    return Data(folder.labels, read["train"], read["val"], read.get("test"))


def train(
    data: Data,
    output: str | Path,
    options: Options,
    *,
    resume: bool = False,
    progress: Progress | None = None,
    on_epoch: Callable[[dict[str, Any]], None] | None = None,
) -> Result:
    """Trains a classifier and saves it.

    Args:
        data: the pictures.
        output: the `.keras` file; a folder of the same stem beside it holds the checkpoint while the training runs.
        options: checked options.
        resume: go on from the checkpoint, where there is one; a training that Ctrl-C ended leaves it.
        progress: told of the work that is being done.
        on_epoch: called with every new row of the history.

    Returns:
        The result; the file is complete.

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
        soft["teacher"] = distill.teacher_probabilities(teacher, data.train.paths, data.labels, progress)
    targets = loop.one_hot(data.train.classes, count)
    if "teacher" in soft:
        targets = distill.soften(targets, soft["teacher"])
    weights = class_weights(data.train.classes, count)[data.train.classes]
    train = loop.Samples(data.train.pixels, data.train.classes, targets, weights)
    val = _validation(data.val, count)
    how = {"file": file, "fingerprint": mark, "extra": soft, "progress": progress, "on_epoch": on_epoch}
    run = _own if options.arch in OWN else _transferred
    model, state, interrupted = run(train, val, count, options, how)
    if options.half:
        half.round_weights(model)
    temperature = _calibrate(model, val)
    if options.half:
        half.round_weights(model)
    classifier = Classifier(
        model=model,
        name=output.stem,
        preprocess="none",
        input_size=options.input_size,  # type: ignore[arg-type]
        channels=3,
        fit="squash",
        labels=data.labels,
        source=str(output),
    )
    # Names, not paths: the file may travel.
    told = {name: Path(v).name if name in ("weights", "distill") and v else v for name, v in mark.items()}
    save_classifier(classifier, output, extra={"training": {**told, "temperature": temperature}})
    if options.half:
        half.halve(output)
    if not interrupted:
        file.unlink(missing_ok=True)
    return Result(classifier, state.history, state.best_epoch, temperature, interrupted)


def checkpoint_file(output: Path) -> Path:
    """Returns where the training of a model file keeps its checkpoint."""
    return output.with_suffix("") / "checkpoint.npz"


def _fingerprint(options: Options, data: Data) -> dict[str, Any]:
    """What a resumed run has to share; more epochs are another schedule and so another run."""
    mark = {name: str(v) if isinstance(v, Path) else v for name, v in asdict(options).items()}
    return {**mark, "labels": list(data.labels), "pictures": [len(data.train), len(data.val)]}


def _validation(pictures: Pictures, count: int) -> loop.Samples:
    ones = np.ones(len(pictures), np.float32)
    return loop.Samples(pictures.pixels, pictures.classes, loop.one_hot(pictures.classes, count), ones)


def _plan(name: str, options: Options) -> loop.Plan:
    assert options.learning_rate is not None
    return loop.Plan(
        name=name,
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        weight_decay=WEIGHT_DECAY.get(options.arch, 1e-4),
        patience=options.patience,
        seed=options.seed,
        vary=augment if options.augment else None,
    )


def _own(
    train: loop.Samples, val: loop.Samples, count: int, options: Options, how: dict[str, Any]
) -> tuple[Any, loop.State, bool]:
    build = OWN[options.arch]
    dtype = "mixed_bfloat16" if options.precision == "bfloat16" else "float32"
    learner = build(options.input_size, count, training=True, dtype=dtype)
    state, interrupted = loop.fit(learner, train, val, _plan("train", options), **how)
    model = build(options.input_size, count)
    model.set_weights(learner.get_weights())
    return model, state, interrupted


def _transferred(
    train: loop.Samples, val: loop.Samples, count: int, options: Options, how: dict[str, Any]
) -> tuple[Any, loop.State, bool]:
    assert options.input_size is not None
    model, body, top = transfer.build(
        options.arch, options.input_size, count, options.weights, dense=options.dense, dropout=options.dropout
    )
    state, interrupted = loop.State(), False
    held = checkpoint.read(how["file"], how["fingerprint"])
    if held is None or held.phase != "tune":
        views = 1 + (AUGMENTED_VIEWS if options.augment else 0)
        told = how["progress"]
        on_train = _features(body, train, options, views, told)
        plan = replace(_plan("head", options), vary=None)
        state, interrupted = loop.fit(top, on_train, _features(body, val, options, 1, told), plan, **how)
    if options.fine_tune and not interrupted:
        transfer.unfreeze(model, options.arch)
        plan = _plan("tune", options)
        plan = replace(plan, epochs=options.fine_tune, learning_rate=plan.learning_rate * FINE_TUNE_RATE)
        state, interrupted = loop.fit(model, train, val, plan, earlier=state.history, **how)
    return transfer.finished(model, top, count), state, interrupted


def _features(
    body: Any, samples: loop.Samples, options: Options, views: int, progress: Progress | None
) -> loop.Samples:
    """Asks the frozen base once about every picture and its varied views, so that the head's epochs take a moment."""
    found = []
    steps = -(-len(samples) // 32)
    for view in range(views):
        for i, part in enumerate(transfer.features(body, samples.inputs, (options.seed, view) if view else None), 1):
            found.append(part)
            if progress is not None:
                progress("features of the base", view * steps + i, views * steps)
    return loop.Samples(
        np.concatenate(found),
        np.tile(samples.classes, views),
        np.tile(samples.targets, (views, 1)),
        np.tile(samples.weights, views),
    )


def _calibrate(model: Any, val: loop.Samples) -> float:
    """Divides the logits by the temperature that suits the validation pictures best, inside the last layer."""
    probabilities = loop.predictor(model)(val.inputs)
    temperature = best_temperature(probabilities, val.classes)
    last = model.get_layer("predictions")
    last.set_weights([w / temperature for w in last.get_weights()])
    return temperature
