"""Where a run's maps come from: a model that explains the frames as they are read or all beforehand, or a track."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vidcam._machine import cores
from vidcam._version import __version__
from vidcam.cam import ClipExplainer, Explainer
from vidcam.cam.options import MapOptions
from vidcam.cam.targets import CLIP_TOP, Target
from vidcam.errors import UsageError
from vidcam.models import Classifier, load_model
from vidcam.models.zoo import MOST_MODELS
from vidcam.pipeline.cells import SINGLE, Grid, make_model_cells
from vidcam.pipeline.clip import Passes, ReadAhead, explain_clip, resolve
from vidcam.pipeline.draw import on_planes
from vidcam.pipeline.explain import Keep, explain, replay
from vidcam.pipeline.meter import Meter
from vidcam.pipeline.select import Explained, Selection
from vidcam.pipeline.stages import Stages
from vidcam.render.look import Look
from vidcam.types import Classifier as AnyClassifier
from vidcam.types import Progress, Track

BATCH = 4
"""Frames computed at once. More gain little: MobileNetV2 took, on two machines, 9.3 and 31.2 ms a frame at 4, 8.2 and
33.7 at 8. A run of the sample held 272 MB with 8, 235 with 4, and its first picture came sooner. On one core, as a
batch's workers have, half as many: they take 2 % longer."""
BATCH_PIXELS = 2**23
"""Of a batch's frames together: five batches are under way at any time, and large frames gain nothing by more."""


def batch_for(classifier: AnyClassifier, size: tuple[int, int] = (1, 1)) -> int:
    """Returns how many frames of a (width, height) are computed at once: 4, 1 of 4K; or one window."""
    most = BATCH if cores() > 1 else BATCH // 2
    return 1 if classifier.frames else max(1, min(most, BATCH_PIXELS // (size[0] * size[1])))


@dataclass(frozen=True, slots=True)
class ExplainedClip:
    """Explained frames, and what is known about them.

    Attributes:
        explained: batches in order.
        labels: of each cell, a name for each class.
        grid: how the cells are laid out.
        metas: the provenance of each cell's maps.
        tracks: of each cell, where the clip is known.
        passes: progress and cancellation.
        explainers: what computes the maps, each once.
    """

    explained: Iterable[Explained]
    labels: Sequence[tuple[str, ...]]
    grid: Grid
    metas: Sequence[Mapping[str, str]]
    tracks: Sequence[Track]
    passes: Passes
    explainers: Sequence[Explainer] = ()


def from_track(
    reader: ReadAhead,
    track: Track,
    stride: int,
    progress: Progress | None,
    cancelled: Callable[[], bool],
    *,
    measured: bool,
) -> ExplainedClip:
    """Takes maps that were made before."""
    passes = Passes(1, reader.source.info.frames, stride, progress, cancelled)
    explained = replay(reader.frames(), [track], moving=measured)
    return ExplainedClip(explained, [track.labels], SINGLE, [track.meta], [track], passes)


def from_model(
    reader: ReadAhead,
    stages: Stages,
    model: Any,
    how: MapOptions,
    look: Look,
    *,
    selection: Selection,
    stride: int,
    make: Callable[..., Explainer],
    progress: Progress | None,
    cancelled: Callable[[], bool],
    on_model: Callable[[Sequence[Explainer]], None] | None,
    meter: Meter,
    stores_planes: bool,
    measured: bool,
) -> ExplainedClip:
    """Loads a model, or several, and explains frames, in one pass where the look allows it."""
    classifiers = as_classifiers(model)
    info = reader.source.info
    size = min(batch_for(classifier, info.size) for classifier in classifiers)
    cells, grid = make_model_cells(classifiers, how, how.batch_size or size, make)
    explainers = list(dict.fromkeys(cell.explainer for cell in cells))
    for explainer in explainers:
        explainer.ready(*info.size)
    if info.kind != "image":
        stages.overlap((explainer.begin(*info.size) for explainer in explainers), len(explainers), "compile")
    if on_model is not None:
        on_model(explainers)
    rate = {} if how.explain_fps is None else {"explain_fps": f"{how.explain_fps:g}"}
    metas = [provenance(info.path, cell.explainer, cell.target, **rate) for cell in cells]
    # Frames that wait for their windows wait without their pictures, which are read once more.
    beforehand = look.needs_clip or explainers[0].sees_time
    count = 1 + beforehand + any(cell.target == CLIP_TOP for cell in cells)
    passes = Passes(count, info.frames, stride, progress, cancelled)
    labels = [cell.explainer.classifier.labels for cell in cells]
    shown = ExplainedClip((), labels, grid, metas, (), passes, explainers)
    meter.begin()
    cells = resolve(reader, selection, cells, passes, meter)
    moving = how.explain_fps is None
    if not beforehand:
        keep: Keep = "planes" if stores_planes and on_planes(look, grid) else "rgb"
        frames = selection(reader.frames())
        return replace(shown, explained=explain(stages, frames, cells, meter, keep=keep, moving=moving))
    tracks = explain_clip(reader, selection, cells, metas, passes=passes, meter=meter, moving=moving)
    again = replay(reader.frames(), tracks, moving=moving and measured) if tracks else ()
    return replace(shown, explained=again, tracks=tracks)


def as_classifiers(model: Any) -> list[Classifier]:
    """Returns what `as_classifier` does of one model, or of each of a list of them.

    Raises:
        UsageError: there are none, too many, or one of several sees time.
    """
    if not isinstance(model, list | tuple):
        return [as_classifier(model)]
    if not 1 <= len(model) <= MOST_MODELS:
        raise UsageError(f"{len(model)} models: up to {MOST_MODELS} can be compared on one clip")
    found = [as_classifier(one) for one in model]
    for classifier in found:
        if classifier.frames and len(found) > 1:
            raise UsageError(f"{classifier.name}: sees {classifier.frames} frames at a time; explain it by itself")
    return found


def as_classifier(model: Any) -> Classifier:
    """Returns a `Classifier`, or what a function that loads one gives, or what `vidcam.load_model` loads."""
    if model is None:
        return load_model()
    if isinstance(model, Classifier):
        return model
    is_network = hasattr(model, "layers")
    if callable(model) and not is_network:
        loaded: Classifier = model()
        return loaded
    return load_model(model)


def contrast_of(explainer: Explainer) -> dict[str, str]:
    """Says in contrast to what maps explain, where they do."""
    if explainer.rather_than is None:
        return {}
    return {"rather_than": str(explainer.rather_than), "gamma": f"{explainer.gamma:g}"}


def provenance(source: str, explainer: Explainer, target: Target, **more: str) -> dict[str, str]:
    """Says how maps were made, for the file's comment tag and the track.

    File names only: where they lie is the user's own business.
    """
    c = explainer.classifier
    return {
        "vidcam": __version__,
        "source": Path(source).name,
        "model": c.name,
        "weights": Path(getattr(c, "source", "")).name,
        "layer": explainer.layer,
        "method": explainer.method.name,
        "target": str(target),
        **({"neither": c.labels[c.neither]} if c.neither is not None else {}),
        **({"against": "yes"} if explainer.against else {}),
        **contrast_of(explainer),
        **({"top_channels": str(explainer.top_channels)} if explainer.top_channels else {}),
        **(explainer.sampling.told() if isinstance(explainer, ClipExplainer) else {}),
        "fit": c.fit,
        "input_size": "x".join(map(str, c.input_size)),
        "preprocess": getattr(c, "preprocess", ""),
        "engine": explainer.engine,
        **more,
    }
