"""`vidcam run`: one source to one overlay."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vidcam._files import size_text
from vidcam.cam.options import MapOptions
from vidcam.cam.run import ENGINE_NAMES
from vidcam.cli import count, printable, say
from vidcam.cli.options import (
    MODEL_CHOICES,
    check_unchosen,
    common_options,
    models_arguments,
    models_options,
    options_of,
)
from vidcam.cli.progress import Bar, interruptible
from vidcam.cli.timings import table
from vidcam.errors import Interrupted, UsageError, VidcamError
from vidcam.media.options import MediaOptions
from vidcam.models.zoo import BUNDLED
from vidcam.render.look import Look

if TYPE_CHECKING:
    from vidcam.cam import Explainer
    from vidcam.metrics.regions import Shares
    from vidcam.pipeline import Result
    from vidcam.pipeline.result import Tally


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="OUT",
    help="File (.mp4, .mov, .mkv, .gif, .webp, .png, .jpg) or directory; NAME_cam.EXT by default.",
)
@models_options
@options_of(MapOptions, without=("layer",))
@options_of(Look)
@click.option(
    "--predictions", type=click.Path(path_type=Path), metavar="FILE", help="Numbers of each frame: .csv or .jsonl."
)
@click.option("--maps", type=click.Path(path_type=Path), metavar="FILE", help="Raw maps and times: .npz.")
@click.option(
    "--from-maps",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Draw the maps that --maps wrote of this source, without the model.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A page with original and overlay in step and the classes over time, all inside: .html.",
)
@click.option(
    "--boxes",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Say how much heat lies on the thing: a CSV with time or frame, x0, y0, x1, y1, maybe label; boxes move "
    "evenly between two given times.",
)
@click.option(
    "--masks",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The same by pictures that are black where the thing is not, their names ending in the frame's number.",
)
@options_of(MediaOptions)
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
@click.option("--no-partial", is_flag=True, help="Leave nothing when interrupted, instead of a shorter file.")
@click.option("--strict", is_flag=True, help="Exit with 1 if frames of the source could not be read.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Processes: a video of a minute or more is cut into parts that are worked on at once.",
)
@click.option("-v", "--verbose", is_flag=True, help="End with a table of what each stage took.")
@common_options
def run(
    source: Path, output: str | None, model: tuple[str, ...], from_maps: Path | None, *, quiet: bool, **options: Any
) -> int:
    """Lay a classifier's Grad-CAM over a video, GIF or image.

    \b
    vidcam run clip.mp4
    vidcam run clip.mp4 -o clip.gif --model mobilenet_v2 --target tabby
    vidcam run photo.jpg --model my_model.keras --view side-by-side
    vidcam run clip.mp4 --method gradcam,layercam,eigencam
    vidcam run clip.mp4 --model old.keras --model new.keras --report compared.html
    """
    from vidcam.models import load_model
    from vidcam.pipeline import run as run_pipeline

    if quiet and options["verbose"]:
        raise UsageError("--quiet prints errors only; leave it out with --verbose")
    options["measure"] = options.pop("verbose")
    partial_output, strict = not options.pop("no_partial"), options.pop("strict")
    if from_maps is not None:
        check_unchosen(MODEL_CHOICES, f"--from-maps {from_maps}: its maps are made")
    arguments = models_arguments(options, model)
    workers = options.pop("workers")
    if workers > 1:
        _check_workers(workers, {**options, "from_maps": from_maps, "several models": len(model) > 1})
    with Bar("frames", quiet) as bar, interruptible() as stop:
        try:
            divided = None
            if workers > 1:
                divided = _in_parts(source, output, arguments[0], workers, dict(options), quiet=quiet, cancelled=stop)
                if divided is None and not quiet:
                    click.echo(
                        f"note: --workers {workers}: the clip is too short or cannot be cut; done in one", err=True
                    )
            result = divided or run_pipeline(
                source,
                output,
                model=None if from_maps is not None else [partial(load_model, **own) for own in arguments],
                track=from_maps,
                progress=bar.update,
                on_model=None if quiet else _say_models,
                cancelled=stop,
                partial_output=partial_output,
                **options,
            )
        except (Interrupted, KeyboardInterrupt) as error:
            say(str(error) or "interrupted")
            return stop.exit_code
    if not quiet:
        _summary(result)
    if result.timings is not None:
        click.echo("\n".join(table(result.timings)), err=True)
    if result.interrupted:
        return stop.exit_code
    if strict and result.damaged:
        say(f"{source}: {count(result.damaged, 'frame')} could not be read (--strict)")
        return 1
    return 0


def _check_workers(workers: int, options: dict[str, Any]) -> None:
    """Refuses what several processes cannot do."""
    names = {"from_maps": "--from-maps", "measure": "--verbose", "several models": "several --model"}
    for name, shown in names.items():
        if options[name]:
            raise UsageError(f"--workers {workers}: cannot be chosen with {shown}, which is about one process")


def _in_parts(
    source: Path,
    output: str | None,
    model: dict[str, Any],
    workers: int,
    options: dict[str, Any],
    *,
    quiet: bool,
    cancelled: Callable[[], bool],
) -> Result | None:
    """Explains a long video by several processes; None where it is none."""
    from vidcam._options import take
    from vidcam.batch.long_clip import run_in_parts

    with Bar("steps", quiet) as bar:
        return run_in_parts(
            source,
            output,
            model=model,
            maps=take(MapOptions, options),
            look=take(Look, options),
            media=take(MediaOptions, options),
            workers=workers,
            files={name: options[name] for name in ("predictions", "maps", "report", "boxes", "masks")},
            overwrite=options["overwrite"],
            progress=bar.update,
            cancelled=cancelled,
        )


def _say_models(explainers: Sequence[Explainer]) -> None:
    models: dict[int, list[Explainer]] = {}
    for explainer in explainers:
        models.setdefault(id(explainer.classifier), []).append(explainer)
    for own in models.values():
        _say_model(own, hint=len(models) == 1)


def _say_model(explainers: Sequence[Explainer], *, hint: bool) -> None:
    c = explainers[0].classifier
    classes = ", ".join(c.labels) if len(c.labels) <= 4 else f"{len(c.labels)} classes"
    classes += f", {c.labels_from}" if c.labels_from.endswith("assumed") else ""
    methods = ", ".join(explainer.method.title for explainer in explainers)
    more = (
        "; it knows cats and dogs only, --model mobilenet_v2 a thousand classes" if hint and c.name in BUNDLED else ""
    )
    engines = ", ".join(dict.fromkeys(ENGINE_NAMES[explainer.engine] for explainer in explainers))
    scaling = f"scaling {c.preprocess}" + (f" ({c.preprocess_from})" if c.preprocess_from else "")
    text = f"{c.name} ({classes}), {methods} of {explainers[0].layer}, {scaling}, fit {c.fit}, {engines}{more}"
    click.echo(printable(text), err=True)


def _summary(result: Result) -> None:
    if sys.stdout is None:
        raise VidcamError(f"{result.path}: complete, but standard output is closed; --quiet needs none")
    for note in result.notes:
        click.echo(printable(f"note: {note}"), err=True)
    width, height = result.size
    size = size_text(result.path.stat().st_size)
    there = result.read + result.damaged
    frames = count(there, "frame") if result.frames == there else f"{result.frames} of {count(there, 'frame')}"
    if result.damaged:
        frames += f", {result.damaged} unreadable"
    made = f"{result.path}: {frames}, {width}x{height}, {size}, {result.seconds:.1f} s"
    models = [(name, list(own)) for name, own in groupby(result.tallies, key=lambda tally: tally.model)]
    seen = [
        "; ".join(_seen(list(same)) for _, same in groupby(own, key=lambda tally: tally.asked)) for _, own in models
    ]
    if result.comparison is None:
        click.echo(printable(f"{made}; {seen[0]}"))
    else:
        click.echo(printable(made))
        for (name, _), text in zip(models, seen, strict=True):
            click.echo(printable(f"{name}: {text}"))
        for line in result.comparison.lines():
            click.echo(printable(line))
    names = result.comparison.names if result.comparison else ("",)
    for name, shares in zip(names, result.model_shares, strict=False):
        click.echo(printable(f"{name}{': ' if name else ''}{_shares(shares)}"))


def _shares(shares: Shares) -> str:
    """Says how much of the heat lies on the thing, beside what needs no look at it."""
    if not shares.frames:
        return "heat on the thing: no frame is shown of which the boxes or masks say where it is"
    heat, even, centre = shares.means()
    return (
        f"heat on the thing: {100 * heat:.1f} % (it covers {100 * even:.1f} % of the picture; a map of the centre has "
        f"{100 * centre:.1f} % there), over {count(shares.frames, 'frame')}"
    )


def _seen(tallies: Sequence[Tally]) -> str:
    """Returns the classes that were explained for one target, each with the mean of its probability."""
    from vidcam.pipeline.draw import percent

    if tallies[0].forced:
        return ", ".join(f"{t.name}, as asked (mean {percent(t.probability)})" for t in tallies)
    if len(tallies) == 1:
        best = ", the clip's best class" if tallies[0].asked == "clip-top" else ""
        return f"{tallies[0].name}{best} (mean {percent(tallies[0].probability)})"
    said = [f"{t.name} in {t.frames} (mean {percent(t.probability)})" for t in tallies[:4]]
    return ", ".join(said) + (f" and {len(tallies) - 4} more" if len(tallies) > 4 else "")
