"""`vidcam inspect`: what a classifier takes and gives, and which of its layers can be explained."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vidcam.cam.options import MapOptions
from vidcam.cli import printable
from vidcam.cli.options import common_options, loading_options, model_arguments, options_of
from vidcam.errors import NoClassifier, Unsaid

if TYPE_CHECKING:
    from vidcam.cam.anatomy import Anatomy, Layer
    from vidcam.models import Classifier

PREPROCESSING_TEXTS = {
    "none": "none: the model takes 0..255 and scales itself",
    "unit": "unit: 0..1",
    "tf": "tf: -1..1",
    "torch": "torch: 0..1 less ImageNet's mean over its deviation",
    "caffe": "caffe: BGR less ImageNet's mean",
}
FIT_TEXTS = {
    "squash": "squash: both sides scaled freely",
    "keep": "keep: the aspect kept, the short side at the input's, maps of any size",
    "pad": "pad: the aspect kept, the rest black",
    "crop": "crop: the centre",
}
END_TEXTS = {"softmax": "softmax", "sigmoid": "sigmoid", "linear": "linear, read as logits"}
SHOWN_CLASSES = 10


@click.command(short_help="Show what a classifier is and which layers can be explained.")
@click.argument("model", metavar="MODEL")
@loading_options
@options_of(MapOptions, only=("layer",))
@common_options
def inspect(quiet: bool, **options: Any) -> None:
    """Shows what MODEL takes and gives, the layers that --layer names, and which one is explained.

    \b
    vidcam inspect cats_dogs
    vidcam inspect my_model.keras --preprocess unit

    What the file leaves open is marked as unknown, with the option that says it. Of what is no classifier of one
    picture, the inputs and outputs are listed before the error.
    """
    from vidcam.cam.anatomy import anatomy_of
    from vidcam.models import load_model

    arguments, unsaid = model_arguments(options) | {"layer": options["layer"]}, dict[str, Unsaid]()
    while True:
        try:
            classifier = load_model(**arguments)
            break
        except Unsaid as error:
            if error.option in unsaid:
                raise
            unsaid[error.option], arguments[error.option] = error, error.guess
        except NoClassifier as error:
            click.echo("\n".join(printable(line) for line in _not_explained(Path(arguments["model"]), error)))
            raise
    anatomy = anatomy_of(classifier)
    lines = [*_facts(classifier, anatomy, unsaid), *([] if quiet else ["", *_layers(anatomy)])]
    click.echo("\n".join(printable(line) for line in lines))


def _facts(c: Classifier, anatomy: Anatomy, unsaid: Mapping[str, Unsaid]) -> list[str]:
    """Returns what is known, a line each; what the file leaves open is said to be unknown."""
    width, height = c.input_size
    labels = ", ".join(c.labels[:SHOWN_CLASSES]) + (", ..." if len(c.labels) > SHOWN_CLASSES else "")
    trainable = anatomy.trainable
    chosen = [f"{layer.path}, {_map(layer)}" for layer in anatomy.layers if _is_chosen(layer.path, anatomy)]
    scaling = PREPROCESSING_TEXTS.get(c.preprocess) or f"{c.preprocess}, of pixels {_pixels(c.preprocess)}"
    size, source = f"{width}x{height}", f" ({c.preprocess_from})" if c.preprocess_from else ""
    frames = f"{c.frames} frames of " if c.frames else ""
    if "input_size" in unsaid:
        size = f"unknown, the network takes any; --input-size says which (what follows is for {size})"
    if "clip_frames" in unsaid:
        frames = f"any number of frames, --clip-frames says which (what follows is for {c.frames}); "
    if "preprocess" in unsaid:
        scaling, source = f"unknown; --preprocess says it: {', '.join(PREPROCESSING_TEXTS)} or mean=..,std=..", ""
    output = [f"output      unknown which; --model-output says it (what follows is for {unsaid[name].guess})"
              for name in unsaid if name == "output"]  # fmt: skip
    return [
        f"model       {c.name}" + (f" ({Path(c.source).name})" if c.source else ""),
        f"input       {frames}{size}, {'RGB' if c.channels == 3 else 'grey'}",
        f"preprocess  {scaling}{source}",
        *output,
        f"fit         {FIT_TEXTS[c.fit]}",
        f"classes     {len(c.labels)}: {labels}" + (f" ({c.labels_from})" if c.labels_from else ""),
        f"ends with   {END_TEXTS[anatomy.end]}",
        f"format      {anatomy.network}",
        f"parameters  {anatomy.parameters:,}" + (f", {trainable:,} of them trainable" if trainable else ""),
        f"methods     {', '.join(anatomy.methods)}",
        f"explains    {'; '.join(chosen)}: {anatomy.reason}",
    ]


def _not_explained(file: Path, error: NoClassifier) -> list[str]:
    """Returns what is known of a network that is not explained: all of its inputs and outputs, a line each."""
    lines = [f"model       {file.stem} ({file.name})", f"format      {error.kind}"]
    for name, tensors in (("inputs", error.inputs), ("outputs", error.outputs)):
        lines += [f"{name if not i else '':11} {tensor}" for i, tensor in enumerate(tensors)]
    return lines


def _pixels(scaling: str) -> str:
    numbers = [float(n) for n in re.findall(r"[-+]?[\d.]+(?:e[-+]?\d+)?", scaling)]
    return "0..1" if max(map(abs, numbers)) <= 1 else "0..255"


def _is_chosen(path: str, anatomy: Anatomy) -> bool:
    return path == anatomy.chosen or path in anatomy.chosen.split(",")


def _layers(anatomy: Anatomy) -> list[str]:
    """Returns a table of the layers, the chosen one marked."""
    path = max(len("layer"), *(len(layer.path) for layer in anatomy.layers))
    kind = max(len("kind"), *(len(layer.kind) for layer in anatomy.layers))
    rows = [f"  {'layer'.ljust(path)}  {'kind'.ljust(kind)}  map"]
    for layer in anatomy.layers:
        mark = "*" if _is_chosen(layer.path, anatomy) else " "
        rows.append(f"{mark} {layer.path.ljust(path)}  {layer.kind.ljust(kind)}  {_map(layer)}")
    return rows


def _map(layer: Layer) -> str:
    rows, columns, channels = layer.shape
    steps = f" at {layer.steps} times" if layer.steps > 1 else ""
    return f"{columns}x{rows}{steps}, {channels} channels"
