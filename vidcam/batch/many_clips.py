"""`run_batch`: a plan of files, carried out by workers, each output and record kept as soon as it is made."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from vidcam._options import accepts, refuse, take
from vidcam.batch.crew import BatchProgress, Crew, Worker
from vidcam.batch.inputs import find_inputs
from vidcam.batch.local import LocalWorker
from vidcam.batch.outputs import parts_in
from vidcam.batch.pieces import Work
from vidcam.batch.plan import BatchSettings, Format, Job, PlannedJob, make_plan, settle
from vidcam.batch.records import Record, Store
from vidcam.batch.resources import default_workers, share_cores
from vidcam.batch.tables import write_tables
from vidcam.batch.things import with_things
from vidcam.batch.work import Unusable
from vidcam.cam.options import MapOptions
from vidcam.errors import UsageError, VidcamError
from vidcam.media.options import MediaOptions
from vidcam.models import load_model
from vidcam.models.zoo import DEFAULT_MODEL, MOST_MODELS
from vidcam.pipeline.one_clip import check_outline
from vidcam.render.look import Look

LEFT = ("predictions.csv", "summary.csv", "index.html")


@dataclass(frozen=True, slots=True)
class Batch:
    """What a batch has done, or would do.

    Attributes:
        steps: every input, and why it was to be done; in the order of their names.
        done: records of the files that were made.
        skipped: of those that were there already.
        failed: of those that failed, also of earlier runs that would fail again.
        ignored: files in folders and globs that are no media.
        folders: folders in folders that were not entered.
        seconds: how long it took.
        workers: how many worked.
        interrupted: it was ended early.
    """

    steps: tuple[PlannedJob, ...]
    done: tuple[Record, ...] = ()
    skipped: tuple[Record, ...] = ()
    failed: tuple[Record, ...] = ()
    ignored: int = 0
    folders: int = 0
    seconds: float = 0.0
    workers: int = 0
    interrupted: bool = False


@accepts(MapOptions, Look, MediaOptions)
def run_batch(
    inputs: Sequence[str | Path],
    outdir: str | Path,
    *,
    listed: str | Path | None = None,
    recursive: bool = False,
    format: Format = "gif",
    model: str | Path | Sequence[str | Path | Mapping[str, Any]] = DEFAULT_MODEL,
    max_seconds: float | None = None,
    boxes: str | Path | None = None,
    masks: str | Path | None = None,
    workers: int | None = None,
    ray: str | bool = False,
    force: bool = False,
    retry: bool = False,
    overwrite: bool = False,
    dry_run: bool = False,
    report: bool = False,
    on_plan: Callable[[Sequence[PlannedJob], int], None] | None = None,
    progress: Callable[[BatchProgress], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    **options: Any,
) -> Batch:
    """Explains many videos, GIFs and images, each to a file of its own, with tables and a page of them all.

    What is done already and depends on nothing that has changed is left as it is. In the output folder appear the
    outputs in the inputs' folders, `predictions.csv`, `summary.csv` and `index.html`. Workers import the module that
    calls this: in a script, call it below `if __name__ == "__main__":`.

    Args:
        inputs: files, folders and globs.
        outdir: the output folder; made where it is missing.
        listed: a CSV with the column `file` and optionally `target`, `start`, `end`.
        recursive: enter the folders in folders.
        format: `gif`, `mp4`, `webp`, or `same`: the input's own, where it can be written. Stills stay stills.
        model: a name or a file. A list of up to four is compared on every clip, as `vidcam.run` does: pictures have a
            cell for each, tables a line, and the page sorts by how far they disagree. In a list a model may be a
            mapping, `load_model`'s arguments of its own.
        max_seconds: of each clip at most; None for 15 of a GIF or WebP and all of a video, 0 for all.
        boxes: a folder that says where the thing is in each clip, `NAME.csv` for the clip NAME: tables and pages then
            say how much of the heat lies there (`vidcam.run`).
        masks: a folder of such folders of masks; not beside `boxes`.
        workers: processes; None for as many as cores and memory allow, on a cluster as it has cores.
        ray: work on a Ray cluster: its address, or True for the one that is found or else started on this machine.
        force: do all, also what is done.
        retry: do also what failed and would fail again.
        overwrite: replace files of the outputs' names that no batch has made.
        dry_run: only say what would be done.
        report: make a page of each clip, too: `NAME.html` beside its output, with original and overlay in step.
        on_plan: called with the plan, and how many workers there will be, before the work begins.
        progress: called again and again in this thread with how far the batch is.
        cancelled: asked again and again; True ends the batch at the files' next frames.
        **options: those of `vidcam.load_model` (`weights` and so on) and, for every clip, how maps are made, how
            pictures are drawn and how files are read and written. The width of a GIF or WebP is at most so many pixels.

    Returns:
        What was done.

    Raises:
        TypeError: there is no such option.
        UsageError: something was asked for that makes no sense.
        VidcamError: nothing could be done: another batch writes there, or the model cannot be loaded. A file that
            fails is no error; it is in the result.
    """
    began = time.monotonic()
    outdir = Path(outdir)
    maps, look, media = take(MapOptions, options), take(Look, options), take(MediaOptions, options)
    loads = [name for name in inspect.signature(load_model).parameters if name not in ("model", "layer")]
    loading = {name: options.pop(name) for name in loads if name in options}
    models = _models(model, loading)
    refuse(options, "run_batch", [*inspect.signature(run_batch).parameters, *loads])
    if outdir.exists() and not outdir.is_dir():
        raise UsageError(f"-o {outdir}: is a file; the outputs need a folder")
    if workers is not None and workers < 1:
        raise UsageError(f"--workers {workers}: at least one is needed")
    settings = settle(BatchSettings(format, models, maps, look, media, max_seconds, overwrite, report))
    check_outline(look, boxes or masks)
    found = find_inputs(inputs, None if listed is None else Path(listed), outdir, recursive=recursive)
    clips = with_things(found.inputs, *(None if p is None else Path(p) for p in (boxes, masks)))
    planned = partial(make_plan, clips, outdir, settings, force=force, retry=retry)
    batch = Batch((), ignored=found.ignored, folders=found.folders)
    if dry_run:
        return replace(batch, steps=tuple(planned()))
    store = Store(outdir)
    store.prepare()
    with store.locked():
        batch = replace(batch, steps=tuple(planned()))
        jobs = [step.job for step in batch.steps if step.why]
        hired, jobs = _hire(settings, jobs, workers, ray) if jobs else ([], [])
        if jobs and not all((outdir / name).exists() for name in LEFT) and store.all():
            write_tables(store, ())  # one that was killed has not come to it
        if on_plan is not None:
            on_plan(batch.steps, len(hired))
        made, interrupted = _carry_out(hired, jobs, store, progress, cancelled) if jobs else ([], False)
        if jobs or not all((outdir / name).exists() for name in LEFT):
            write_tables(store, (step.job.input.name for step in batch.steps))
    kept = [step.record for step in batch.steps if not step.why and step.record is not None]
    return replace(
        batch,
        done=tuple(r for r in made if r.state == "done"),
        skipped=tuple(r for r in kept if r.state == "done"),
        failed=tuple(sorted((r for r in [*made, *kept] if r.state == "failed"), key=lambda r: r.name)),
        seconds=time.monotonic() - began,
        workers=len(hired),
        interrupted=interrupted,
    )


def _models(model: Any, loading: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Returns `load_model`'s arguments for each model.

    Raises:
        UsageError: there are none, or too many.
    """
    listed = [model] if isinstance(model, str | Path) else list(model)
    if not 1 <= len(listed) <= MOST_MODELS:
        raise UsageError(f"{len(listed)} models: up to {MOST_MODELS} can be compared on a clip")
    return tuple({**loading, **(m if isinstance(m, Mapping) else {"model": str(m)})} for m in listed)


