"""A long clip in parts, which are explained and drawn apart and joined, such that nothing shows where one ends.

Each step of a part reads what steps before it have left in the clip's working folder and leaves files there that appear
when they are complete; so a step can be done anywhere, and again. What drawing a frame takes from the frames before it
is made from the maps of the part before: `vidcam.render.History` forgets in ten seconds what no eye would see. Who does
the steps, and when, is `vidcam.batch`'s business.
"""

from __future__ import annotations

import json
import math
import time as clock
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vidcam._files import OutputFile, write_text, written
from vidcam.cam import Explainer
from vidcam.cam.targets import CLIP_TOP
from vidcam.errors import Interrupted, UsageError
from vidcam.media import open_sink, open_source
from vidcam.media.times import exact
from vidcam.media.write.join import open_joined
from vidcam.metrics.steadiness import Steadiness, error_of
from vidcam.pipeline.cells import Grid, GridCell, make_cells
from vidcam.pipeline.clip import Passes, ReadAhead
from vidcam.pipeline.draw import Answer, draw, on_planes
from vidcam.pipeline.explain import explain, predict, replay
from vidcam.pipeline.explained_clip import batch_for, provenance
from vidcam.pipeline.files import OutputFiles, TrackRecorder
from vidcam.pipeline.film import Film
from vidcam.pipeline.meter import Meter
from vidcam.pipeline.one_clip import comment_of
from vidcam.pipeline.predictions import Predictions
from vidcam.pipeline.result import Count, Result
from vidcam.pipeline.select import Selection
from vidcam.pipeline.stages import Stages
from vidcam.render import History, clip_peak, histories
from vidcam.types import Classifier, Frame, Planes, Progress, Track

LOOK_BACK = Fraction(2)
"""Seconds before a part that are looked at for cuts, as what is a cut depends on the changes before it."""
AHEAD = 4
"""Pictures that may wait for the encoder."""
MakeExplainer = Callable[..., Explainer]
Cancelled = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a clip, open for a step."""

    film: Film
    number: int
    reader: ReadAhead
    passes: Passes

    def go_on(self, frame: Frame) -> None:
        """Notes that it has come to a frame; raises where nobody wants more."""
        if self.passes.reach(frame):
            raise Interrupted(f"{self.film.source}: interrupted")


def do_step(
    film: Film,
    step: str,
    number: int,
    *,
    classifier: Classifier,
    make: MakeExplainer,
    progress: Progress,
    cancelled: Cancelled,
) -> None:
    """Does a step of a part.

    Args:
        film: the clip.
        step: one of `film.steps`; what `film.needs` says of it is done.
        number: the part's.
        classifier: what is explained.
        make: makes an explainer.
        progress: called with the frames done and expected.
        cancelled: asked again and again; True ends the step, which leaves nothing.

    Raises:
        UsageError: the classifier sees time.
        VidcamError: something cannot be read or written.
        Interrupted: `cancelled` said so.
    """
    if classifier.frames:
        raise UsageError(
            f"{classifier.name}: sees {classifier.frames} frames at a time, and its windows reach across the parts of "
            "a clip; leave --workers out"
        )
    begin, end = film.parts[number]
    with ExitStack() as stack:
        back = begin if step == "draw" else max(exact(film.media.start or 0), begin - LOOK_BACK)
        reads = {**film.media.reads(film.source), "start": back, "end": end}
        reader = stack.enter_context(
            ReadAhead(partial(open_source, film.source, **reads), str(film.source), Meter(False))
        )
        info = reader.source.info
        part = _Part(film, number, reader, Passes(1, info.frames, 1, progress, cancelled))
        if step == "draw":
            _draw(part)
            return
        cells, grid = make_cells(classifier, film.maps, film.maps.batch_size or batch_for(classifier, info.size), make)
        if step == "predict":
            _predict(part, cells)
        else:
            _explain(part, cells, grid)


def _predict(part: _Part, cells: Sequence[GridCell]) -> None:
    film, begin = part.film, part.film.parts[part.number][0]
    frames = (frame for frame in part.reader.frames() if frame.time >= begin)
    total = np.zeros(len(cells[0].explainer.classifier.labels))
    with Stages() as stages:
        selected = Selection(None, None, Meter(False))(frames)
        for last, (probabilities,) in predict(stages, selected, [cells[0].explainer], Meter(False)):
            total += probabilities.sum(axis=0)
            part.go_on(last)
    _leave(film.file("predict", part.number), total.tolist())


def _explain(part: _Part, cells: list[GridCell], grid: Grid) -> None:
    film = part.film
    metas = [provenance(str(film.source), cell.explainer, cell.target) for cell in cells]
    if "predict" in film.steps:
        best = int(np.sum([film.facts("predict", p) for p in range(len(film.parts))], axis=0).argmax())
        cells = [replace(cell, target=best) if cell.target == CLIP_TOP else cell for cell in cells]
    recorder = TrackRecorder([cell.explainer.classifier.labels for cell in cells], metas)
    with Stages() as stages:
        begin = film.parts[part.number][0]
        selected = Selection(None, None, Meter(False))(part.reader.frames())
        explained = explain(stages, selected, cells, Meter(False), begin=begin)
        for batch in recorder.watch(explained):
            part.go_on(batch.frames[-1])
    for number, track in enumerate(recorder.tracks()):
        with written(film.track(part.number, number)) as file:
            track.save(file)
    facts = {"damaged": part.reader.source.damaged, "grid": [grid.columns, list(grid.titles), grid.targets]}
    notes = [cell.explainer.note for cell in cells if cell.explainer.note]
    _leave(film.file("explain", part.number), {**facts, "notes": list(dict.fromkeys(notes))})


def _draw(part: _Part) -> None:
    film, number = part.film, part.number
    columns, titles, targets = film.facts("explain", number)["grid"]
    grid = Grid(columns, tuple(titles), targets)
    tracks = [Track.load(film.track(number, cell)) for cell in range(len(titles))]
    info = part.reader.source.info
    # Times count from the start of the whole, so that parts need no shifting when they are joined.
    writes = {**film.media.writes(film.source), "start": film.media.start, "audio": False, "overwrite": True}
    steadiness = [Steadiness()] if film.measured else []
    with open_sink(film.file("draw", number), source=info, **writes) as sink, Stages() as stages:
        pictures = draw(
            replay(part.reader.frames(), tracks, moving=film.measured),
            film.look,
            [track.labels for track in tracks],
            grid,
            metas=[track.meta for track in tracks],
            planes=sink.stores_planes and on_planes(film.look, grid),
            width=film.media.width,
            histories=_histories(film, number, len(titles)),
            steadiness=steadiness,
            region=film.region,
        )
        for drawn in stages.overlap(pictures, AHEAD, "draw"):
            write = sink.write_planes if isinstance(drawn.picture, Planes) else sink.write
            write(drawn.picture, drawn.frame.time, drawn.frame.duration)  # type: ignore[arg-type]
            part.go_on(drawn.frame)
        if steadiness:
            _leave(film.sums(number), list(steadiness[0].sums(0)))


def _histories(film: Film, part: int, cells: int) -> list[History]:
    """Returns each cell's history as it is when the part before has been drawn."""
    if film.look.normalize == "clip":
        made = [History("fixed", film.look.smooth, peak) for peak in _peaks(film, cells)]
    else:
        made = histories(film.look, cells)
    for cell, history in enumerate(made):
        if part:
            history.catch_up(Track.load(film.track(part - 1, cell)))
    return made


