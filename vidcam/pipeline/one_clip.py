"""`run`: source -> classifier -> maps -> pictures -> sink, the stages overlapped and the memory bounded."""

from __future__ import annotations

import json
import time as clock
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

import cv2

from vidcam._files import OutputFile
from vidcam._notebook import notebook_bar
from vidcam._options import accepts, refuse, take
from vidcam.cam import METHODS, Explainer
from vidcam.cam.clips import explainer_for
from vidcam.cam.options import MapOptions
from vidcam.cam.targets import CLIP_TOP, TOP
from vidcam.errors import Interrupted, UsageError, VidcamError
from vidcam.media import Info, open_sink, open_source
from vidcam.media.options import MediaOptions
from vidcam.metrics.regions import region_of
from vidcam.models.fit import KEEP_ASPECT, is_bounded
from vidcam.pipeline.cells import Grid
from vidcam.pipeline.clip import Passes, ReadAhead
from vidcam.pipeline.draw import Drawn, draw, on_planes
from vidcam.pipeline.explained_clip import ExplainedClip, from_model, from_track
from vidcam.pipeline.files import OutputFiles, check_side_files
from vidcam.pipeline.findings import Findings
from vidcam.pipeline.meter import Meter
from vidcam.pipeline.names import output_path
from vidcam.pipeline.page import details_of, with_page
from vidcam.pipeline.predictions import Predictions
from vidcam.pipeline.result import Count, Result
from vidcam.pipeline.select import Selection
from vidcam.pipeline.stages import Stages
from vidcam.render import Look
from vidcam.types import Frame, Progress, Track

AHEAD = 4
"""Pictures that may wait for the encoder."""


