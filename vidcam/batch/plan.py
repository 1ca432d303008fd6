"""What a batch would do, and why: inputs and settings to jobs, compared with what is done already."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from vidcam._version import __version__
from vidcam.batch.fingerprint import file_state, from_json, models_fingerprint
from vidcam.batch.inputs import Input
from vidcam.batch.records import Record, Store, Unreadable
from vidcam.batch.things import thing_fingerprint
from vidcam.cam.options import MapOptions
from vidcam.errors import UsageError, VidcamError
from vidcam.media.options import MediaOptions
from vidcam.render.look import Look

Format = Literal["gif", "mp4", "webp", "same"]
FORMATS: tuple[Format, ...] = ("gif", "mp4", "webp", "same")
ANIMATION = ("loop", "max_bytes")
"""Options that only GIF and WebP have."""
MOVING = ("fps", "width")
"""Options that stills do not have."""
VIDEO = ("crf", "preset")
"""Options that only videos have."""
FILES = ("weights", "labels", "custom_objects")
"""Arguments of `vidcam.load_model` that name files."""
FORMER_OPTIONS = {"batch_size": range(1, 1 << 20), "precision": ("float32",)}
"""Options that older records have, and the values with which outputs are what they are without."""
DEFAULTS = {f.name: f.default for kind in (MapOptions, Look, MediaOptions) for f in fields(kind)}
"""What options were, that older records do not have."""
WIDTH, FPS, MAX_SECONDS = 480, 12.0, 15.0
"""What a GIF or WebP is unless it is asked for otherwise: at most so wide, so many pictures a second, so long."""


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """What the inputs of a batch have in common; goes to other processes and machines.

    Attributes:
        format: what is written.
        models: for each model the arguments of `vidcam.load_model`; several are compared on every clip.
        maps: how maps are made.
        look: how pictures are drawn.
        media: how files are read and written.
        max_seconds: of each clip, None for all of it.
        overwrite: whether files may be replaced that no batch has made.
        report: whether each clip gets a page, too.
        in_parts: whether long videos are cut, for several workers to work on.
    """

    format: Format
    models: tuple[Mapping[str, Any], ...]
    maps: MapOptions
    look: Look
    media: MediaOptions
    max_seconds: float | None
    overwrite: bool = False
    report: bool = False
    in_parts: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """One input to be made into one output; complete in itself.

    Attributes:
        input: the clip.
        outdir: the output folder, absolute.
        settings: what is made of it.
        made: what the output depends on besides the input's content, plain JSON: `vidcam`, `model`, and `options`; and
            `thing`, where it is said where the thing is, what says so.
    """

    input: Input
    outdir: Path
    settings: BatchSettings
    made: dict[str, Any]

    @property
    def name(self) -> str:
        """The input's name."""
        return self.input.name

    def own(self) -> tuple[MapOptions, MediaOptions]:
        """Returns how this input's maps are made, and how it is read and written."""
        one, settings = self.input, self.settings
        maps = settings.maps if one.target is None else replace(settings.maps, target=one.target)
        start = settings.media.start if one.start is None else one.start
        return maps, replace(settings.media, start=start, end=settings.media.end if one.end is None else one.end)


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """A job and whether it is to be done.

    Attributes:
        job: the job.
        why: why it is done, in a few words; "" where it need not be.
        record: what is known about it; None where nothing usable is.
    """

    job: Job
    why: str
    record: Record | None = None


def settle(settings: BatchSettings) -> BatchSettings:
    """Fills in what a format takes and refuses what it does not.

    Args:
        settings: as they are asked for; `max_seconds` is None for the format's default, 0 for all of a clip.

    Returns:
        The settings to work with.

    Raises:
        UsageError: an option does not go with the format.
    """
    format, media, max_seconds = settings.format, settings.media, settings.max_seconds
    if format not in FORMATS:
        raise UsageError(f"--format {format}: choose one of {', '.join(FORMATS)}")
    moving = format in ("gif", "webp")
    for name in VIDEO if moving else ANIMATION if format == "mp4" else ():
        if getattr(media, name) is not None:
            raise UsageError(f"--{name} {getattr(media, name)}: is not for --format {format}")
    if moving:
        media = replace(media, fps=FPS if media.fps is None else media.fps, width=media.width or WIDTH)
        max_seconds = MAX_SECONDS if max_seconds is None else max_seconds
    models = tuple(_anywhere(model) for model in settings.models)
    return replace(settings, models=models, media=media, max_seconds=max_seconds or None)