def _peaks(film: Film, cells: int) -> list[float]:
    """Returns the largest value of each cell's maps in the whole clip; who comes first finds it for the others."""
    file = film.folder / "peaks.json"
    if not file.exists():
        tracks = ((Track.load(film.track(p, cell)) for p in range(len(film.parts))) for cell in range(cells))
        _leave(file, [clip_peak(parts, film.look.smooth) for parts in tracks])
    peaks: list[float] = json.loads(file.read_text("utf-8"))
    return peaks


def join(
    film: Film,
    output: Path,
    *,
    predictions: Path | None = None,
    maps: Path | None = None,
    overwrite: bool = False,
) -> Result:
    """Puts a clip's parts together, with the sound, and writes its numbers.

    Args:
        film: the clip, whose steps are all done.
        output: the video.
        predictions: a `.csv` or `.jsonl` file for the numbers of each frame, or None.
        maps: an `.npz` file for the raw maps, or None.
        overwrite: replace existing files.

    Returns:
        What was made, with its track.

    Raises:
        UsageError: a file exists.
        VidcamError: something cannot be written.
    """
    began = clock.monotonic()
    with open_source(film.source, **film.media.reads(film.source)) as source:
        info = source.info
    facts = [film.facts("explain", part) for part in range(len(film.parts))]
    parts = range(len(film.parts))
    tracks = [Track.chain([Track.load(film.track(p, c)) for p in parts]) for c in range(len(facts[0]["grid"][1]))]
    first, metas = tracks[0], [dict(track.meta) for track in tracks]
    sink = open_joined(
        output,
        source=info,
        start=film.media.start,
        end=film.media.end,
        audio=film.media.audio,
        comment=comment_of(metas),
        overwrite=overwrite,
    )
    with ExitStack() as stack:
        outputs = stack.enter_context(
            OutputFiles(
                sink=sink,
                predictions=Predictions(predictions, [first.labels], overwrite=overwrite) if predictions else None,
                maps=OutputFile(maps, overwrite) if maps else None,
                overwrite=overwrite,
            )
        )
        for part in parts:
            sink.append(film.file("draw", part))
        seen = Count([meta.get("target", "top") for meta in metas])
        for row in range(len(first)):
            answers = tuple(Answer(t.targets[row], t.logits[row], t.probabilities[row]) for t in tracks)
            outputs.note(_frame(first, row), answers)
            seen.add(answers, True)
        outputs.finish(first, cut=False)
    return Result(
        path=Path(sink.path),
        frames=sink.frames,
        read=seen.frames,
        explained=seen.asked,
        size=sink.size or (0, 0),
        seconds=clock.monotonic() - began,
        tallies=seen.tallies([track.labels for track in tracks]),
        damaged=sum(f["damaged"] for f in facts),
        notes=(*info.notes, *sink.notes, *dict.fromkeys(note for f in facts for note in f["notes"])),
        tracks=(first,),
        steadinesses=(_steadiness(film),),
    )


def _steadiness(film: Film) -> float:
    """Returns E of the heat that is shown; from the last frame of a part to the first of the next nothing is measured,
    one change in many hundreds."""
    if not film.measured:
        return math.nan
    sums = [json.loads(film.sums(part).read_text("utf-8")) for part in range(len(film.parts))]
    return error_of(*np.sum(sums, axis=0).tolist())


def _frame(track: Track, row: int) -> Frame:
    nothing = np.empty((0, 0, 3), np.uint8)
    time = Fraction(float(track.times[row])).limit_denominator(1_000_000)
    return Frame(int(track.indices[row]), time, None, nothing, track.placement.frame)


def _leave(file: Path, facts: Any) -> None:
    write_text(file, json.dumps(facts))
