"""What flows through vidcam: frames, how they were fitted, classifiers, explanations, tracks.

Plain data on NumPy alone. What reads, computes or draws these lives in the packages that import this module.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from vidcam._classifier import Classifier, Labels, OpenNetwork, Scaling
from vidcam._contrast import Contrast, rival_of
from vidcam._fits import FITS, Fit
from vidcam._frames import Array, Box, Frame, Matrix, Placement, Planes
from vidcam.errors import VidcamError

__all__ = [
    "FITS",
    "Array",
    "Box",
    "Classifier",
    "Explanation",
    "Fit",
    "Frame",
    "Labels",
    "Matrix",
    "OpenNetwork",
    "Placement",
    "Planes",
    "Progress",
    "Scaling",
    "Track",
]


Progress = Callable[[int, int | None], None]
"""Called with how many are done, and how many there are, None where that is not known."""


def _counted(targets: Sequence[tuple[int, ...]], labels: Sequence[str] = (), most: int = 3) -> str:
    """Says of which classes maps are, most frequent first."""
    seen = Counter(targets).most_common()
    words = [f"{' + '.join(labels[i] if labels else str(i) for i in target)} in {n}" for target, n in seen[:most]]
    return f"targets {', '.join(words)}{', ...' if len(seen) > most else ''}" if seen else "no targets"


def _check_shapes(made: Explanation | Track, count: int, more: Mapping[str, tuple[int, ...]]) -> None:
    """Checks that what is said of so many frames is said of each.

    Raises:
        ValueError: an array is of another shape; it is named.
    """
    kind = type(made).__name__
    if made.maps.ndim != 3 or len(made.maps) != count:
        raise ValueError(f"maps of {kind} are (N, h, w), N = {count}; these are {made.maps.shape}")
    if made.logits.ndim != 2:
        raise ValueError(f"logits of {kind} are (N, classes); these are {made.logits.shape}")
    shape = (count, made.logits.shape[1])
    for name, expected in {"logits": shape, "probabilities": shape, **more}.items():
        found = getattr(made, name).shape
        if found != expected:
            raise ValueError(f"{name} of {kind} are {expected} where maps are {made.maps.shape}; these are {found}")
    if len(made.targets) != count:
        raise ValueError(f"{kind} says the targets of {len(made.targets)} frames, and has maps of {count}")


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a classifier sees in a batch of frames and where it looks.

    Attributes:
        maps: raw, signed maps, float32 (B, h, w), in the units of activation times gradient.
        logits: float32 (B, classes), before softmax or sigmoid; one sigmoid output z is shown as [-z, z].
        probabilities: float32 (B, classes), 0 to 1.
        targets: for each frame the class indices that its map explains.
        placement: how every frame of the batch was fitted to the input.
        importance: of a network that sees time, how much of its windows' heat each frame has, float32 (B,); 1 where
            every frame of a window has the same. None for other networks.
    """

    maps: Array
    logits: Array
    probabilities: Array
    targets: tuple[tuple[int, ...], ...]
    placement: Placement
    importance: Array | None = None

    def __post_init__(self) -> None:
        count = len(self.maps)
        _check_shapes(self, count, {} if self.importance is None else {"importance": (count,)})

    def __repr__(self) -> str:
        count, height, width = self.maps.shape
        what = f"{count} frame{'' if count == 1 else 's'}, maps of {width}x{height}, {self.logits.shape[1]} classes"
        return f"Explanation({what}\n  {_counted(self.targets)})"


