"""Where a scene ends and the next begins, so that nothing is smoothed across."""

from __future__ import annotations

import cv2
import numpy as np

from vidcam.types import Array

SIDE = 16
CUT = 24.0
"""Mean change of a 16x16 thumbnail's values, of 255, that a cut has at least."""
SURPRISE = 3.0
"""How many times the change of the frames before it; a camera that pans changes much, but always."""


class Scenes:
    """Finds cuts in a clip, picture after picture."""

    def __init__(self) -> None:
        self._last: Array | None = None
        self._usual = 0.0

    def cut(self, picture: Array) -> bool:
        """Takes the next picture.

        Args:
            picture: uint8 (h, w, channels), of any size, as small as is at hand.

        Returns:
            Whether a scene begins with it; False for the first.
        """
        small = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
        if self._last is None:
            self._last = small
            return False
        change = float(np.abs(small - self._last).mean())
        self._last = small
        found = change > max(CUT, SURPRISE * self._usual)
        self._usual = 0.8 * self._usual + 0.2 * change
        return found
