"""How pictures are drawn, as a value. Standard library only: `--help` reads it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from vidcam._options import Number, Options, option
from vidcam.errors import UsageError

Opacity = Literal["uniform", "heat"]
View = Literal["overlay", "heatmap", "side-by-side", "timeline"]
Normalization = Literal["frame", "running", "clip", "fixed"]
NORMALIZATIONS: tuple[Normalization, ...] = get_args(Normalization)


@dataclass(frozen=True, slots=True)
class Look(Options):
    """How pictures are drawn."""

    colormap: str = option("jet", "A colour map of OpenCV.")
    alpha: float = option(0.4, "Share of the colours.", kind=Number(0, 1, whole=False))
    opacity: Opacity = option("uniform", "With `heat`, cold parts stay clear.", kind=get_args(Opacity))
    view: View = option(
        "overlay",
        "What is shown; `timeline` draws the leading classes over time under the picture.",
        kind=get_args(View),
    )
    caption: bool = option(True, "Class and probability.")
    colorbar: bool = option(False, "A colour bar with the raw values at its ends.")
    outline: bool = option(False, "Draw where --boxes or --masks say that the thing is.")
    normalize: str = option(
        "running",
        "What is hottest: each frame's maximum, a slowly moving one, the clip's, or the raw value V.",
        metavar="frame|running|clip|fixed=V",
    )
    smooth: float = option(
        0.2,
        "How slowly heat changes, in seconds, once it is moved with the picture; 0 for at once.",
        kind=Number(0, whole=False),
        metavar="SECONDS",
    )

    def check(self) -> None:
        from vidcam.render.colormap import colormap_table

        colormap_table(self.colormap)
        parse_normalize(self.normalize)

    @property
    def needs_clip(self) -> bool:
        """Whether the whole clip has to be known before its first picture can be drawn."""
        return self.normalize == "clip" or self.view == "timeline"


def parse_normalize(text: str) -> tuple[Normalization, float | None]:
    """Reads how maps are scaled over time.

    Args:
        text: `frame`, each map by its own maximum (it flickers, and a frame with no evidence looks as hot as one with
            much); `running`, by a maximum that rises at once and falls slowly; `clip`, by the whole clip's; `fixed=V`,
            by a raw value.

    Returns:
        The kind, and the value of `fixed`.

    Raises:
        UsageError: it is none of these.
    """
    kind, equals, value = text.partition("=")
    if kind == "fixed":
        try:
            peak = float(value)
        except ValueError:
            peak = 0.0
        if 0.0 < peak < math.inf:
            return "fixed", peak
        raise UsageError(f"normalize {text!r}: the fixed value is a positive raw value, such as fixed=2.5")
    if equals or kind not in NORMALIZATIONS:
        raise UsageError(f"normalize {text!r} is unknown; choose frame, running, clip or fixed=V")
    return kind, None  # type: ignore[return-value]