@dataclass(frozen=True, slots=True)
class Track:
    """A clip's maps and predictions over time, small enough to keep whole: maps are 7x7 to 32x32.

    Attributes:
        times: seconds from the start of the stream, float64 (N,).
        indices: `Frame.index` of each, int64 (N,); frames are told apart by their times.
        maps: raw, signed maps, float32 (N, h, w).
        logits: float32 (N, classes).
        probabilities: float32 (N, classes).
        targets: for each frame the class indices that its map explains.
        placement: how the frames were fitted to the model's input.
        labels: a name for each class.
        meta: provenance: model, weights, layer, method, fit, preprocess, version, source.
        cuts: where a scene begins, bool (N,); None where nobody looked.
        motions: how the picture has moved since the frame before, float16 (N, h, w, 3), see `vidcam.render.flow`; None
            where nobody looked.
        importance: see `Explanation`.
    """

    times: Array
    indices: Array
    maps: Array
    logits: Array
    probabilities: Array
    targets: tuple[tuple[int, ...], ...]
    placement: Placement
    labels: tuple[str, ...]
    meta: Mapping[str, str] = field(default_factory=dict)
    cuts: Array | None = None
    motions: Array | None = None
    importance: Array | None = None

    def __post_init__(self) -> None:
        count = len(self.times)
        given = {"times": (count,), "indices": (count,)}
        given |= {name: (count,) for name in ("cuts", "importance") if getattr(self, name) is not None}
        _check_shapes(self, count, given)
        if self.logits.shape[1] != len(self.labels):
            raise ValueError(f"a Track of {self.logits.shape[1]} classes has {len(self.labels)} labels")
        if self.motions is not None and (self.motions.shape[0], self.motions.shape[3:]) != (count, (3,)):
            raise ValueError(f"motions of a Track are (N, h, w, 3), N = {count}; these are {self.motions.shape}")

    def __len__(self) -> int:
        return len(self.times)

    def __repr__(self) -> str:
        _, height, width = self.maps.shape
        span = f"{self.times[0]:.2f} to {self.times[-1]:.2f} s, " if len(self) else ""
        how = ", ".join(self.meta[key] for key in ("model", "method", "layer") if key in self.meta)
        count = f"{len(self)} frame{'' if len(self) == 1 else 's'}"
        what = f"{count}, {span}maps of {width}x{height}, {len(self.labels)} classes"
        return f"Track({what}\n  {how + '; ' if how else ''}{_counted(self.targets, self.labels)})"

    @classmethod
    def concatenate(
        cls,
        frames: Sequence[Frame],
        explanations: Sequence[Explanation],
        labels: tuple[str, ...],
        meta: Mapping[str, str],
        cuts: Sequence[bool] | None = None,
        *,
        motions: Sequence[Array] | None = None,
    ) -> Track:
        """Joins a clip's batches.

        Args:
            frames: the clip's frames in order, as many as the explanations hold maps.
            explanations: the batches in order, at least one.
            labels: a name for each class.
            meta: provenance.
            cuts: for each frame whether a scene begins with it, None where nobody looked.
            motions: for each frame the motion since the one before, None where nobody looked.

        Returns:
            The track of the whole clip.
        """
        return cls(
            times=np.array([float(f.time) for f in frames]),
            indices=np.array([f.index for f in frames], dtype=np.int64),
            maps=np.concatenate([e.maps for e in explanations]),
            logits=np.concatenate([e.logits for e in explanations]),
            probabilities=np.concatenate([e.probabilities for e in explanations]),
            targets=tuple(t for e in explanations for t in e.targets),
            placement=explanations[0].placement,
            labels=labels,
            meta=dict(meta),
            cuts=None if cuts is None else np.array(cuts, dtype=bool),
            motions=np.stack(motions) if motions else None,
            importance=_joined([e.importance for e in explanations]),
        )

    @classmethod
    def chain(cls, parts: Sequence[Track]) -> Track:
        """Joins the tracks of a clip's parts, in order, at least one; its frames are numbered anew from 0."""
        times = np.concatenate([p.times for p in parts])
        return replace(
            parts[0],
            times=times,
            indices=np.arange(len(times), dtype=np.int64),
            maps=np.concatenate([p.maps for p in parts]),
            logits=np.concatenate([p.logits for p in parts]),
            probabilities=np.concatenate([p.probabilities for p in parts]),
            targets=tuple(t for p in parts for t in p.targets),
            cuts=_joined([p.cuts for p in parts]),
            motions=_joined([p.motions for p in parts]),
            importance=_joined([p.importance for p in parts]),
        )

    def first(self, count: int) -> Track:
        """Returns the track of the first so many frames."""
        cuts = None if self.cuts is None else self.cuts[:count]
        motions = None if self.motions is None else self.motions[:count]
        importance = None if self.importance is None else self.importance[:count]
        return replace(
            self,
            times=self.times[:count],
            indices=self.indices[:count],
            maps=self.maps[:count],
            logits=self.logits[:count],
            probabilities=self.probabilities[:count],
            targets=self.targets[:count],
            cuts=cuts,
            motions=motions,
            importance=importance,
        )

    def save(self, path: str | Path) -> None:
        """Writes the track as a compressed `.npz` that NumPy loads without pickle.

        Args:
            path: the file, written as it is named.
        """
        p = self.placement
        rivals = [rival_of(t) for t in self.targets]
        more: dict[str, Any] = {
            "cuts": self.cuts,
            "motions": self.motions,
            "importance": self.importance,
            "rivals": _table(rivals) if any(rivals) else None,
        }
        with Path(path).open("wb") as file:
            np.savez_compressed(
                file,
                times=self.times,
                indices=self.indices,
                maps=self.maps,
                logits=self.logits,
                probabilities=self.probabilities,
                targets=_table(self.targets),
                placement=np.array([*p.frame, *p.input, *p.source, *p.target], dtype=np.float64),
                labels=np.array(self.labels, dtype=np.str_),
                meta=np.array(json.dumps(dict(self.meta))),
                **{name: value for name, value in more.items() if value is not None},
            )

    @classmethod
    def load(cls, path: str | Path) -> Track:
        """Reads what `save` wrote.

        Args:
            path: the `.npz` file.

        Returns:
            The track.

        Raises:
            VidcamError: the file is missing, damaged or no track.
        """
        try:
            with np.load(path, allow_pickle=False) as data:
                p = data["placement"].tolist()
                return cls(
                    times=data["times"],
                    indices=data["indices"],
                    maps=data["maps"],
                    logits=data["logits"],
                    probabilities=data["probabilities"],
                    targets=_targets(data["targets"], data["rivals"] if "rivals" in data.files else None),
                    placement=Placement(
                        frame=(int(p[0]), int(p[1])),
                        input=(int(p[2]), int(p[3])),
                        source=(p[4], p[5], p[6], p[7]),
                        target=(p[8], p[9], p[10], p[11]),
                    ),
                    labels=tuple(data["labels"].tolist()),
                    meta=json.loads(str(data["meta"])),
                    cuts=data["cuts"] if "cuts" in data.files else None,
                    motions=data["motions"] if "motions" in data.files else None,
                    importance=data["importance"] if "importance" in data.files else None,
                )
        except FileNotFoundError:
            raise VidcamError(f"{path}: no such file") from None
        except Exception as error:
            raise VidcamError(f"{path}: not a vidcam track ({type(error).__name__}: {error})") from error


def _joined(parts: Sequence[Array | None]) -> Array | None:
    """Joins what is known of each part, None where of one it is not."""
    known = [part for part in parts if part is not None]
    return np.concatenate(known) if len(known) == len(parts) else None


def _table(classes: Sequence[tuple[int, ...]]) -> Array:
    """Returns class indices as an int32 array, a row a frame, filled up with -1."""
    width = max((len(t) for t in classes), default=1)
    return np.array([[*t, *[-1] * (width - len(t))] for t in classes], dtype=np.int32)


def _targets(table: Array, rivals: Array | None) -> tuple[tuple[int, ...], ...]:
    rows = [tuple(int(i) for i in row if i >= 0) for row in table]
    if rivals is None:
        return tuple(rows)
    others = [[int(i) for i in row if i >= 0] for row in rivals]
    return tuple(Contrast(t, r) if r else t for t, r in zip(rows, others, strict=True))
