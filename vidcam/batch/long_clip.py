"""`run_in_parts`: one long video by several processes, as `vidcam run --workers` has it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vidcam._version import __version__
from vidcam.batch.crew import BatchProgress, Crew
from vidcam.batch.fingerprint import file_state, from_json, model_fingerprint
from vidcam.batch.local import LocalWorker
from vidcam.batch.pieces import Films, Work, close_folder, open_folder
from vidcam.batch.plan import BatchSettings, settle
from vidcam.batch.resources import share_cores
from vidcam.batch.things import thing_fingerprint
from vidcam.batch.work import Unusable
from vidcam.cam.options import MapOptions
from vidcam.errors import Interrupted, VidcamError
from vidcam.media import open_sink, open_source
from vidcam.media.options import MediaOptions
from vidcam.metrics.regions import region_of, shares_of
from vidcam.pipeline.files import check_side_files
from vidcam.pipeline.film import Film, points_of
from vidcam.pipeline.names import output_path
from vidcam.pipeline.one_clip import check_outline
from vidcam.pipeline.page import details_of, with_page
from vidcam.pipeline.parts import join
from vidcam.pipeline.result import Result
from vidcam.render.look import Look
from vidcam.types import Progress


def run_in_parts(
    source: Path,
    output: str | Path | None,
    *,
    model: Mapping[str, Any],
    maps: MapOptions,
    look: Look,
    media: MediaOptions,
    workers: int,
    files: Mapping[str, Path | None],
    overwrite: bool = False,
    progress: Progress,
    cancelled: Callable[[], bool],
) -> Result | None:
    """Explains a long video in parts, which processes work on at once, and joins them without encoding again.

    The parts lie in a hidden folder beside the output until all are done; a run that was stopped or killed goes on
    from there. Times, sound and pictures are those of one run.

    Args:
        source: the video.
        output: as `vidcam.run` takes it.
        model: the arguments of `vidcam.load_model`.
        maps: how maps are made.
        look: how pictures are drawn.
        media: how files are read and written.
        workers: processes.
        files: `predictions`, `maps`, `report`, `boxes` and `masks`, as `vidcam.run` takes them.
        overwrite: replace existing files.
        progress: called with the steps of parts that are done, and there are.
        cancelled: asked again and again; True ends the run.

    Returns:
        What was made; None where the clip is not one to be cut: too short, no key frames to cut at, or drawn or
        written as a whole.

    Raises:
        UsageError: something was asked for that makes no sense.
        VidcamError: something could not be read, loaded or written.
        Interrupted: the run was ended early; the same one goes on from there.
    """
    check_outline(look, files["boxes"] or files["masks"])
    began, region = time.monotonic(), region_of(files["boxes"], files["masks"], media.start)
    with open_source(source, **media.reads(source)) as opened:
        info = opened.info
    path = output_path(source, info.kind, output)
    open_sink(path, source=info, **media.writes(source), overwrite=overwrite).abort()
    check_side_files(path, files["predictions"], files["maps"], files["report"], overwrite)
    points = points_of(info, path, maps, look, media) if workers > 1 else ()
    if not points:
        return None
    # Workers run in this folder, but what a process is given names files wherever it runs.
    settings = settle(BatchSettings("mp4", (model,), maps, look, media, None, in_parts=True))
    folder, measured = path.with_name(f".{path.name}.parts").absolute(), files["report"] is not None
    film = Film(source.absolute(), folder, points, maps, look, media, measured, region if look.outline else None)
    made = {**maps.fingerprint(), **look.fingerprint(), **media.fingerprint()}
    made |= {
        "vidcam": __version__,
        "model": model_fingerprint(settings.models[0]),
        "content": file_state(source).sha256,
    }
    made |= {"measured": measured}
    if film.region is not None:
        made |= {"thing": thing_fingerprint(files["boxes"], files["masks"])}
    open_folder(film, from_json(made))
    _work(film, settings, min(workers, len(film.parts)), progress, cancelled)
    result = join(film, path, predictions=files["predictions"], maps=files["maps"], overwrite=overwrite)
    close_folder(film)
    assert result.track is not None
    found = () if region is None else (shares_of(result.track, region),)
    result = replace(result, model_shares=found, seconds=time.monotonic() - began)
    if files["report"] is None:
        return result
    return with_page(
        result,
        files["report"],
        source,
        reads=media.reads(source),
        details=details_of(maps, look),
        overwrite=overwrite,
        progress=lambda done, total: None,
        cancelled=cancelled,
    )


def _work(film: Film, settings: BatchSettings, workers: int, progress: Progress, cancelled: Callable[[], bool]) -> None:
    """Has every step of every part done."""
    films = Films()

    def failed(work: Work, how: str) -> Any:
        raise VidcamError(f"{work.name}: {how}")

    def watch(_: BatchProgress) -> None:
        progress(films.done, films.total)

    pieces = films.begin(film)
    if not pieces:
        return
    crew = Crew([LocalWorker(settings, part) for part in share_cores(workers)], pieces, failed, watch, films)
    try:
        if crew.run(cancelled):
            raise Interrupted(f"{film.source}: interrupted; the same command goes on from there")
    except Unusable as error:
        raise error.error() from None
