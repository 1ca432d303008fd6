"""`vidcam batch`: many clips to overlays, tables and a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vidcam.cam.options import MapOptions
from vidcam.cli import count, printable, say
from vidcam.cli.board import Board
from vidcam.cli.options import ClockTime, check_unchosen, common_options, models_arguments, models_options, options_of
from vidcam.cli.progress import interruptible
from vidcam.errors import UsageError
from vidcam.media.options import MediaOptions
from vidcam.render.look import Look

if TYPE_CHECKING:
    from vidcam.batch import Batch
    from vidcam.batch.plan import PlannedJob

FORMATS = ("gif", "mp4", "webp", "same")
LOCAL = "local"


@click.command()
@click.argument("inputs", nargs=-1, metavar="[INPUT]...", type=click.Path())
@click.option(
    "-o",
    "--output",
    "outdir",
    required=True,
    metavar="OUTDIR",
    type=click.Path(path_type=Path),
    help="Folder of the outputs; made where it is missing.",
)
@click.option("-r", "--recursive", is_flag=True, help="Look into folders in folders.")
@click.option(
    "--from",
    "listed",
    type=click.Path(path_type=Path),
    metavar="LIST.csv",
    help="Clips by the columns file and, if there are, target, start, end.",
)
@click.option(
    "--format",
    type=click.Choice(FORMATS),
    default="gif",
    show_default=True,
    help="What clips become; `same` is the input's own. Stills stay stills.",
)
@click.option(
    "--max-seconds",
    type=ClockTime(),
    metavar="TIME",
    help="Of each clip, at most; 0 for all. 15 for GIF and WebP, else all.",
)
@click.option(
    "--boxes",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Say how much heat lies on the thing: a folder with a.mov.csv or a.csv for the clip a.mov; see `vidcam run`.",
)
@click.option(
    "--masks",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The same by a folder with a folder of masks for each clip.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Files worked on at once; as many as cores and memory allow by default.",
)
@click.option(
    "--ray",
    is_flag=False,
    flag_value=LOCAL,
    metavar="[ADDRESS]",
    help="Work on a Ray cluster, the one found here or a new one without an address; put it last.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and why.")
@click.option("--report", is_flag=True, help="Make a page of each clip, too, beside its output.")
@click.option(
    "--index", is_flag=True, help="Only write the tables and the page of what is in OUTDIR, and leave out INPUT."
)
@click.option("--force", is_flag=True, help="Do all, also what is done.")
@click.option("--retry", is_flag=True, help="Do again what failed and has not changed.")
@click.option("--overwrite", is_flag=True, help="Replace files that no batch has made.")
@models_options
@options_of(MapOptions, without=("layer",))
@options_of(Look)
@options_of(MediaOptions)
@click.option("--strict", is_flag=True, help="Exit with 1 if frames of a clip could not be read.")
@common_options
def batch(
    inputs: Sequence[str], outdir: Path, *, index: bool, ray: str | None, strict: bool, quiet: bool, **options: Any
) -> int:
    """Lay a classifier's Grad-CAM over many clips.

    INPUT is a file, a folder or a glob. OUTDIR gets the overlays in the inputs' folders, predictions.csv, summary.csv
    and index.html. What is done already is left as it is: the same command goes on where it was stopped.

    GIF and WebP are at most 480 pixels wide (--width), 12 pictures a second (--fps) and 15 seconds long
    (--max-seconds) unless you say otherwise.

    \b
    vidcam batch clips -r -o gifs
    vidcam batch 'clips/*.mp4' -o gifs --model mobilenet_v2 --format mp4
    vidcam batch clips -o compared --model old.keras --model new.keras
    vidcam batch --from list.csv -o gifs --dry-run
    """
    from vidcam.batch import index_batch, run_batch

    if index:
        if inputs:
            raise UsageError(f"{inputs[0]}: --index only looks at what is in {outdir}; leave out INPUT")
        check_unchosen(["ray", "strict", *options], "--index: it only looks at what is there")
        there = index_batch(outdir)
        if not quiet:
            failed = f", {_files(len(there.failed))} failed" if there.failed else ""
            click.echo(printable(f"{outdir / 'index.html'}: {_files(len(there.skipped))}{failed}"))
        return 0
    if ray is not None and ray != LOCAL and Path(ray).exists():
        raise UsageError(
            f"--ray {ray}: is a file or folder here, not an address; put --ray last, or write --ray=ADDRESS"
        )
    options["model"] = models_arguments(options, options["model"])
    with Board(quiet) as board, interruptible() as stop:
        try:
            made = run_batch(
                inputs,
                outdir,
                ray=ray is not None and (ray == LOCAL or ray),
                on_plan=None if quiet else _say_plan,
                progress=board.show,
                cancelled=stop,
                **options,
            )
        except KeyboardInterrupt:
            say("interrupted; the same command goes on from there")
            return stop.exit_code
    if options["dry_run"]:
        return _dry(made)
    _table(made, quiet)
    if made.interrupted:
        say("interrupted; the same command goes on from there")
        return stop.exit_code
    damaged = [r for r in (*made.done, *made.skipped) if r.damaged] if strict else []
    if damaged:
        say(f"frames of {_files(len(damaged))} could not be read, first {damaged[0].name} (--strict)")
    return 1 if made.failed or damaged else 0


def _say_plan(steps: Sequence[PlannedJob], workers: int) -> None:
    reasons = Counter(step.why for step in steps if step.why)
    total = reasons.total()
    if not total:
        return
    most = ", ".join(f"{n} {why}" for why, n in reasons.most_common(3))
    more = ", ..." if len(reasons) > 3 else ""
    _note(f"{total} of {_files(len(steps))} to do ({most}{more}); {count(workers, 'worker')}")
    said = sum(1 for step in steps if step.job.input.boxes or step.job.input.masks)
    if said:
        _note(f"where the thing is, is said of {said} of them")


def _dry(made: Batch) -> int:
    for step in made.steps:
        if step.why:
            click.echo(printable(f"{step.job.input.name}: {step.why}"))
    todo = sum(1 for step in made.steps if step.why)
    click.echo(f"{_files(todo)} to do, {_files(len(made.steps) - todo)} not")
    return 0


def _table(made: Batch, quiet: bool) -> None:
    frames = sum(r.numbers["explained"] for r in made.done)
    if not quiet:
        speed = f", {count(frames, 'frame')}, {made.seconds:.1f} s, {frames / made.seconds:.1f} frames/s"
        speed = speed if made.done else ""
        click.echo(f"done     {_files(len(made.done))}{speed}")
        click.echo(f"skipped  {_files(len(made.skipped))}{', unchanged' if made.skipped else ''}")
        click.echo(f"failed   {_files(len(made.failed))}")
    for record in made.failed:
        click.echo(printable(f"  {record.name}: {record.error}"), err=quiet)
    if quiet:
        return
    short = sum(1 for r in made.done if r.damaged)
    if short:
        _note(f"frames of {_files(short)} could not be read; summary.csv counts them")
    if made.ignored:
        _note(f"{_files(made.ignored)} left out: no media by their suffix")
    if made.folders:
        _note(f"{count(made.folders, 'folder')} inside not entered; -r does")


def _files(number: int) -> str:
    return count(number, "file")


def _note(text: str) -> None:
    click.echo(printable(text), err=True)
