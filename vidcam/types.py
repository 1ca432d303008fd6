"""What flows through vidcam: frames, how they were fitted, classifiers, explanations, tracks.

Plain data on NumPy alone. What reads, computes or draws these lives in the packages that import this module.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from vidcam._contrast import Contrast, rival_of
from vidcam._fits import FITS as FITS  # noqa: PLC0414
from vidcam._fits import Fit as Fit  # noqa: PLC0414
from vidcam.errors import VidcamError

Array = NDArray[Any]
Labels = str | Path | tuple[str, ...] | list[str]
"""A name for each class, or a file of them."""
Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels; the first pixel covers 0 to 1."""
Matrix = Literal["bt601", "bt709"]


@dataclass(frozen=True, slots=True)
class Planes:
    """A picture as video stores it: 8 bits, limited range, colour at half the size both ways (4:2:0), even sides.

    Attributes:
        y: luma, uint8 (H, W), 16 to 235.
        u: blue difference, uint8 (H / 2, W / 2), 128 for grey.
        v: red difference, like `u`.
        matrix: how the three mean colours (ITU-R BT.601 or BT.709).
    """

    y: Array
    u: Array
    v: Array
    matrix: Matrix

    @classmethod
    def empty(cls, size: tuple[int, int], matrix: Matrix) -> Planes:
        """Makes a picture of a (width, height), both even, to write into."""
        width, height = size
        y, u, v = (np.empty((height // n, width // n), np.uint8) for n in (1, 2, 2))
        return cls(y, u, v, matrix)

    @property
    def all(self) -> tuple[Array, Array, Array]:
        """Y, U and V."""
        return self.y, self.u, self.v

    def part(self, x0: int, y0: int, x1: int, y1: int) -> Planes:
        """Returns a part of the picture, in even pixels, that shares its memory."""
        half = slice(y0 // 2, y1 // 2), slice(x0 // 2, x1 // 2)
        return Planes(self.y[y0:y1, x0:x1], self.u[half], self.v[half], self.matrix)


_NO_PICTURE = np.empty((0, 0, 3), np.uint8)


class Frame:
    """One picture of a source and when it is shown.

    Args:
        index: counts the frames read from where reading was asked to begin, from 0, also those that a stride leaves
            out. After a seek a frame's number in the file is not known; the same frame of another reading is found by
            its time.
        time: seconds from the start of the stream, wherever reading began.
        duration: seconds until the next frame, None where the source does not know.
        picture: the decoded picture: RGB uint8 (H, W, 3), upright and with square pixels, or a function without
            arguments that makes it, which runs on the first `rgb()`.
        size: (width, height) of the upright picture in pixels.
        planes: the same picture as Y, U and V, where the source stores just that: no turn, no other size. Callers must
            not write into it.
    """

    __slots__ = ("_picture", "_rgb", "duration", "index", "planes", "size", "time")

    def __init__(
        self,
        index: int,
        time: Fraction,
        duration: Fraction | None,
        picture: Array | Callable[[], Array],
        size: tuple[int, int],
        *,
        planes: Planes | None = None,
    ) -> None:
        self.index = index
        self.time = time
        self.duration = duration
        self.size = size
        self.planes = planes
        self._picture = picture
        self._rgb: Array | None = None

    def rgb(self) -> Array:
        """Returns the picture as RGB uint8 (H, W, 3), made once; callers must not write into it."""
        if not callable(self._picture):
            return self._picture
        if self._rgb is None:
            self._rgb = self._picture()
            if self.planes is None:  # then what it was made of is needed no more
                self._picture = self._rgb
        return self._rgb

    def release(self) -> None:
        """Gives up the memory of `rgb()` where there are planes to draw on; another call makes it again."""
        if self.planes is not None:
            self._rgb = None

    def without_picture(self) -> Frame:
        """Returns what is known about the frame alone, so that the picture's memory can be given up."""
        return Frame(self.index, self.time, self.duration, _NO_PICTURE, self.size)


@dataclass(frozen=True, slots=True)
class Placement:
    """How a frame was fitted to the model's input, and so which part of the frame a map covers.

    Attributes:
        frame: (width, height) of the frame in pixels.
        input: (width, height) of the model's input in pixels.
        source: the part of the frame that the model saw, in frame pixels.
        target: where that part lies in the model's input, in input pixels.
    """

    frame: tuple[int, int]
    input: tuple[int, int]
    source: Box
    target: Box


@dataclass(frozen=True, slots=True)
class Scaling:
    """The step from pixels to what a network takes: (pixel - mean) / std.

    Attributes:
        mean: one number, or one a channel in the network's order, of pixels 0..255.
        std: alike.
        reverse: whether the network takes blue first.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class OpenNetwork:
    """A network that OpenVINO reads: ONNX, TFLite, SavedModel, frozen graphs, IR.

    Attributes:
        peek: gives an `openvino.Model` of one input of rank 4, float numbers, and one output, the classes, to look at.
        read: gives a new one, to change.
        kind: its format, for people.
        channels_first: whether the input is (B, C, h, w).
        digest: names the file's content and what was chosen of it.
        size: (height, width) of the input, None where it is open.
        keeper: keeps what `read` reads from going away.
    """

    peek: Callable[[], Any]
    read: Callable[[], Any]
    kind: str
    channels_first: bool
    digest: str
    size: tuple[int, int] | None
    keeper: Any = field(default=None, repr=False, compare=False)


class Classifier(Protocol):
    """A network and what is needed to show it a picture and to read its answer; `vidcam.models` makes them.

    Attributes:
        model: the `keras.Model`, which vidcam never changes, or an `OpenNetwork`.
        name: the zoo name or the file's stem, for captions and provenance.
        input_size: (width, height) in pixels that frames are fitted to.
        channels: 3 for RGB, 1 for grey.
        fit: how a frame of another shape is brought to the input size.
        labels: a name for each class.
        layer: the layer to explain, None to find it.
        frames: how many a network that sees time takes; 0 for one that takes pictures.
        preprocess: the name of the step from RGB 0..255 to what the network takes.
        preprocess_from: how that is known, in a few words.
        labels_from: how the labels are known; empty where that needs no saying.
        neither: the class that stands for none of the others, None where there is no such.
        network: the `keras.Model` or what loads it; None where there is only a graph.
        identity: names the network by its content, None where it is in memory only.
        graph: a `.vidcam` file's content, None where there is none.
        source: where the weights came from.
    """

    @property
    def source(self) -> str: ...
    @property
    def frames(self) -> int: ...
    @property
    def network(self) -> Any: ...
    @property
    def neither(self) -> int | None: ...
    @property
    def identity(self) -> str | None: ...
    @property
    def graph(self) -> Any: ...
    @property
    def model(self) -> Any: ...
    @property
    def name(self) -> str: ...
    @property
    def input_size(self) -> tuple[int, int]: ...
    @property
    def channels(self) -> int: ...
    @property
    def fit(self) -> Fit: ...
    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def layer(self) -> str | None: ...
    @property
    def preprocess(self) -> str: ...
    @property
    def preprocess_from(self) -> str: ...
    @property
    def labels_from(self) -> str: ...

    def prepare(self, rgb: Array) -> tuple[Array, Placement]:
        """Fits a frame, uint8 (H, W, 3), to the model's input, uint8 (h, w, channels)."""

    @property
    def scaling(self) -> Scaling:
        """The step from RGB 0..255 to what the network takes, as numbers."""

    def scale(self, x: Any) -> Any:
        """Brings a float tensor or array (B, h, w, channels), 0..255, to the range and order the model takes."""


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
