"""What a run finds out about a clip while its pictures are made: tracks, steadiness, how far several models agree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vidcam.metrics.agreement import Agreement, Comparison
from vidcam.metrics.regions import Region, Shares, shares_of
from vidcam.metrics.steadiness import Steadiness
from vidcam.pipeline.draw import silent_target
from vidcam.pipeline.explained_clip import ExplainedClip
from vidcam.pipeline.files import TrackRecorder
from vidcam.pipeline.select import Explained
from vidcam.types import Track


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found, as `vidcam.pipeline.result.Result` has it."""

    tracks: tuple[Track, ...]
    steadinesses: tuple[float, ...]
    model_shares: tuple[Shares, ...]
    comparison: Comparison | None


class Findings:
    """Gathers what is found as frames with their maps pass.

    Args:
        shown: the clip.
        keep: whether its tracks are wanted, and what is measured on them.
        moving: whether it is more than one picture.

    Attributes:
        steadiness: one for each model, to be filled by who draws; none where nobody wants them.
    """

    def __init__(self, shown: ExplainedClip, *, keep: bool, moving: bool) -> None:
        self._count = shown.grid.compared
        self._recorder = TrackRecorder(shown.labels, shown.metas) if keep else None
        self._agreement = _agreement(shown) if self._count > 1 else None
        self.steadiness = [Steadiness() for _ in range(self._count)] if keep and moving else []

    def watch(self, explained: Iterable[Explained]) -> Iterator[Explained]:
        """Yields the batches as they come."""
        for batch in self._recorder.watch(explained) if self._recorder else explained:
            if self._agreement is not None:
                self._agreement.add([float(f.time) for f in batch.frames], batch.explanations[: self._count])
            yield batch

    def first(self, count: int, region: Region | None) -> Measured:
        """Returns what was found of the first so many frames; of a run that was ended early, more have passed.

        Args:
            count: of the frames, one at least.
            region: where the thing is, where somebody says so.
        """
        tracks = tuple(t.first(count) for t in self._recorder.tracks()[: self._count]) if self._recorder else ()
        return Measured(
            tracks=tracks,
            steadinesses=tuple(s.errors()[0] for s in self.steadiness),
            model_shares=tuple(shares_of(track, region) for track in tracks) if region else (),
            comparison=self._agreement.comparison(count, tracks) if self._agreement else None,
        )


def _agreement(shown: ExplainedClip) -> Agreement:
    """Returns what compares a clip's models."""
    models = shown.grid.models
    labels, metas = shown.labels[: len(models)], shown.metas[: len(models)]
    silent = [silent_target(meta, own) for meta, own in zip(metas, labels, strict=True)]
    return Agreement(models, labels, [meta.get("neither") for meta in metas], silent)
