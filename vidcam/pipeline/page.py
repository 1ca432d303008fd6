"""The last step of a run that was asked for a page: `Result` and files to one HTML file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vidcam.cam.options import MapOptions
from vidcam.pipeline.names import partial_paths
from vidcam.pipeline.result import Result
from vidcam.render.look import Look


def details_of(maps: MapOptions | None, look: Look) -> dict[str, str]:
    """Says how an overlay was made, as a page tells it.

    Args:
        maps: how its maps were made; None for a track's, which says so itself.
        look: how they were drawn.
    """
    made = {"method": maps.method, "target": maps.target} if maps else {}
    return {name: str(value) for name, value in {**made, **look.fingerprint()}.items()}


def with_page(
    result: Result,
    page: Path,
    source: str | Path,
    *,
    reads: Mapping[str, Any],
    details: Mapping[str, str],
    overwrite: bool,
    progress: Callable[[int, int | None], None],
    cancelled: Callable[[], bool],
) -> Result:
    """Writes a run's page; that of a run which was stopped early is called as its output is, `NAME.partial.html`.

    Args:
        result: what was made, with its tracks.
        page: the file.
        source: what was explained.
        reads: how it was opened.
        details: how the overlay was made, beside what the track says of itself.
        overwrite: whether an existing page may be replaced.
        progress: called with the frames done and expected.
        cancelled: ends it.

    Returns:
        The result, with what there is to tell about the page.
    """
    assert result.tracks
    from vidcam.report.clip import write_clip_page  # not needed by most runs

    notes = write_clip_page(
        partial_paths([page], overwrite)[0] if result.interrupted else page,
        source,
        result.path,
        result.tracks,
        steadinesses=result.steadinesses,
        shares=result.model_shares,
        comparison=result.comparison,
        reads=reads,
        damaged=result.damaged,
        details=details,
        overwrite=overwrite,
        progress=progress,
        # After a first Ctrl-C the page of what there is gets made; a second one ends it.
        cancelled=(lambda: False) if result.interrupted else cancelled,
    )
    return replace(result, notes=(*result.notes, *notes))
