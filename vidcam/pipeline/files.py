"""The files that a run leaves, which appear together when the run is through, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from vidcam._files import OutputFile, undisturbed, writing
from vidcam.errors import UsageError, VidcamError
from vidcam.media import Sink
from vidcam.pipeline.draw import Answer, Drawn
from vidcam.pipeline.names import partial_paths
from vidcam.pipeline.predictions import Predictions, check_format
from vidcam.pipeline.select import Explained
from vidcam.types import Array, Explanation, Frame, Planes, Track


class TrackRecorder:
    """Gathers the batches that pass into Tracks, one for each cell of the pictures.

    Args:
        labels: of each cell, a name for each class.
        metas: the provenance of each cell's maps.
    """

    def __init__(self, labels: Sequence[tuple[str, ...]], metas: Sequence[Mapping[str, str]]) -> None:
        self._labels = labels
        self._metas = metas
        self._frames: list[Frame] = []
        self._cuts: list[bool] = []
        self._motions: list[list[Array]] = [[] for _ in labels]
        self._explanations: list[tuple[Explanation, ...]] = []

    def watch(self, explained: Iterable[Explained]) -> Iterator[Explained]:
        """Yields the batches as they come and keeps their numbers, not their pictures."""
        for batch in explained:
            if self._explanations and batch.explanations[0].placement != self._explanations[0][0].placement:
                raise VidcamError(
                    "the frames change their size, and a track of maps holds one; cut with --start, --end"
                )
            self._frames += [f.without_picture() for f in batch.frames]
            self._cuts += batch.cuts
            for cell, found in enumerate(batch.motions):
                self._motions[cell] += found
            self._explanations.append(batch.explanations)
            yield batch

    def tracks(self) -> list[Track]:
        """Returns what has passed, a track for each cell; none where nothing has."""
        # Kept maps of which some frames are left out have a motion for those alone that follow one another.
        motions = [known if len(known) == len(self._frames) else None for known in self._motions]
        cells = zip(zip(*self._explanations, strict=True), self._labels, self._metas, motions, strict=False)
        return [
            Track.concatenate(self._frames, explanations, labels, meta, self._cuts, motions=moved)
            for explanations, labels, meta, moved in cells
        ]


def check_side_files(
    output: Path,
    predictions: str | Path | None,
    maps: str | Path | None,
    report: str | Path | None,
    overwrite: bool,
) -> None:
    """Finds what is wrong with a run's output files before any work is done.

    Raises:
        UsageError: a suffix is wrong, a file exists, or two outputs are one file.
        VidcamError: a file cannot be written.
    """
    if predictions is not None:
        check_format(predictions)
    if maps is not None and Path(maps).suffix.lower() != ".npz":
        raise UsageError(f"maps {maps}: raw maps are written as .npz; give the name that suffix")
    if report is not None:
        from vidcam.report.clip import check_clip_page  # not needed by most runs

        check_clip_page(report, overwrite)
    files = [output, *(Path(p) for p in (predictions, maps, report) if p is not None)]
    if len({p.resolve() for p in files}) < len(files):
        raise UsageError(f"{output}: two outputs have this name; give each its own")
    for path in files[1:]:
        OutputFile(path, overwrite).discard()


class OutputFiles:
    """A run's open output files; leaving the block without `finish` discards them all.

    Args:
        sink: the picture file.
        predictions: the numbers of each frame, or None.
        maps: where the track goes, or None.
        models: how many there are, whose answers are those of the first cells.
        overwrite: whether the files of a run that is stopped early may replace others.
    """

    def __init__(
        self,
        sink: Sink,
        predictions: Predictions | None,
        maps: OutputFile | None,
        *,
        models: int = 1,
        overwrite: bool,
    ) -> None:
        self._models = models
        self._overwrite = overwrite
        self.sink = sink
        self._predictions = predictions
        self._maps = maps

    def write(self, drawn: Drawn) -> None:
        """Adds a picture and its numbers."""
        if isinstance(drawn.picture, Planes):
            self.sink.write_planes(drawn.picture, drawn.frame.time, drawn.frame.duration)
        else:
            self.sink.write(drawn.picture, drawn.frame.time, drawn.frame.duration)
        if drawn.asked:
            self.note(drawn.frame, drawn.answers)

    def note(self, frame: Frame, answers: Sequence[Answer]) -> None:
        """Adds the numbers of a picture that is in the file by other ways."""
        if self._predictions is None:
            return
        for model, answer in enumerate(answers[: self._models]):
            self._predictions.write(frame, answer.target, answer.logits, answer.probabilities, model=model)

    def finish(self, track: Track | None, *, cut: bool) -> None:
        """Completes the files and gives them their names.

        Args:
            track: the raw maps, where they are written.
            cut: the run was stopped early: the sound ends with the last picture, and the names say so.
        """
        if cut:
            files = [file for file in (self.sink, self._predictions, self._maps) if file is not None]
            names = partial_paths([Path(file.path) for file in files], self._overwrite)
            for file, name in zip(files, names, strict=True):
                file.redirect(name)
        if self._maps is not None and track is not None:
            with writing(self._maps.path):
                track.save(self._maps.temporary)
        if self._predictions is not None:
            self._predictions.finish()
        # From here on only names are given: a full disk has shown itself.
        with undisturbed():
            self.sink.close(cut=cut)
            if self._predictions is not None:
                self._predictions.commit()
            if self._maps is not None:
                self._maps.commit()

    def __enter__(self) -> OutputFiles:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        # After `finish` these find nothing left to discard.
        self.sink.abort()
        if self._predictions is not None:
            self._predictions.abort()
        if self._maps is not None:
            self._maps.discard()
