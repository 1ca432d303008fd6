"""`vidcam run --report`: a page of the clip, made of what a run has left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidcam.cli.progress import Bar

if TYPE_CHECKING:
    from vidcam.pipeline import Result

LOOK = ("method", "target", "view", "normalize", "smooth", "colormap", "alpha", "opacity")
"""Options that say how the overlay was made."""


def write_report(
    path: Path,
    source: Path,
    result: Result,
    options: Mapping[str, Any],
    *,
    from_maps: bool,
    quiet: bool,
    cancelled: Callable[[], bool],
) -> tuple[str, ...]:
    """Writes the page; that of a run which was stopped early is called as its output is, `NAME.partial.html`.

    Args:
        path: the page.
        source: what was explained.
        result: what was made of it, with its track.
        options: `vidcam.run`'s.
        from_maps: whether the maps were made before, with a method and target of their own.
        quiet: show no progress.
        cancelled: ends it.

    Returns:
        One-line things to tell the user.
    """
    from vidcam.pipeline.options import split_options
    from vidcam.pipeline.output import partial_paths
    from vidcam.report.clip import write_clip_page

    if result.track is None:
        raise ValueError("the result has no track; run with keep_track=True")
    media = {name: options[name] for name in ("max_size", "max_pixels", "background", "fps")}
    reads, _ = split_options(source, media)  # type: ignore[arg-type]
    details = {name: str(options[name]) for name in LOOK if not (from_maps and name in ("method", "target"))}
    with Bar("frames for the page", quiet) as bar:
        return write_clip_page(
            partial_paths([path], options["overwrite"])[0] if result.interrupted else path,
            source,
            result.path,
            result.track,
            reads={**reads, **{name: options[name] for name in ("start", "end", "stride")}},
            damaged=result.damaged,
            details=details,
            overwrite=options["overwrite"],
            progress=bar.update,
            # After a first Ctrl-C the page of what there is gets made; a second one ends it.
            cancelled=(lambda: False) if result.interrupted else cancelled,
        )
