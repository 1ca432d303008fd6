"""`Classifier`: a network together with what it expects of a picture."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vidcam._archive import Stored
from vidcam.errors import VidcamError
from vidcam.models.fit import fit_frame
from vidcam.models.preprocess import apply_scaling, scaling_of
from vidcam.types import Array, Fit, Placement, Scaling


class Later:
    """A network, or what names it, that is found when it is first asked for.

    Args:
        load: finds it.
    """

    def __init__(self, load: Callable[[], Any]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._found: Any = None

    def __call__(self) -> Any:
        """Returns it."""
        with self._lock:
            if self._found is None:
                self._found = self._load()
            return self._found


@dataclass(frozen=True, slots=True)
class Classifier:
    """A network and what is needed to show it a picture and to read its answer.

    Attributes:
        network: the `keras.Model`, a `vidcam.types.OpenNetwork`, what loads it when it is needed, or None where
            there is only a graph; `model` gives it.
        name: the zoo name or the file's stem, for captions and provenance.
        preprocess: the name of the step from RGB 0..255 to the model's input (`scaling_of`).
        input_size: (width, height) in pixels that frames are fitted to; under `keep` the smaller of the two is the
            short side.
        channels: 3 for RGB, 1 for grey.
        fit: how a frame of another shape is brought to the input size.
        labels: a name for each class.
        layer: the name of the layer to explain, None to find it (`vidcam.cam`).
        preprocess_from: how the scaling is known, in a few words.
        labels_from: how the labels are known; empty where that needs no saying.
        source: where the weights came from, for provenance.
        token_grid: rows and columns of a transformer's patches, None to find them.
        frames: how many a network that sees time takes; 0 for one that takes pictures.
        neither: the class that stands for none of the others, a third output say; None where there is no such.
        named: what `identity` is, or what finds it when it is needed.
        graph: what a `.vidcam` file holds: the network's graph for one layer and this scaling; None without one.
    """

    network: Any
    name: str
    preprocess: str
    input_size: tuple[int, int]
    channels: int
    fit: Fit
    labels: tuple[str, ...]
    layer: str | None = None
    source: str = ""
    token_grid: tuple[int, int] | None = None
    frames: int = 0
    preprocess_from: str = ""
    labels_from: str = ""
    neither: int | None = None
    named: str | Later | None = None
    graph: Stored | None = None

    @property
    def model(self) -> Any:
        """The `keras.Model` or `OpenNetwork`, loaded now if it was not needed before; vidcam never changes it.

        Raises:
            VidcamError: there is only a graph.
        """
        if self.network is None:
            layer = ", ".join(self.graph.card["layer"]) if self.graph else ""
            raise VidcamError(
                f"{self.source}: holds a graph that explains {layer} on OpenVINO and nothing else; for another layer "
                "or engine, and to train or change it, give the model that it was exported from"
            )
        return self.network() if isinstance(self.network, Later) else self.network

    @property
    def identity(self) -> str | None:
        """Names the network by its content and by what reads it; None where it is in memory only."""
        found: str | None = self.named() if isinstance(self.named, Later) else self.named
        return found

    def __repr__(self) -> str:
        few = ", ".join(self.labels[:3]) + (", ..." if len(self.labels) > 3 else "")
        size = f"{self.input_size[0]}x{self.input_size[1]} pixels{'' if self.channels == 3 else ', grey'}"
        why = f" ({self.preprocess_from})" if self.preprocess_from else ""
        layer = f"; layer {self.layer}" if self.layer else ""
        first = f"{self.name}: {len(self.labels)} classes ({few}), {size}, fit {self.fit}"
        return f"Classifier({first}\n  scaling {self.preprocess}{why}{layer}; {self.source})"

    def prepare(self, rgb: Array) -> tuple[Array, Placement]:
        """Fits a frame to the model's input.

        Args:
            rgb: uint8 (H, W, 3), RGB.

        Returns:
            uint8 (h, w, channels), and which part of the frame lies where in it.
        """
        return fit_frame(rgb, self.input_size, self.fit, self.channels)

    def scale(self, x: Any) -> Any:
        """Brings pixels to the range and channel order that the model takes.

        Args:
            x: float32 tensor or array (B, h, w, channels), RGB, 0..255.

        Returns:
            The same shape, as `preprocess` says.
        """
        return apply_scaling(self.preprocess, x)

    @property
    def scaling(self) -> Scaling:
        """The step from RGB 0..255 to what the network takes, as numbers."""
        return scaling_of(self.preprocess)
