"""Which of a file's video tracks a player shows, and how its pictures are turned and stretched to be shown."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from vidcam.errors import VidcamError
from vidcam.media.container import seconds
from vidcam.types import Array

_STILL = 2
"""A track of so few pictures is no video where another one moves: phones keep a large photograph beside a clip."""
_DURATION = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)")  # Matroska's tag

DisplayMatrix = tuple[int, int, int, int]


def shown_track(container: Any, path: Path) -> Any:
    """Chooses the video stream that a player shows.

    No cover art, nor a track of one or two pictures beside one that moves. Of the rest the one that is marked as
    default; of several such one that lasts at least half as long as the longest; of these the largest, then the first.

    Args:
        container: an open file.
        path: its name, for the message.

    Returns:
        The `av.VideoStream`.

    Raises:
        VidcamError: there is none.
    """
    tracks = [s for s in container.streams.video if s.codec_context is not None]
    tracks = [s for s in tracks if not s.disposition & av.stream.Disposition.attached_pic]
    if not tracks:
        what = "only sound" if container.streams.audio else "no video"
        raise VidcamError(f"{path}: holds {what}; there is no picture to show")
    if any(s.frames > _STILL for s in tracks):
        tracks = [s for s in tracks if not 0 < s.frames <= _STILL]
    tracks = [s for s in tracks if s.disposition & av.stream.Disposition.default] or tracks
    longest = max((_length(s) or Fraction(0) for s in tracks), default=Fraction(0))
    most = max(s.frames for s in tracks)
    lasting = [s for s in tracks if 2 * (_length(s) or longest) >= longest and 2 * (s.frames or most) >= most]
    return max(lasting or tracks, key=lambda s: s.width * s.height)


def _length(stream: Any) -> Fraction | None:
    """Returns for how many seconds a stream plays, None where the file does not say.

    Of Matroska FFmpeg gives the whole file's length for the first track; the tag says its own.
    """
    if tag := _DURATION.match(stream.metadata.get("DURATION", "")):
        return int(tag[1]) * 3600 + int(tag[2]) * 60 + Fraction(tag[3])
    return seconds(stream.duration, stream.time_base)


def square(frame: Any, stream: Any) -> tuple[int, int]:
    """Returns the (width, height) that shows a frame with square pixels; the height stays."""
    aspect = stream.sample_aspect_ratio or Fraction(1)
    if not Fraction(1, 20) <= aspect <= 20:  # damaged, not a way to store pictures
        aspect = Fraction(1)
    return max(1, round(frame.width * aspect)), frame.height


def display_matrix(frame: Any) -> DisplayMatrix:
    """Returns (a, b, c, d), each -1, 0 or 1, of the nearest rotation by right angles, maybe mirrored.

    A stored pixel (x, y) is shown at (a x + c y, b x + d y) plus an offset (ISO/IEC 14496-12, 8.3.2).
    """
    try:
        data = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:
        # The frame carries something that PyAV has no name for, as those of stereo videos do, and then gives nothing of
        # what it carries. It still tells the rotation, though not a mirror.
        quarter = round(frame.rotation / 90) % 4  # counter-clockwise
        return ((1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))[quarter]
    if data is None:
        return 1, 0, 0, 1
    numbers = np.frombuffer(bytes(data), dtype=np.int32)
    a, b, c, d = (float(numbers[i]) for i in (0, 1, 3, 4))
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return (-1 if a < 0 else 1), 0, 0, (-1 if d < 0 else 1)
    return 0, (-1 if b < 0 else 1), (-1 if c < 0 else 1), 0


def upright(picture: Array, matrix: DisplayMatrix) -> Array:
    """Turns a stored picture (H, W, ...) as its matrix says."""
    a, b, c, d = matrix
    if a == 0:
        picture = picture.swapaxes(0, 1)
    if a + c < 0:
        picture = picture[:, ::-1]
    if b + d < 0:
        picture = picture[::-1]
    return np.ascontiguousarray(picture)