def _anywhere(model: Mapping[str, Any]) -> dict[str, Any]:
    """Returns `load_model`'s arguments as they are right in any folder: workers may run in another."""
    found = {
        name: Path(value).absolute() if name in FILES and value is not None else value for name, value in model.items()
    }
    if Path(found["model"]).exists():
        found["model"] = str(Path(found["model"]).absolute())
    return found


def make_plan(
    inputs: Sequence[Input], outdir: Path, settings: BatchSettings, *, force: bool = False, retry: bool = False
) -> list[PlannedJob]:
    """Compares what is asked for with what is done.

    Nothing is written. Files whose size and times are as they were are not read again.

    Args:
        inputs: the clips.
        outdir: the output folder.
        settings: what is made of them.
        force: do all.
        retry: do also what failed and would fail again.

    Returns:
        A step for each input, in their order.

    Raises:
        UsageError: an output of that name is of another clip.
        VidcamError: a model file is missing or cannot be read.
    """
    store = Store(outdir)
    outdir = outdir.absolute()
    model = models_fingerprint(settings.models)
    steps = []
    for one in inputs:
        job = Job(one, outdir, settings, {})
        maps, media = job.own()
        given = {**maps.fingerprint(), **settings.look.fingerprint(), **media.fingerprint()}
        given |= {"format": settings.format, "max_seconds": settings.max_seconds}
        thing = thing_fingerprint(one.boxes, one.masks)
        made = {"vidcam": __version__, "model": model, "options": given, **({"thing": thing} if thing else {})}
        job = replace(job, made=from_json(made))
        try:
            record = store.read(one.name)
        except Unreadable as error:
            steps.append(PlannedJob(job, str(error)))
            continue
        if record is not None and not force:
            _check_same_clip(record, job)
        why = "--force" if force else _why(record, job, retry)
        steps.append(PlannedJob(job, why, record))
    return steps


def _why(record: Record | None, job: Job, retry: bool) -> str:
    """Says why a job is to be done; "" where it need not be."""
    if record is None:
        return "new"
    if record.state == "started":
        return "was not finished"
    change = _changed(record.made, job.made) or ("the input has changed" if _differs(record, job.input.path) else "")
    if change or record.state == "done":
        pageless = job.settings.report and not (record.page and (job.outdir / record.page).is_file())
        spoilt = _spoilt(job.outdir / record.output, record.bytes) if not change else ""
        return change or spoilt or ("its page is missing" if pageless else "")
    if record.lasting and not retry:
        return ""
    return f"it failed: {record.error}"


def _spoilt(output: Path, size: int) -> str:
    """Says what has happened to an output since it was made; "" where nothing has."""
    try:
        return "" if output.stat().st_size == size else "its output has been changed"
    except OSError:
        return "its output is missing"


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Says what else an output depends on has changed; "" where nothing has."""
    if before.get("vidcam") != now["vidcam"]:
        return f"vidcam is {now['vidcam']}, was {before.get('vidcam')}"
    old, new = before.get("model", {}), now["model"]
    if old.get("name") != new["name"]:
        return f"the model is {new['name']}, was {old.get('name')}"
    if old != new:
        which = next(k for k in {**old, **new} if old.get(k) != new.get(k))
        what = {"file": "the model file", "models": "one of the models"}.get(which, f"the model's {which}")
        return f"{what} has changed"
    old, new = before.get("options", {}), now["options"]
    for name in {**old, **new}:
        was = old.get(name, DEFAULTS.get(name))
        if was != new.get(name) and not (name not in new and was in FORMER_OPTIONS.get(name, ())):
            return f"--{name.replace('_', '-')} is {_text(new.get(name))}, was {_text(was)}"
    # Who no longer says where the thing is keeps what was found.
    if now.get("thing") not in (None, before.get("thing")):
        return f"its boxes or masks {'have changed' if before.get('thing') else 'are new'}"
    return ""


def _differs(record: Record, path: Path) -> bool:
    """Tells whether an input is another than that of a record, by its content where its times differ."""
    kept = record.content
    if kept is None:
        return path.exists()
    if kept.untouched(path):
        return False
    if record.state == "failed":  # it may have become readable
        return True
    try:
        return file_state(path).sha256 != kept.sha256
    except VidcamError:
        return True


def _check_same_clip(record: Record, job: Job) -> None:
    """Two clips of one name, from different folders, would take turns in one output.

    Raises:
        UsageError: they do.
    """
    other = Path(record.source)
    if other == job.input.path or not other.exists() or not job.input.path.exists():
        return
    if not other.samefile(job.input.path) and _differs(replace(record, state="done"), job.input.path):
        raise UsageError(
            f"{job.outdir}: {record.output or record.name} there is of {other}, not of {job.input.path}; give -o "
            "another folder, or both clips' folders at once (--force replaces it)"
        )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