@accepts(MapOptions, Look, MediaOptions)
def run(
    source: str | Path,
    output: str | Path | None = None,
    *,
    model: Any = None,
    track: Track | str | Path | None = None,
    predictions: str | Path | None = None,
    maps: str | Path | None = None,
    report: str | Path | None = None,
    boxes: str | Path | None = None,
    masks: str | Path | None = None,
    keep_track: bool = False,
    make_explainer: Callable[..., Explainer] = explainer_for,
    overwrite: bool = False,
    progress: Progress | None = None,
    on_model: Callable[[Sequence[Explainer]], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    partial_output: bool = True,
    measure: bool = False,
    **options: Any,
) -> Result:
    """Explains a video, GIF or image and writes it with the maps laid over it.

    Args:
        source: the file.
        output: a file whose suffix says the format, or an existing directory; None for `NAME_cam.EXT` in the current
            directory.
        model: a `Classifier` or a function that loads one, or what `vidcam.load_model` takes: a name, a file, a
            `keras.Model`; None for the model that ships with vidcam. A list of up to four is compared: the picture has
            a cell for each, and the result says how far they agree (`Result.comparison`).
        track: maps of this source that were made before, or their `.npz` file: they are drawn, and no model is loaded.
        predictions: a `.csv` or `.jsonl` file for the numbers of each frame.
        maps: an `.npz` file for the raw maps (`vidcam.Track`) of one model, which the result then holds, too.
        report: an `.html` file for a page with original and overlay in step.
        boxes: a CSV that says where the thing is (`vidcam.metrics.regions.read_moving_boxes`): the result and the page
            then say how much of the heat lies there.
        masks: a folder of masks that say so, a picture for each frame; not beside `boxes`.
        keep_track: the result holds the raw maps, of a grid each model's first cell's, also without a file.
        make_explainer: makes the explainers; one that keeps them lets runs of one model share their graphs.
        overwrite: replace existing files.
        progress: called in this thread with the frames done and expected (None where the source does not know); what
            needs the whole clip first counts its frames once a pass, and a page begins anew. In a notebook None is a
            bar.
        on_model: called once the model is ready, with an explainer for each method.
        cancelled: asked after every frame; True ends the run there.
        partial_output: a run that is ended early leaves its output, complete but shorter, as `NAME.partial.EXT`; False
            for nothing at all.
        measure: the result says what each stage took (`Result.timings`).
        **options: how maps are made (`target`, `method` and so on), how pictures are drawn (`colormap`, `view`) and how
            files are read and written (`start`, `fps`); None stands for the default.

    Returns:
        What was made.

    Raises:
        TypeError: there is no such option.
        UsageError: something was asked for that makes no sense.
        VidcamError: something could not be read, loaded or written.
        Interrupted: the run was ended early and has left nothing.
    """
    began = clock.monotonic()
    how, look, media = take(MapOptions, options), take(Look, options), take(MediaOptions, options)
    refuse(options, "run", [*signature(run).parameters])
    chosen = model is not None or how != MapOptions(batch_size=how.batch_size)
    given = None if track is None else _given(track, chosen=chosen)
    writes, region = {**media.writes(source), "overwrite": overwrite}, region_of(boxes, masks, media.start)
    check_outline(look, region)
    kept = bool(maps or keep_track or report or region)
    with ExitStack() as stack:
        stack.enter_context(one_opencv_thread())
        meter = stack.enter_context(Meter(measure))
        opening = partial(open_source, source, **media.reads(source))
        reader = stack.enter_context(ReadAhead(opening, str(source), meter))
        info = reader.source.info
        if look.view == "timeline" and info.kind == "image":
            raise UsageError(f"view timeline shows a clip over time; {source} is a single picture")
        path = output_path(source, info.kind, output)
        # What can be wrong with the outputs is found before the model is loaded, which takes seconds.
        probe = open_sink(path, source=info, **writes)
        probe.abort()
        check_side_files(path, predictions, maps, report, overwrite)
        selection = Selection(probe.pace if how.explain == "written" else None, how.explain_fps, meter)
        stages, progress = stack.enter_context(Stages()), stack.enter_context(notebook_bar(progress))
        if given is not None:
            meter.begin()
            shown = from_track(reader, given, media.stride, progress, cancelled, measured=kept)
        else:
            shown = from_model(
                reader,
                stages,
                model,
                how,
                look,
                selection=selection,
                stride=media.stride,
                make=make_explainer,
                progress=progress,
                cancelled=cancelled,
                on_model=on_model,
                meter=meter,
                stores_planes=probe.stores_planes,
                measured=kept,
            )
        _check_grid(shown.grid, maps)
        outputs = OutputFiles(
            sink=open_sink(path, source=info, comment=comment_of(shown.metas), **writes),
            predictions=_predictions(predictions, shown, overwrite) if predictions else None,
            maps=OutputFile(Path(maps), overwrite) if maps else None,
            models=shown.grid.compared,
            overwrite=overwrite,
        )
        stack.enter_context(outputs)
        findings = Findings(shown, keep=kept, moving=info.kind != "image")
        pictures = draw(
            findings.watch(shown.explained),
            look,
            shown.labels,
            shown.grid,
            shown.tracks,
            metas=shown.metas,
            planes=outputs.sink.stores_planes and on_planes(look, shown.grid),
            width=media.width,
            meter=meter,
            steadiness=findings.steadiness,
            region=region if look.outline else None,
        )
        seen = Count([meta.get("target", "top") for meta in shown.metas], shown.grid.models)
        last = _write(stages.overlap(pictures, AHEAD, "draw"), outputs, seen, shown.passes, meter)
        interrupted = shown.passes.stopped
        if interrupted and not (seen.frames and partial_output):
            raise Interrupted(f"{source}: interrupted; nothing was written")
        if last is None:
            raise no_picture(source, info, media.start)
        # Of a run that was ended early, more was explained than is shown.
        found = findings.first(seen.frames, region)
        with meter.stage("encode"):
            outputs.finish(found.tracks[0] if found.tracks else None, cut=interrupted)
        sink = outputs.sink
        result = Result(
            path=Path(sink.path),
            frames=sink.frames,
            # Of a run that ends before the source does, frames beyond have been read ahead.
            read=last.index // media.stride + 1 if interrupted or sink.full or given else selection.read,
            explained=seen.asked,
            size=sink.size or (0, 0),
            seconds=clock.monotonic() - began,
            tallies=seen.tallies(shown.labels),
            damaged=reader.source.damaged,
            interrupted=interrupted,
            notes=(*info.notes, *sink.notes, *_notes(how, shown.explainers, info.size)),
            tracks=found.tracks,
            steadinesses=found.steadinesses,
            model_shares=found.model_shares,
            comparison=found.comparison,
            timings=meter.timings(sink.frames, float(info.fps / media.stride) if info.fps else None),
        )
    if predictions:
        result = _told(result)
    if report is None:
        return result
    return with_page(
        result,
        Path(report),
        source,
        reads=media.reads(source),
        details=details_of(how if given is None else None, look),
        overwrite=overwrite,
        progress=progress or (lambda done, total: None),
        cancelled=cancelled,
    )


def check_outline(look: Look, said: object) -> None:
    """Checks that somebody says where the thing is whose outline is to be drawn.

    Raises:
        UsageError: nobody does.
    """
    if look.outline and not said:
        raise UsageError("--outline: draws the thing that --boxes or --masks are about; give one of them")


def _predictions(path: str | Path, shown: ExplainedClip, overwrite: bool) -> Predictions:
    """Opens the file for the numbers of each frame, of each model."""
    return Predictions(path, shown.labels[: shown.grid.compared], shown.grid.models, overwrite=overwrite)


def _given(track: Track | str | Path, *, chosen: bool) -> Track:
    """Returns maps that were made before, for which nothing else may be chosen."""
    if chosen:
        raise UsageError(
            "a track has its maps: the model, target, method, layer and what goes with them are chosen already"
        )
    return Track.load(track) if isinstance(track, str | Path) else track


def _check_grid(grid: Grid, maps: str | Path | None) -> None:
    """Checks that maps can be kept, as a file holds those of one cell."""
    if maps and grid.models:
        raise UsageError(f"--maps {maps}: holds one model's maps; run each of the {len(grid.models)} models by itself")
    if maps and len(grid.titles) > 1:
        raise UsageError(f"--maps {maps}: holds one method's maps of one target; the grid has {len(grid.titles)}")


def no_picture(source: str | Path, info: Info, start: float | None) -> VidcamError:
    """Returns an error that says why there was no picture to explain."""
    if start and info.duration and start >= info.duration:
        return VidcamError(f"{source}: lasts {info.duration:.2f} s; --start {start:g} is beyond its end")
    return VidcamError(f"{source}: has no picture in the time that was asked for")


def comment_of(metas: Sequence[Mapping[str, str]]) -> str:
    """Returns the provenance for the file's comment tag: an object, or a list of them for a grid."""
    return json.dumps(metas[0] if len(metas) == 1 else list(metas), ensure_ascii=False)


def _notes(how: MapOptions, explainers: Sequence[Explainer], size: tuple[int, int]) -> list[str]:
    several = len({id(e.classifier) for e in explainers}) > 1
    notes = [f"{e.classifier.name}: {e.note}" if several else e.note for e in explainers if e.note]
    if any(is_bounded(size, e.classifier.fit) for e in explainers):
        notes.append(
            f"{size[0]}x{size[1]} is longer than {KEEP_ASPECT}:1: the model sees it whole with black bars "
            "(--fit squash stretches it instead)"
        )
    blind = [METHODS[name].title for name in how.methods if not METHODS[name].targeted]
    if blind and how.target not in (TOP, CLIP_TOP):
        notes.append(f"{' and '.join(blind)} shows the strongest pattern in the layer, the same for every target")
    return notes


def _told(result: Result) -> Result:
    """Returns the result with a note where the numbers are not those of every frame."""
    if result.explained >= result.read:
        return result
    of = f"{result.explained} frames that were explained, of {result.read}"
    return replace(result, notes=(*result.notes, f"the predictions are of the {of}; --explain all has all"))


def _write(drawn: Iterable[Drawn], outputs: OutputFiles, seen: Count, passes: Passes, meter: Meter) -> Frame | None:
    """Writes the pictures, counts what was explained, and returns the last frame."""
    item: Drawn | None = None
    for item in drawn:
        with meter.stage("encode"):
            outputs.write(item)
        seen.add(item.answers, item.asked)
        if passes.reach(item.frame) or outputs.sink.full:
            break
    return None if item is None else item.frame


@contextmanager
def one_opencv_thread() -> Iterator[None]:
    """Keeps OpenCV to the calling thread: the stages fill the cores already."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
