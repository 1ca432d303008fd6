"""How a frame of another shape can be brought to a network's input, by name; `vidcam.models.fit` does it."""

from __future__ import annotations

from typing import Literal

Fit = Literal["squash", "keep", "pad", "crop"]
FITS: tuple[Fit, ...] = ("squash", "keep", "pad", "crop")
