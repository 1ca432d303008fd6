"""`Classifier`: a Keras model together with what it expects of a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vidcam.models.fit import fit_frame
from vidcam.models.preprocess import apply_scaling, scaling_of
from vidcam.types import Array, Fit, Placement, Scaling


@dataclass(frozen=True, slots=True)
class Classifier:
    """A Keras model and what is needed to show it a picture and to read its answer.

    Attributes:
        model: the `keras.Model`, which vidcam never changes, or a `vidcam.types.OpenNetwork`.
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
    """

    model: Any
    name: str
    preprocess: str
    input_size: tuple[int, int]
    channels: int
    fit: Fit
    labels: tuple[str, ...]
    layer: str | None = None
    source: str = ""
    token_grid: tuple[int, int] | None = None
    preprocess_from: str = ""
    labels_from: str = ""

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
