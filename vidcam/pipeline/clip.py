"""What has to be known of a whole clip before its first picture is drawn: its best class, its maps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

import numpy as np

from vidcam.cam.targets import CLIP_TOP
from vidcam.media import Source
from vidcam.pipeline.cells import GridCell
from vidcam.pipeline.explain import explain, predict
from vidcam.pipeline.files import TrackRecorder
from vidcam.pipeline.meter import Meter
from vidcam.pipeline.select import Selection
from vidcam.pipeline.stages import Stages, Watch
from vidcam.pipeline.windows import explain_windows, predict_windows
from vidcam.types import Array, Frame, Progress, Track

AHEAD = 4
"""Frames that may be decoded ahead."""


class ReadAhead:
    """A source that is decoded ahead in a thread and can be read again; a context manager.

    The first frames are decoded at once, while somebody loads a model.

    Args:
        open: opens it.
        name: what to call it in messages.
        meter: measures the decoding.

    Attributes:
        source: the source as it is open now.
    """

    def __init__(self, open: Callable[[], Source], name: str, meter: Meter) -> None:
        self._open = open
        self._name = name
        self._meter = meter
        self._stages = Stages()
        self.source = self._opened()
        self._ahead: Iterator[Frame] | None = self._read()

    def frames(self) -> Iterator[Frame]:
        """Returns the frames from the first on; those given before are no longer read."""
        ahead, self._ahead = self._ahead, None
        if ahead is None:
            self._close()
            self._stages = Stages()
            self.source = self._opened()
            ahead = self._read()
        return ahead

    def _read(self) -> Iterator[Frame]:
        source = self.source
        watch = Watch(lambda: source.pulse, f"{self._name}: reading it makes no progress any more; given up")
        return self._stages.overlap(self._meter.each(source, "decode"), AHEAD, "decode", watch)

    def _close(self) -> None:
        """Ends the thread and closes the source, but for a decoder that hangs: that is left alone."""
        self._stages.__exit__(None, None, None)
        if not self._stages.hung:
            self.source.close()

    def _opened(self) -> Source:
        """Opens the source in a thread, so that a file in which the decoder hangs at once can be given up, too."""
        watch = Watch(lambda: 0, f"{self._name}: opening it makes no progress; given up")
        with Stages() as stages:
            return next(stages.overlap((self._open() for _ in range(1)), 1, "open", watch))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._close()


class Passes:
    """Progress and cancellation over several passes of one clip, as if they were one.

    Args:
        count: how many passes there will be.
        frames: expected in each, None where the source does not say.
        stride: of the source.
        progress: called with the frames done and expected, all passes together.
        cancelled: asked after every frame or batch.

    Attributes:
        stopped: whether a pass was ended early. The passes after it make a playable file of what there is.
    """

    def __init__(
        self, count: int, frames: int | None, stride: int, progress: Progress | None, cancelled: Callable[[], bool]
    ) -> None:
        self._total = None if frames is None else count * frames
        self._stride = stride
        self._progress = progress
        self._cancelled = cancelled
        self._before = self._done = 0
        self.stopped = False

    def reach(self, frame: Frame) -> bool:
        """Notes that a pass has come to a frame, and returns whether it is to end here."""
        done = frame.index // self._stride + 1
        if done <= self._done:  # the next pass
            self._before += self._done
        self._done = done
        if self._progress is not None:
            self._progress(self._before + done, self._total)
        if not self.stopped and self._cancelled():
            self.stopped = True
            return True
        return False


def best_classes(
    reader: ReadAhead, selection: Selection, cells: Sequence[GridCell], passes: Passes, meter: Meter
) -> list[int]:
    """Classifies a whole clip.

    Returns:
        For each of the cells, of another model each, the class with the greatest mean probability: `clip-top`.
    """
    totals = [np.zeros(len(cell.explainer.classifier.labels)) for cell in cells]
    with Stages() as stages:
        predicted: Iterator[tuple[Frame, list[Array]]]
        if cells[0].explainer.sees_time:
            windows = predict_windows(stages, selection.every(reader.frames()), cells[0], meter)
            predicted = ((frame, [probabilities]) for frame, probabilities in windows)
        else:
            predicted = predict(stages, selection(reader.frames()), [cell.explainer for cell in cells], meter)
        for frame, probabilities in predicted:
            for model, found in enumerate(probabilities):
                totals[model] += found.sum(axis=0)
            if passes.reach(frame):
                break
    return [int(total.argmax()) for total in totals]


def resolve(
    reader: ReadAhead, selection: Selection, cells: Sequence[GridCell], passes: Passes, meter: Meter
) -> list[GridCell]:
    """Puts the clip's best class, as each model sees it, in the place of `clip-top`, where a cell asks for it."""
    if all(cell.target != CLIP_TOP for cell in cells):
        return list(cells)
    models = {id(cell.explainer.classifier): cell for cell in reversed(cells)}
    best = dict(zip(models, best_classes(reader, selection, [*models.values()], passes, meter), strict=True))
    return [
        replace(cell, target=best[id(cell.explainer.classifier)]) if cell.target == CLIP_TOP else cell for cell in cells
    ]


def explain_clip(
    reader: ReadAhead,
    selection: Selection,
    cells: Sequence[GridCell],
    metas: Sequence[Mapping[str, str]],
    *,
    passes: Passes,
    meter: Meter,
    moving: bool,
) -> list[Track]:
    """Explains a whole clip.

    Args:
        reader: the clip.
        selection: which of its frames.
        cells: what explains it, and what, without `clip-top`.
        metas: the provenance of each cell.
        passes: progress and cancellation.
        meter: measures the work.
        moving: whether motion is looked for.

    Returns:
        A track for each cell; none where the clip has no frame.
    """
    recorder = TrackRecorder([cell.explainer.classifier.labels for cell in cells], metas)
    with Stages() as stages:
        if cells[0].explainer.sees_time:
            explained = explain_windows(stages, selection.every(reader.frames()), cells, meter, moving=moving)
        else:
            explained = explain(stages, selection(reader.frames()), cells, meter, moving=moving)
        for batch in recorder.watch(explained):
            if passes.reach(batch.frames[-1]):
                break
    return recorder.tracks()