def index_batch(outdir: str | Path) -> Batch:
    """Writes the tables and the page of what batches have made in a folder so far, also while one is at it.

    Args:
        outdir: the output folder.

    Returns:
        What is there, as `skipped`, and what has failed.

    Raises:
        VidcamError: no batch has written there, or a file cannot be written.
    """
    store = Store(Path(outdir))
    if not store.all():
        raise VidcamError(f"{outdir}: no batch has made anything there yet")
    records = write_tables(store, ())
    return Batch(
        (),
        skipped=tuple(r for r in records if r.state == "done"),
        failed=tuple(r for r in records if r.state == "failed"),
    )


def _hire(
    settings: BatchSettings, jobs: Sequence[Job], workers: int | None, ray: str | bool
) -> tuple[Sequence[Worker], list[Job]]:
    """Gets workers, and has them cut long videos where there are several to work on the parts."""
    pieces = sum(parts_in(job) for job in jobs)
    cut = replace(settings, in_parts=pieces > len(jobs) and workers != 1)
    cut_jobs = [replace(job, settings=cut) for job in jobs]
    if ray:
        from vidcam.batch.cluster import hire

        return hire(cut, pieces, workers, None if ray is True else ray), cut_jobs
    count = default_workers(pieces, len(settings.models)) if workers is None else min(workers, pieces)
    if count == 1:
        return [LocalWorker(settings, part) for part in share_cores(1)], list(jobs)
    return [LocalWorker(cut, part) for part in share_cores(count)], cut_jobs


def _carry_out(
    workers: Sequence[Worker],
    jobs: Sequence[Job],
    store: Store,
    progress: Callable[[BatchProgress], None] | None,
    cancelled: Callable[[], bool],
) -> tuple[list[Record], bool]:
    """Does jobs, and returns their records, by name, and whether it was ended early.

    Raises:
        VidcamError: the model cannot be used.
    """

    def failed(work: Work, error: str) -> Record:
        job = work if isinstance(work, Job) else work.job
        assert job is not None
        known = store.read(job.name)
        owned = () if known is None else known.owned
        record = Record(job.name, str(job.input.path), "failed", job.made, error=error, owned=owned)
        store.write(record)
        return record

    crew = Crew(workers, jobs, failed, progress or (lambda _: None))
    try:
        interrupted = crew.run(cancelled)
    except Unusable as error:
        raise error.error() from None
    return sorted(crew.progress.records, key=lambda r: r.name), interrupted
