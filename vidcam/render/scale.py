"""Maps over time: which raw value is hottest, and how quickly heat may change.

Scaling decides what a viewer believes, so it is a choice; `pipeline` says where a scene begins.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np

from vidcam.errors import UsageError
from vidcam.render.heat import peak_of
from vidcam.types import Array

Normalization = Literal["frame", "running", "clip", "fixed"]
NORMALIZATIONS: tuple[Normalization, ...] = get_args(Normalization)
DEFAULT_NORMALIZE = "running"
DEFAULT_SMOOTH = 0.1
RELEASE = 2.0
"""Seconds in which the running maximum falls to 1/e."""


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


def check_smooth(seconds: float) -> None:
    """Checks a smoothing time.

    Raises:
        UsageError: it is negative or not finite.
    """
    if not 0.0 <= seconds < math.inf:
        raise UsageError(f"smooth {seconds} is out of range; it is seconds, 0 for none")


class Smoothing:
    """Exponential smoothing of raw maps in time, frame after frame.

    A map counts with the weight 1 - exp(-dt / seconds), so that the result does not depend on the frame rate; it lags
    behind by about `seconds`. It begins anew at a scene cut and where the maps change their size. Maps that are not
    finite pass as they are and leave no trace.

    Args:
        seconds: the time constant, 0 for none.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._map: Array | None = None
        self._time = 0.0

    def __call__(self, raw: Array, time: float, cut: bool = False) -> Array:
        """Takes the next map.

        Args:
            raw: (h, w), signed.
            time: seconds, not before the last one.
            cut: a scene begins here.

        Returns:
            The smoothed map (h, w); callers must not write into it.
        """
        if self._seconds == 0.0 or not np.isfinite(raw).all():
            return raw
        if cut or self._map is None or self._map.shape != raw.shape:
            self._map = raw
        else:
            weight = -math.expm1(-max(0.0, time - self._time) / self._seconds)
            self._map = self._map + np.float32(weight) * (raw - self._map)
        self._time = time
        return self._map


class Scaling:
    """Smooths a clip's maps and says which value is hottest, frame after frame.

    Args:
        normalize: see `parse_normalize`; not `clip`, whose peak `clip_peak` finds beforehand.
        smooth: seconds, see `Smoothing`.
        peak: the value of `fixed`.
    """

    def __init__(self, normalize: Normalization, smooth: float, peak: float | None = None) -> None:
        self._kind = normalize
        self._peak = peak or 0.0
        self._smoothing = Smoothing(smooth)
        self._time = 0.0

    def __call__(self, raw: Array, time: float, cut: bool = False) -> tuple[Array, float]:
        """Takes the next map, see `Smoothing`.

        Returns:
            The map to show (h, w), and the raw value that is hottest: 0 where there has been no evidence yet.
        """
        shown = self._smoothing(raw, time, cut)
        if self._kind == "frame":
            return shown, peak_of(shown)
        if self._kind == "running":
            held = 0.0 if cut else self._peak * math.exp(-max(0.0, time - self._time) / RELEASE)
            self._peak, self._time = max(peak_of(shown), held), time
        return shown, self._peak


def clip_peak(maps: Array, times: Array, cuts: Array, smooth: float) -> float:
    """Returns the largest value that a clip's smoothed maps reach, for `fixed`.

    Args:
        maps: raw (N, h, w).
        times: seconds (N,).
        cuts: bool (N,), where a scene begins.
        smooth: seconds, see `Smoothing`.
    """
    smoothing = Smoothing(smooth)
    shown = (smoothing(m, float(t), bool(c)) for m, t, c in zip(maps, times, cuts, strict=True))
    return max((peak_of(m) for m in shown), default=0.0)
