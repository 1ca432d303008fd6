"""Where a video can be cut into parts that are read apart: at key frames, found without decoding anything."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av

from vidcam.media.container import open_container, seconds
from vidcam.media.info import DEFAULT_MAX_PIXELS, Info
from vidcam.media.read.tracks import shown_track


def cut_points(source: Info, *, start: Fraction, end: Fraction | None, length: Fraction) -> tuple[Fraction, ...]:
    """Finds times at which a video may be cut.

    A decoder can begin at a key frame; pictures that are shown before one and stored after it belong to the part
    before, which reads on until it has them.

    Args:
        source: the video, opened before.
        start: seconds from the start of the stream, where reading begins.
        end: seconds, None for the end of the file.
        length: seconds that a part has at least; the last one at least half as many.

    Returns:
        Times strictly between `start` and the end, increasing: each is where a part ends and the next one begins. None
        where the file does not say when its pictures are shown.
    """
    pictures: list[Fraction] = []
    keys: list[Fraction] = []
    with open_container(Path(source.path), DEFAULT_MAX_PIXELS) as container:
        stream = shown_track(container, Path(source.path))
        try:
            for packet in container.demux(stream):
                if not packet.size:
                    continue
                time = seconds(packet.pts, packet.time_base)
                if time is None or packet.is_corrupt:
                    return ()
                pictures.append(time - source.origin)
                if packet.is_keyframe:
                    keys.append(time - source.origin)
        except av.error.FFmpegError:  # what cannot be read to its end is read in one piece
            return ()
    stop = max(pictures, default=start) if end is None else min(end, max(pictures, default=start))
    points: list[Fraction] = []
    last = start
    for key in sorted(keys):
        if key - last >= length and stop - key >= length / 2:
            points.append(key)
            last = key
    return tuple(points)
