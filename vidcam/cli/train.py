"""`vidcam train`: from a folder of pictures to a classifier that `vidcam run` explains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vidcam._files import OutputFile, make_folder
from vidcam._machine import lacks_bfloat16
from vidcam.cli import INTERRUPTED
from vidcam.cli.options import Size, common_options
from vidcam.cli.steps import Steps
from vidcam.errors import UsageError
from vidcam.training.augment import ASPECT, SCALE

ARCHITECTURES = (
    "cnn", "cnn_flatten", "mobilenet_v2_s16", "mobilenet_v2", "resnet50", "vgg16", "xception", "efficientnet_b0",
)  # fmt: skip
PATH = click.Path(path_type=Path)


class Span(click.ParamType):  # type: ignore[type-arg]
    """`0.5:2`: the lowest and the highest of a number above 0."""

    name = "range"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        if isinstance(value, tuple):
            return value
        try:
            low, high = (float(v) for v in str(value).split(":"))
        except ValueError:
            low = high = 0.0
        if not 0 < low <= high < 100:
            self.fail(f"{value!r} is no range; give two numbers above 0, the lower first, such as 0.5:2", param, ctx)
        return low, high


class Sides(click.ParamType):  # type: ignore[type-arg]
    """`96,128,160`: sides in pixels, multiples of 32."""

    name = "pixels"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        found = tuple(int(v) if v.strip().isdecimal() else 0 for v in str(value).split(","))
        if any(v < 32 or v % 32 or v > 1024 for v in found):
            self.fail(f"{value!r}: give multiples of 32 up to 1024, such as 96,128,160", param, ctx)
        return found


@click.command(short_help="Train a classifier on folders of pictures.")
@click.argument("data_dir", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, metavar="MODEL.keras", help="The model file to write.")
@click.option("--arch", type=click.Choice(ARCHITECTURES), default="cnn", show_default=True,
              help="The network; mobilenet_v2_s16 is MobileNetV2 with maps twice as fine.")  # fmt: skip
@click.option("--weights", type=PATH, help="File with the ImageNet weights of a base [a download].")
@click.option("--input-size", type=Size(),
              help="Pixels the network sees [cnn 128, cnn_flatten 150, mobilenet_v2_s16 160, others 224].")  # fmt: skip
@click.option("--epochs", type=click.IntRange(1), default=20, show_default=True, help="At most so many.")
@click.option("--fine-tune", type=click.IntRange(0), default=0, metavar="N", help="Then N epochs with the top free.")
@click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True, help="Pictures a step.")
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True),
              help="The highest [cnn 0.002, mobilenet_v2_s16 0.0003, others 0.001].")  # fmt: skip
@click.option("--augment/--no-augment", default=True, show_default=True, help="Vary the training pictures.")
@click.option("--scale", type=Span(), default=SCALE, show_default="0.45:1.1", metavar="LOW:HIGH",
              help="The share of a picture's area that is seen; above 1 its surroundings show.")  # fmt: skip
@click.option("--aspect", type=Span(), default=ASPECT, show_default="0.8:1.25", metavar="LOW:HIGH",
              help="How much a picture is stretched, width against height.")  # fmt: skip
@click.option("--sides", type=Sides(), metavar="N,N,...",
              help="Sides in pixels that batches take turns at, for cnn, mobilenet_v2_s16 [input size].")  # fmt: skip
@click.option("--fit", type=click.Choice(("squash", "keep")), default="squash", show_default=True,
              help="How the model will see other shapes; keep, as they are, for cnn, mobilenet_v2_s16.")  # fmt: skip
@click.option("--background", type=PATH, metavar="DIR",
              help="Pictures of none of the classes: one more class, named as the folder is.")  # fmt: skip
@click.option("--ema", type=click.FloatRange(0, 1, max_open=True), default=0.0, metavar="KEEP",
              help="Average the weights: so much stays at each step, such as 0.999.")  # fmt: skip
@click.option("--start-from", type=PATH, metavar="MODEL.keras", help="Begin with the weights of this model.")
@click.option("--group", metavar="PATTERN",
              help="Files in whose names this expression finds the same text are validated on together.")  # fmt: skip
@click.option("--val-split", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.1, show_default=True,
              help="Share of the training pictures to validate on, where there is no val folder.")  # fmt: skip
@click.option("--patience", type=click.IntRange(1), default=10, show_default=True,
              help="End after so many epochs without a lower validation loss; the best weights are kept.")  # fmt: skip
@click.option("--dense", type=click.IntRange(0), default=0, help="Units of a hidden layer on a transfer base.")
@click.option("--distill", type=PATH, metavar="TEACHER.keras", help="Learn also from what this model says.")
@click.option("--teacher-views", type=click.IntRange(1), default=1, show_default=True, metavar="N",
              help="Parts of each picture that the teacher is asked about; 1 for the whole picture once.")  # fmt: skip
@click.option("--precision", type=click.Choice(("float32", "bfloat16")), default="float32", show_default=True,
              help="What networks without a frozen base compute in; bfloat16 is quicker on some.")  # fmt: skip
@click.option("--half", is_flag=True, help="Keep the file's weights as 16-bit numbers.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True,
              help="Same seed, same split and order.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on from where a killed run of the same command was.")
@click.option("--overwrite", is_flag=True, help="Replace MODEL.keras.")
@common_options
def train(data_dir: Path, output: Path, resume: bool, overwrite: bool, quiet: bool, **given: Any) -> int:
    """Trains a classifier on DATA_DIR: class/picture, or train/, val/ and test/ folders of that.

    Beside MODEL.keras a folder MODEL appears with the history, samples and the evaluation.
    """
    if output.suffix != ".keras":
        raise UsageError(f"{output}: the model file's name has to end in .keras")
    if not output.parent.is_dir():
        raise UsageError(f"{output.parent}: no such folder")
    if output.resolve().is_relative_to(data_dir.resolve()):
        raise UsageError(f"{output}: lies among the pictures, where its folder would be taken for a class")
    from vidcam.report import require_libraries

    require_libraries()
    from vidcam.report import training
    from vidcam.training import data as pictures
    from vidcam.training import evaluation, job, reading
    from vidcam.training.options import TrainingOptions, check

    if output.exists() and not (overwrite or (resume and job.checkpoint_file(output).exists())):
        raise UsageError(f"{output}: exists; --overwrite replaces it")
    options = check(TrainingOptions(**given))
    found = pictures.discover(data_dir)
    folder = output.with_suffix("")
    make_folder(folder)
    OutputFile(output, overwrite=True).discard()  # hours later is too late to find that it cannot be written
    with Steps(quiet) as steps:
        if options.precision == "bfloat16" and lacks_bfloat16():
            steps.say("note: --precision bfloat16: this processor has no instructions for it; float32 is much quicker")
        data = reading.read_data(found, options, steps.step)
        steps.say(training.table(data.splits, data.labels))
        training.sample_sheet(data.train, data.labels, folder / "samples.png")
        steps.say(f"samples of what it learns from: {folder / 'samples.png'}")
        result = job.train(data, output, options, resume=resume, progress=steps.step, on_epoch=steps.row)
        training.write_history(result.history, folder)
        kept = f"epoch {result.best_epoch} kept" if result.best_epoch else "fine-tuning did not help, kept as before it"
        steps.say(f"{output}: {kept}, temperature {result.temperature:.2f}")
        if result.interrupted:
            steps.say("interrupted: the best weights so far are saved; --resume goes on, vidcam evaluate measures them")
            return INTERRUPTED
        splits = reading.splits_as_used(data, options, steps.step)
        note = "" if data.test is not None else evaluation.CHOSEN
        figures = evaluation.evaluate(result.classifier, splits, folder, progress=steps.step, note=note)
        steps.say(figures.summary())
        job.finish(output)
    return 0
