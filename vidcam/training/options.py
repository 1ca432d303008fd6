"""What `vidcam train` lets choose, and what of it goes together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vidcam.errors import UsageError
from vidcam.training import architectures, transfer
from vidcam.training.augment import ASPECT, SCALE
from vidcam.types import Fit

OWN: dict[str, Callable[..., Any]] = {
    "cnn": architectures.cnn,
    "cnn_flatten": architectures.cnn_flatten,
    "mobilenet_v2_s16": architectures.mobilenet_v2_s16,
}
ARCHITECTURES = (*OWN, *transfer.BASES)
LEARNING_RATE = {"cnn": 2e-3, "mobilenet_v2_s16": 3e-4}
WEIGHT_DECAY = {"cnn": 0.05, "mobilenet_v2_s16": 0.02}
FOLDED = "mobilenet_v2_s16"
"""Of `OWN`, the one that starts from ImageNet weights."""
SEVERAL = ("cnn", FOLDED)
"""Networks that learn at several sizes."""


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """What `vidcam train` lets choose.

    Attributes:
        arch: one of `ARCHITECTURES`.
        input_size: (width, height) in pixels, None for the architecture's own.
        batch_size: pictures a step.
        epochs: at most so many.
        fine_tune: epochs with the base's top free, after the others; transfer learning only.
        learning_rate: the highest, None for the architecture's own.
        augment: vary the training pictures.
        scale: the lowest and highest share of a picture's area that is seen; see `augment.Variation`.
        aspect: the lowest and highest stretch of the width against the height.
        sides: the sides in pixels of the square inputs that batches take turns at, None for the input size.
        ema: what the average of the weights keeps of itself at every step, 0 for no average.
        background: a folder of pictures that show none of the classes: one more class, named as the folder is.
        fit: how pictures of another shape are brought to the input size where the model is used.
        group: a regular expression; files in whose names it finds the same text stay on one side of the split.
        start_from: a model file of the same architecture whose weights to begin with.
        val_split: the share of the training pictures to validate on where there is no `val` folder.
        patience: end after so many epochs without a lower validation loss.
        seed: of the split, the order, the variation and the first weights.
        weights: the ImageNet weights' file, None to download them.
        dense: units of a hidden layer on the transfer base.
        dropout: the share of the features left out in training, on the transfer base.
        distill: a model file of the same classes whose opinion softens the targets.
        teacher_views: the parts of each picture that the teacher is asked about, 1 for the whole.
        precision: what the networks of `OWN` compute in while they train.
        half: keep the file's weights as 16-bit numbers.
    """

    arch: str = "cnn"
    input_size: tuple[int, int] | None = None
    batch_size: int = 32
    epochs: int = 20
    fine_tune: int = 0
    learning_rate: float | None = None
    augment: bool = True
    scale: tuple[float, float] = SCALE
    aspect: tuple[float, float] = ASPECT
    sides: tuple[int, ...] | None = None
    ema: float = 0.0
    background: Path | None = None
    fit: Fit = "squash"
    group: str | None = None
    start_from: Path | None = None
    val_split: float = 0.1
    patience: int = 10
    seed: int = 0
    weights: Path | None = None
    dense: int = 0
    dropout: float = 0.2
    distill: Path | None = None
    teacher_views: int = 1
    precision: str = "float32"
    half: bool = False


def check(options: TrainingOptions) -> TrainingOptions:
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
    if own and arch != FOLDED and options.weights:
        raise UsageError(f"--weights: goes with transfer learning; {arch} starts from nothing")
    for name, given in (("--fine-tune", options.fine_tune), ("--dense", options.dense)):
        if own and given:
            raise UsageError(f"{name}: goes with a base that is frozen at first; {arch} is not")
    if options.weights and options.start_from:
        raise UsageError("--weights and --start-from: both are weights to begin with; give one of them")
    if not own and options.precision != "float32":
        raise UsageError(f"--precision {options.precision}: goes with {', '.join(OWN)}; {arch} trains in float32")
    if not own and options.start_from:
        raise UsageError(f"--start-from: goes with {', '.join(OWN)}; {arch} starts from ImageNet weights")
    for name, asked in (("--sides", options.sides is not None), ("--fit keep", options.fit == "keep")):
        if asked and arch not in SEVERAL:
            raise UsageError(f"{name}: goes with {' and '.join(SEVERAL)}; {arch} trains at one size")
    files = (("--weights", options.weights), ("--distill", options.distill), ("--start-from", options.start_from))
    for name, path in files:
        if path is not None and not path.is_file():
            raise UsageError(f"{name} {path}: no such file")
    side = architectures.DEFAULT_SIZE.get(arch, 224)
    size = options.input_size or (side, side)
    architectures.check_size(arch, size, architectures.MIN_SIZE[arch] if own else transfer.BASES[arch].minimum)
    rate = options.learning_rate or LEARNING_RATE.get(arch, 1e-3)
    return replace(options, input_size=size, learning_rate=rate)
