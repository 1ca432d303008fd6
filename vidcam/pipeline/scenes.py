"""Where a scene ends and the next begins, so that nothing is smoothed across."""

from __future__ import annotations

import cv2
import numpy as np

from vidcam.types import Array, Frame

SIDE = 16
CUT = 24.0
"""Mean change of a 16x16 thumbnail's values, of 255, that a cut has at least."""
SURPRISE = 3.0
"""How many times the change of the frames before it; a camera that pans changes much, but always."""


def glimpse(frame: Frame) -> Array:
    """Returns a frame as small as cuts need it, RGB uint8 (16, 16, 3), from its planes where it has some.

    Every frame is looked at, also those that nobody will see: of 720p that takes a tenth of a millisecond so, and
    several the other way.
    """
    if frame.planes is None:
        return _small(frame.rgb(), SIDE)
    y, u, v = (_small(plane, side) for plane, side in zip(frame.planes.all, (SIDE, SIDE // 2, SIDE // 2), strict=True))
    stored = np.concatenate([y.ravel(), u.ravel(), v.ravel()]).reshape(SIDE * 3 // 2, SIDE)
    rgb: Array = cv2.cvtColor(stored, cv2.COLOR_YUV2RGB_I420)
    return rgb


def _small(picture: Array, side: int) -> Array:
    """Averages a picture to side x side; of a large one every so many-th pixel will do."""
    step = max(1, min(picture.shape[:2]) // (8 * side))
    thin = np.ascontiguousarray(picture[::step, ::step])
    small: Array = cv2.resize(thin, (side, side), interpolation=cv2.INTER_AREA)
    return small


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
