"""`compare`: how far several models agree on one clip, without a picture of it; `run` draws them beside each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

from vidcam._notebook import notebook_bar
from vidcam._options import accepts, names_of, refuse, take
from vidcam.cam import Explainer
from vidcam.cam.clips import explainer_for
from vidcam.cam.options import MapOptions
from vidcam.errors import UsageError
from vidcam.media import open_source
from vidcam.media.options import READING, MediaOptions, is_sequence
from vidcam.metrics.agreement import Comparison
from vidcam.pipeline.clip import ReadAhead
from vidcam.pipeline.explained_clip import from_model
from vidcam.pipeline.findings import Findings
from vidcam.pipeline.meter import Meter
from vidcam.pipeline.one_clip import no_picture, one_opencv_thread
from vidcam.pipeline.select import Selection
from vidcam.pipeline.stages import Stages
from vidcam.render import Look
from vidcam.types import Progress

WITHOUT = ("explain", *(name for name in names_of(MediaOptions) if name not in (*READING, "fps")))
"""Options about what is written: here nothing is."""


@accepts(MapOptions, MediaOptions, without=WITHOUT)
def compare(
    source: str | Path,
    models: Sequence[Any],
    *,
    make_explainer: Callable[..., Explainer] = explainer_for,
    progress: Progress | None = None,
    **options: Any,
) -> Comparison:
    """Compares what models say of a video, GIF or image and where they look, frame by frame; nothing is written.

    `vidcam.run(source, output, model=models)` shows them beside each other and finds the same (`Result.comparison`).

    Args:
        source: the file.
        models: two to four, each a `Classifier` or a function that loads one, or what `vidcam.load_model` takes: a
            name, a file, a `keras.Model`; None for the model that ships with vidcam.
        make_explainer: makes the explainers; one that keeps them lets calls for one model share their graphs.
        progress: called in this thread with the frames done and expected (None where the source does not know). In a
            notebook None is a bar.
        **options: how maps are made (`target`, `layer` and so on; of one method and target) and how the file is read
            (`start`, `end`); None stands for the default.

    Returns:
        For every two of the models how often they agree, and their maps (`tracks`).

    Raises:
        TypeError: there is no such option.
        UsageError: something was asked for that makes no sense.
        VidcamError: something could not be read, loaded or explained.
    """
    known = [*signature(compare).parameters]
    refuse({name: value for name, value in options.items() if name in WITHOUT}, "compare", known)
    how, media = take(MapOptions, options), take(MediaOptions, options)
    refuse(options, "compare", known)
    _check(source, models, how, media)
    with ExitStack() as stack:
        stack.enter_context(one_opencv_thread())
        meter = stack.enter_context(Meter(False))
        reader = stack.enter_context(ReadAhead(partial(open_source, source, **media.reads(source)), str(source), meter))
        stages, progress = stack.enter_context(Stages()), stack.enter_context(notebook_bar(progress))
        shown = from_model(
            reader,
            stages,
            list(models),
            how,
            Look(),
            selection=Selection(None, how.explain_fps, meter),
            stride=media.stride,
            make=make_explainer,
            progress=progress,
            cancelled=lambda: False,
            on_model=None,
            meter=meter,
            stores_planes=False,
            measured=False,
        )
        if len(shown.grid.titles) > shown.grid.compared:
            raise UsageError(f"target {how.target}: has alternatives; models are compared by one map each")
        findings, count = Findings(shown, keep=True, moving=False), 0
        for batch in findings.watch(shown.explained):
            count += len(batch.frames)
            shown.passes.reach(batch.frames[-1])
        if not count:
            raise no_picture(source, reader.source.info, media.start)
        comparison = findings.first(count, None).comparison
    assert comparison is not None
    return comparison


def _check(source: str | Path, models: Sequence[Any], how: MapOptions, media: MediaOptions) -> None:
    """Checks what can be wrong before anything is read."""
    if isinstance(models, str | Path) or not isinstance(models, Sequence) or len(models) < 2:
        raise UsageError(f"compare takes a list of two models or more, not {models!r}")
    if len(how.methods) > 1:
        raise UsageError(f"method {how.method}: models are compared by the maps of one method")
    if media.fps is not None and not is_sequence(source):
        raise UsageError(f"fps {media.fps:g}: is the pace of a folder of pictures; explain_fps says how many frames")
