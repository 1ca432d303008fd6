"""`vidcam export`: a classifier as one file that explains without TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vidcam.cam.options import MapOptions
from vidcam.cli import printable
from vidcam.cli.options import common_options, loading_options, model_arguments, options_of


@click.command(short_help="Write a classifier as one file that starts at once.")
@click.argument("model", metavar="MODEL")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="NAME.vidcam", help="The file [MODEL.vidcam].")
@loading_options
@options_of(MapOptions, only=("layer",))
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@common_options
def export(output: Path | None, *, overwrite: bool, quiet: bool, **options: Any) -> None:
    """Writes MODEL as a .vidcam file: the graph that explains it, and what is known of it.

    `run`, `live`, `batch`, `inspect` and `evaluate --maps` take the file as --model, also where TensorFlow is not
    installed. docs/format.md says what is in it.

    \b
    vidcam export mobilenet_v2
    vidcam export my_model.keras -o my_model.vidcam --layer conv_4
    """
    from vidcam.models import load_model
    from vidcam.pipeline.export import export as write

    classifier = load_model(**model_arguments(options), layer=options["layer"])
    done = write(classifier, output or Path(f"{classifier.name}.vidcam"), overwrite=overwrite)
    if quiet:
        return
    for note in done.notes:
        click.echo(printable(f"note: {note}"), err=True)
    size = "pictures of any size" if done.size is None else f"pictures of {done.size[0]}x{done.size[1]}"
    click.echo(
        printable(
            f"{done.path}: {', '.join(done.layer)} of {classifier.name}, {size}, {done.bytes / 2**20:.1f} MiB"
            + (f"; within {done.difference:.0e} of TensorFlow" if done.difference else "")
        )
    )
