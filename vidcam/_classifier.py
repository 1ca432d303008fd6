"""What the rest of vidcam knows of a classifier, whoever made it; `vidcam.types` is its door."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from vidcam._fits import Fit
from vidcam._frames import Array, Placement

Labels = str | Path | tuple[str, ...] | list[str]
"""A name for each class, or a file of them."""


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
