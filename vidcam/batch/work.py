"""The work on one file, the same in a process of this machine and on a cluster's node."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from vidcam._files import make_folder
from vidcam._version import __version__
from vidcam.batch.fingerprint import file_state
from vidcam.batch.inputs import output_name
from vidcam.batch.numbers import numbers_in
from vidcam.batch.outputs import look_at, suffix_of, write_poster
from vidcam.batch.pieces import JOIN, Outcome, Piece, Work, close_folder, open_folder
from vidcam.batch.plan import ANIMATION, MOVING, VIDEO, BatchSettings, Job
from vidcam.batch.records import Record, Store, Unreadable
from vidcam.cam.clips import explainer_for
from vidcam.cam.options import MapOptions
from vidcam.errors import Interrupted, UsageError, VidcamError
from vidcam.media import Info
from vidcam.media.info import STILL_SUFFIXES, VIDEO_SUFFIXES
from vidcam.media.options import MediaOptions
from vidcam.metrics.regions import region_of, shares_of
from vidcam.models import Classifier, load_model
from vidcam.pipeline import Result, run
from vidcam.pipeline.cells import make_model_cells
from vidcam.pipeline.explained_clip import as_classifiers, batch_for
from vidcam.pipeline.film import Film, points_of
from vidcam.pipeline.page import details_of, with_page
from vidcam.pipeline.parts import do_step, join
from vidcam.types import Progress


class Unusable(Exception):  # noqa: N818 - it carries an error of the model's to the process that started the work
    """A model cannot be loaded, or not be used as it is asked for; every file would fail.

    Args:
        message: one line for the user.
        usage: whether it is a `UsageError`.
    """

    def __init__(self, message: str, usage: bool) -> None:
        super().__init__(message, usage)

    def error(self) -> VidcamError:
        """Returns the error to show."""
        message, usage = self.args
        return UsageError(message) if usage else VidcamError(message)


class Bench:
    """Where files are worked on, one after the other: models, loaded once, and their graphs.

    Args:
        settings: what the batch's files have in common.
    """

    def __init__(self, settings: BatchSettings) -> None:
        self._settings = settings
        self._classifiers: list[Classifier] = []
        self._make = functools.cache(explainer_for)
        self._columns = 1
        self._record = Record("", "", "failed")  # what is known so far about the file in the works

    def load(self) -> list[Classifier]:
        """Loads the models, where they are not loaded yet, and checks what is asked of them.

        Raises:
            Unusable: it cannot be loaded or used so.
        """
        if not self._classifiers:
            try:
                classifiers = as_classifiers([partial(load_model, **model) for model in self._settings.models])
                size = min(batch_for(classifier) for classifier in classifiers)
                _, grid = make_model_cells(classifiers, self._settings.maps, size, self._make)
            except VidcamError as error:
                raise Unusable(str(error), isinstance(error, UsageError)) from None
            self._classifiers = classifiers
            self._columns = grid.places(self._settings.look.view == "side-by-side")[0]
        return self._classifiers

    def process(self, work: Work, progress: Progress, cancelled: Callable[[], bool]) -> Outcome:
        """Makes a file's output, its predictions and poster, and keeps a record of it; or does a piece of that.

        Args:
            work: the file, or the piece.
            progress: called with the frames done and expected.
            cancelled: asked after every frame; True ends the work there and leaves nothing.

        Returns:
            The record: done or failed. Of a long clip how it is to be divided; of a part that is done, nothing.

        Raises:
            Unusable: the model cannot be used.
            Interrupted: `cancelled` said so.
            VidcamError: a piece that is of no batch failed.
        """
        if isinstance(work, Piece) and work.job is None:
            self._step(work, progress, cancelled)
            return None
        job = work if isinstance(work, Job) else work.job
        assert job is not None
        if job.made["vidcam"] != __version__:
            raise Unusable(f"vidcam {__version__} is installed where {job.made['vidcam']} is expected", usage=False)
        store = Store(job.outdir)
        self._record = Record(job.name, str(job.input.path), "failed", job.made, owned=_owned(store, job))
        try:
            if isinstance(work, Job):
                outcome = self._file(store, job, progress, cancelled)
            else:
                outcome = self._piece(store, job, work, progress, cancelled)
            if not isinstance(outcome, Record):
                return outcome
            record = outcome
        except (Interrupted, Unusable):
            raise
        except VidcamError as error:
            record = _failed(self._record, str(error), lasting=isinstance(error, UsageError | _Lasting))
        except MemoryError:
            record = _failed(self._record, "there is not enough memory for it; try fewer --workers")
        except Exception as error:  # a file never stops the others
            line = next(iter(str(error).splitlines()), "")
            record = _failed(self._record, f"internal error ({type(error).__name__}: {line})")
        # A disk that is full says so once, in the record that is handed back.
        with contextlib.suppress(VidcamError):
            store.write(record)
        return record

    def _file(self, store: Store, job: Job, progress: Progress, cancelled: Callable[[], bool]) -> Outcome:
        """Makes a file's output, or says how it is to be divided."""
        classifiers, old = self.load(), self._record.owned
        try:
            self._record = replace(self._record, content=file_state(job.input.path))
            info = look_at(job)
        except VidcamError as error:
            raise _Lasting(str(error)) from None
        output = output_name(job.name, suffix_of(job, info))
        claimed = (output, _page(output)) if self._settings.report else (output,)
        self._record = replace(self._record, state="started", output=output, owned=(*old, *claimed))
        maps, media = self._options(job, info, output)
        # Says what is wrong with it before the work.
        region = region_of(job.input.boxes, job.input.masks, media.start)
        look = self._settings.look if region is not None else replace(self._settings.look, outline=False)
        self._begin(store, job, set(claimed) - set(old))
        # No window reaches across parts, and nothing compares models across them.
        divided = self._settings.in_parts and len(classifiers) == 1 and not classifiers[0].frames
        points = points_of(info, Path(output), maps, self._settings.look, media) if divided else ()
        if points:
            folder, shown = store.file("parts", job.name, ""), region if look.outline else None
            film = Film(job.input.path, folder, points, maps, look, media, True, shown)
            open_folder(film, {**job.made, "content": self._record.content.sha256 if self._record.content else ""})
            return film
        result = run(
            job.input.path,
            job.outdir / output,
            model=classifiers,
            make_explainer=self._make,
            predictions=store.file("predictions", job.name, ".csv"),
            boxes=job.input.boxes if look.outline else None,
            masks=job.input.masks if look.outline else None,
            keep_track=True,
            partial_output=False,
            overwrite=True,
            progress=progress,
            cancelled=cancelled,
            **asdict(maps),
            **asdict(look),
            **asdict(media),
        )
        return self._complete(store, job, result, maps, media)

    def _piece(
        self, store: Store, job: Job, piece: Piece, progress: Progress, cancelled: Callable[[], bool]
    ) -> Record | None:
        """Does a step of a part of a long clip, or puts the parts together."""
        self._record = store.read(job.name) or self._record
        if piece.step != JOIN:
            self._step(piece, progress, cancelled)
            return None
        result = join(
            piece.film,
            job.outdir / self._record.output,
            predictions=store.file("predictions", job.name, ".csv"),
            overwrite=True,
        )
        record = self._complete(store, job, result, piece.film.maps, piece.film.media)
        close_folder(piece.film)
        return record

    def _step(self, piece: Piece, progress: Progress, cancelled: Callable[[], bool]) -> None:
        do_step(
            piece.film,
            piece.step,
            piece.part,
            classifier=self.load()[0],
            make=self._make,
            progress=progress,
            cancelled=cancelled,
        )

    def _begin(self, store: Store, job: Job, new: set[str]) -> None:
        """Claims names before anything appears under them."""
        for path in (job.outdir / name for name in sorted(new)):
            if path.exists() and not self._settings.overwrite:
                raise VidcamError(f"{path}: exists already and no record says what made it; --overwrite replaces it")
        make_folder((job.outdir / self._record.output).parent)
        store.write(self._record)

    def _options(self, job: Job, info: Info, output: str) -> tuple[MapOptions, MediaOptions]:
        """Returns how one clip's maps are made, and how it is read and written: what its kind and its format know."""
        maps, media = job.own()
        suffix = Path(output).suffix.lower()
        moving = suffix in (".gif", ".webp") and info.kind != "image"
        video = suffix in VIDEO_SUFFIXES
        fixed = () if moving or video else MOVING
        idle: list[str] = [*(() if moving else ANIMATION), *fixed, *(() if video else VIDEO)]
        if media.width is not None and self._shown_width(info) <= media.width:
            idle.append("width")  # never enlarged
        if info.kind == "image":  # has no time
            idle += ["start", "end"]
        elif self._settings.max_seconds is not None:
            limit = (media.start or 0.0) + self._settings.max_seconds
            media = replace(media, end=limit if media.end is None else min(media.end, limit))
        unset: dict[str, Any] = dict.fromkeys(idle)
        return maps, replace(media, **unset)

    def _shown_width(self, info: Info) -> int:
        return info.size[0] * self._columns

    def _complete(self, store: Store, job: Job, result: Result, maps: MapOptions, media: MediaOptions) -> Record:
        """Makes what goes with an output that has its name."""
        record, page = self._record, ""
        region = region_of(job.input.boxes, job.input.masks, media.start)
        if region is not None:
            result = replace(result, model_shares=tuple(shares_of(track, region) for track in result.tracks))
        if self._settings.report:
            page = _page(record.output)
            result = with_page(
                result,
                job.outdir / page,
                job.input.path,
                reads=media.reads(job.input.path),
                details=details_of(maps, self._settings.look),
                overwrite=True,
                progress=lambda done, total: None,
                cancelled=lambda: False,
            )
        poster = store.file("posters", job.input.name, ".jpg")
        with contextlib.suppress(VidcamError):  # it is only for show
            write_poster(result.path, poster)
        owned = (record.output, page) if page else (record.output,)
        for other in set(record.owned) - set(owned):  # of another format, or the page of what was there before
            (job.outdir / other).unlink(missing_ok=True)
        numbers = {**numbers_in(result), "frames": result.frames, "size": list(result.size)}
        return replace(
            record,
            state="done",
            owned=owned,
            page=page,
            bytes=result.path.stat().st_size,
            poster=poster.relative_to(job.outdir).as_posix() if poster.exists() else "",
            damaged=result.damaged,
            notes=result.notes,
            numbers=numbers,
        )


def _page(output: str) -> str:
    """Returns the name of the page of an output."""
    return f"{output}.html"


class _Lasting(VidcamError):  # noqa: N818 - see Record.lasting
    """What is wrong is the input itself."""


def _owned(store: Store, job: Job) -> tuple[str, ...]:
    """Returns the outputs that are an input's by their names."""
    try:
        record = store.read(job.input.name)
    except Unreadable:
        # What there was is not known, but what would be made is.
        suffixes = (".gif", ".webp", *VIDEO_SUFFIXES, *STILL_SUFFIXES)
        names = (output_name(job.input.name, suffix) for suffix in suffixes)
        return tuple(n for name in names for n in (name, _page(name)) if (job.outdir / n).exists())
    return () if record is None else record.owned


def _failed(record: Record, error: str, *, lasting: bool = False) -> Record:
    line = " ".join(error.split()).removeprefix(f"{record.source}: ")
    return replace(record, state="failed", output="", error=line, lasting=lasting)
