"""`vidcam train`: from a folder of pictures to a classifier that `vidcam run` explains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vidcam._files import OutputFile, make_folder
from vidcam.cli import INTERRUPTED
from vidcam.cli.options import Size, common_options
from vidcam.cli.steps import Steps
from vidcam.errors import UsageError

ARCHITECTURES = ("cnn", "cnn_flatten", "mobilenet_v2", "resnet50", "vgg16", "xception", "efficientnet_b0")
PATH = click.Path(path_type=Path)


@click.command(short_help="Train a classifier on folders of pictures.")
@click.argument("data_dir", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, metavar="MODEL.keras", help="The model file to write.")
@click.option("--arch", type=click.Choice(ARCHITECTURES), default="cnn", show_default=True, help="The network.")
@click.option("--weights", type=PATH, help="ImageNet weights of a transfer base, where there is no network.")
@click.option("--input-size", type=Size(), help="Pixels the network sees [cnn 128, cnn_flatten 150, others 224].")
@click.option("--epochs", type=click.IntRange(1), default=20, show_default=True, help="At most so many.")
@click.option("--fine-tune", type=click.IntRange(0), default=0, metavar="N", help="Then N epochs with the top free.")
@click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True, help="Pictures a step.")
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), help="The highest [cnn 0.002, others 0.001].")
@click.option("--augment/--no-augment", default=True, show_default=True, help="Vary the training pictures.")
@click.option("--val-split", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.1, show_default=True,
              help="Share of the training pictures to validate on, where there is no val folder.")  # fmt: skip
@click.option("--patience", type=click.IntRange(1), default=10, show_default=True,
              help="End after so many epochs without a lower validation loss; the best weights are kept.")  # fmt: skip
@click.option("--dense", type=click.IntRange(0), default=0, help="Units of a hidden layer on a transfer base.")
@click.option("--distill", type=PATH, metavar="TEACHER.keras", help="Learn also from what this model says.")
@click.option("--precision", type=click.Choice(("float32", "bfloat16")), default="float32", show_default=True,
              help="What cnn and cnn_flatten compute in; bfloat16 is quicker where the processor has it.")  # fmt: skip
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
    from vidcam.training import evaluation, job

    if output.exists() and not (overwrite or (resume and job.checkpoint_file(output).exists())):
        raise UsageError(f"{output}: exists; --overwrite replaces it")
    options = job.check(job.Options(**given))
    found = pictures.discover(data_dir)
    folder = output.with_suffix("")
    make_folder(folder)
    OutputFile(output, overwrite=True).discard()  # hours later is too late to find that it cannot be written
    with Steps(quiet) as steps:
        data = job.read(found, options, steps.step)
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
        figures = evaluation.evaluate(result.classifier, data.splits, folder, progress=steps.step)
        steps.say(figures.summary())
    return 0
