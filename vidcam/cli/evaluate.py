"""`vidcam evaluate`: how good a classifier is on folders of pictures, and where it looks when it is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from vidcam.cam.methods import METHODS
from vidcam.cam.options import MapOptions
from vidcam.cli.maps import evaluate_maps
from vidcam.cli.options import check_unchosen, common_options, models_arguments, options_of, several_loading_options
from vidcam.cli.steady import evaluate_steady, split_arguments
from vidcam.cli.steps import Steps
from vidcam.errors import UsageError
from vidcam.models.zoo import MOST_MODELS

PATH = click.Path(path_type=Path)


@click.command(short_help="Measure a classifier on folders of pictures.")
@click.argument("arguments", metavar="MODEL... DATA_DIR", nargs=-1, required=True)
@click.option("-o", "--output", type=PATH, metavar="DIR", help="Where the plots and tables go [MODEL_evaluation].")
@several_loading_options
@click.option(
    "--maps",
    metavar="METHOD[,METHOD]",
    help=f"Measure maps instead ({', '.join(METHODS)}): on pictures, with a CSV of boxes or not, or on a clip.",
)
@click.option(
    "--boxes",
    type=PATH,
    metavar="FILE",
    help="Say how much heat of pictures lies on the thing: a CSV with file, xmin, ymin, xmax, ymax.",
)
@click.option(
    "--masks",
    type=PATH,
    metavar="DIR",
    help="The same by pictures that are black where the thing is not, called as the pictures are.",
)
@click.option(
    "--steady",
    is_flag=True,
    help="Measure how steady the heat of clips is instead: evaluate [MODEL] CLIP... --steady.",
)
@click.option(
    "--target",
    default="top",
    show_default=True,
    metavar="CLASS",
    help="Of maps: what they explain.",
)
@click.option("--top-channels", type=click.IntRange(min=1), metavar="N", help="With --maps: see `vidcam run`.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Of maps: on so many pictures at most.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of maps: of what is random.")
@options_of(MapOptions, only=("engine",))
@common_options
def evaluate(
    arguments: tuple[str, ...], output: Path | None, quiet: bool, maps: str | None, steady: bool, **options: Any
) -> int:
    """Evaluates MODEL on DATA_DIR: class/picture, or train/, val/ and test/ folders of that.

    Prints loss, accuracy, calibration error and the classification report, and says whether the splits agree. DIR gets
    them as JSON and text, the confusion matrix, the ROC, precision-recall and reliability plots, and sheets of pictures
    with Grad-CAM: of every class, and the most confident mistakes.

    Of several models, up to four, it makes one table, on the test pictures where there are some, and says of every two
    whether one is right more often or that may be chance (McNemar's test). Options of a model are given once for all,
    or once for each, - for a model's own.

    With --maps it measures class activation methods, beside a random, a blurred random and a centred map: insertion,
    deletion and ROAD (the class's probability while pixels go), drop and increase of the probability, the rank
    correlation with the maps of the model with permuted weights and the rise of the entropy to those (eMPRT), and
    where boxes are given (a CSV with file, xmin, ymin, xmax, ymax) how often the hottest point and how much of the
    heat is inside. On a clip: flicker, and how often the class changes.

    With --boxes or --masks it says how much of Grad-CAM's heat lies where the thing is, with standard errors, beside
    the thing's share of the picture and what a map of the centre has. With --maps, too, all is measured of those.

    With --steady it measures clips, with MODEL or the model that ships with vidcam: E, the change of the heat beside
    the motion of the picture, the lag and insertion, for maps as they are and for each way of smoothing them.
    """
    from vidcam.report import require_libraries

    require_libraries()
    of_maps = {name: options.pop(name) for name in ("target", "top_channels", "limit", "seed", "engine")}
    things = {name: options.pop(name) for name in ("boxes", "masks")}
    if steady:
        for name in ("top_channels", "limit", "seed", *things):
            check_unchosen([name], "--steady; it goes with pictures")
        name, clips = split_arguments(arguments)
        asked = {"target": of_maps["target"], "engine": of_maps["engine"], "method": maps or "gradcam"}
        with Steps(quiet) as steps:
            return evaluate_steady(clips, output, steps, _models([name], options)[0], **asked)
    if len(arguments) < 2:
        raise UsageError("evaluate takes MODEL and DATA_DIR, not 1 argument; clips go with --steady")
    names, data_dir = arguments[:-1], Path(arguments[-1])
    given: dict[str, Any] = {"maps": maps, **things}
    of_one = " ".join(f"--{name} {value}" for name, value in given.items() if value is not None)
    if things["boxes"] is not None and things["masks"] is not None:
        raise UsageError("--boxes and --masks both say where the thing is; give one of them")
    if of_one and len(names) > 1:
        raise UsageError(f"{of_one}: measures the maps of one model; evaluate each of the {len(names)} by itself")
    models = _models(names, options)
    if of_one:
        with Steps(quiet) as steps:
            return evaluate_maps(data_dir, output, steps, models[0], **given, **of_maps)
    for name in of_maps:
        check_unchosen([name], "an evaluation of the classifier; it goes with --maps")
    if data_dir.is_file():
        raise UsageError(f"{data_dir}: is a file, and evaluate takes a folder of pictures; clips go with --steady")
    if len(models) > 1:
        return _several(models, data_dir, output, quiet=quiet)
    return _one(models[0], data_dir, output, quiet=quiet)


def _models(names: Sequence[str], options: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns `load_model`'s arguments for each model.

    Raises:
        UsageError: there are too many, or an option is given neither once nor once for each.
    """
    if len(names) > MOST_MODELS:
        raise UsageError(
            f"{len(names)} models: up to {MOST_MODELS} can be compared (the last argument is the data folder)"
        )
    models = models_arguments(options, names)
    return [{"layer": options.get("layer"), **model} for model in models]


def _one(model: dict[str, Any], data_dir: Path, output: Path | None, *, quiet: bool) -> int:
    """Evaluates a model."""
    from vidcam.models import load_model
    from vidcam.training import evaluation
    from vidcam.training.data import discover

    folder = discover(data_dir, alone="test")
    classifier = load_model(**model)
    output = _folder(output, f"{classifier.name}_evaluation")
    with Steps(quiet) as steps:
        splits = evaluation.read_splits(folder, classifier, steps.step)
        found = evaluation.evaluate(classifier, splits, output, progress=steps.step)
        steps.say(found.summary())
    return 0


def _several(models: Sequence[dict[str, Any]], data_dir: Path, output: Path | None, *, quiet: bool) -> int:
    """Evaluates several models on the same pictures."""
    from vidcam.models import load_model
    from vidcam.pipeline.cells import names_of_models
    from vidcam.training.data import discover
    from vidcam.training.several import check_alike, evaluate_several

    folder = discover(data_dir, alone="test")
    loaded = [load_model(**model) for model in models]
    classifiers = dict(zip(names_of_models(loaded), loaded, strict=True))
    check_alike(classifiers)
    output = _folder(output, f"{'_'.join(c.name for c in loaded)}_comparison")
    with Steps(quiet) as steps:
        steps.say(evaluate_several(classifiers, folder, output, progress=steps.step).summary())
    return 0


def _folder(output: Path | None, name: str) -> Path:
    """Returns where the files go."""
    output = output or Path(name)
    if output.exists() and not output.is_dir():
        raise UsageError(f"--output {output}: is a file; name a folder")
    return output
