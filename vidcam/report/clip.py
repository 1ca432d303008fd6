"""The page of one clip: original and overlay in step, what the classifier said under them, how the maps were made."""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from vidcam._files import OutputFile, written
from vidcam.cam import target_name
from vidcam.errors import Interrupted, UsageError
from vidcam.media import Info, open_sink, open_source
from vidcam.media.read.web import web_type
from vidcam.metrics.agreement import Comparison
from vidcam.metrics.extent import border_share, spread
from vidcam.metrics.flicker import flicker, switches
from vidcam.metrics.regions import Shares
from vidcam.report.compared import together
from vidcam.report.html import write_page
from vidcam.types import Array, Track

INSIDE = "heat on the thing"
WEIGHT = "weight of the frame, of the largest"
"""The name of the curve that says which frames of its windows a network that sees time went by."""
CURVES = 6
"""Classes whose probabilities are drawn."""
LARGE_PAGE = 100 * 2**20
"""Bytes from which a page is slow to open."""
_ZERO_DELAY = 0.1
"""Seconds that a picture of an animation with no delay is shown, in browsers and in vidcam's videos."""


@dataclass(frozen=True, slots=True)
class Playable:
    """A file that the page shows.

    Attributes:
        path: the file, as browsers take it.
        mime: its MIME type.
        info: what it is.
    """

    path: Path
    mime: str
    info: Info


def check_clip_page(path: str | Path, overwrite: bool) -> Path:
    """Finds what is wrong with a page's name before any work is done.

    Raises:
        UsageError: it does not end in `.html`, or exists.
        VidcamError: it cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"report {path}: the report is a page; end its name in .html")
    OutputFile(path, overwrite).discard()
    return path


def write_clip_page(
    path: Path,
    source: str | Path,
    output: Path,
    tracks: Track | Sequence[Track],
    *,
    steadinesses: Sequence[float] = (),
    shares: Sequence[Shares] = (),
    comparison: Comparison | None = None,
    reads: Mapping[str, Any] | None = None,
    damaged: int = 0,
    details: Mapping[str, str] | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[str, ...]:
    """Writes the page of a clip or picture; everything that it shows is inside.

    The original is put in as it is where browsers play it and all of it was used, else written anew, no larger than
    the overlay.

    Args:
        path: the HTML file.
        source: what was explained.
        output: what was made of it.
        tracks: its maps and predictions, a frame for each picture of the output; of several models each one's.
        steadinesses: of each E of the heat that is shown, see `vidcam.metrics.steadiness`; NaN where it is not known.
        shares: of each how much of the heat lies where the thing is, where somebody says so.
        comparison: of several models.
        reads: what `open_source` was given.
        damaged: frames of the source that could not be read; browsers may stop at them.
        details: how the overlay was made, beside what the track says of itself.
        overwrite: whether an existing page may be replaced.
        progress: called with the frames written and expected, while files are written anew.
        cancelled: asked after every frame that is written anew; True ends it there.

    Returns:
        One-line things to tell the user.

    Raises:
        UsageError: the page exists.
        VidcamError: something cannot be read or written.
        Interrupted: it was ended early; there is no page.
    """
    reads = {name: value for name, value in (reads or {}).items() if value is not None}
    tracks = [tracks] if isinstance(tracks, Track) else tracks
    writer = _Writer(tracks[0], progress, cancelled, path)
    with written(path, overwrite=overwrite) as page, tempfile.TemporaryDirectory(prefix="vidcam-") as made:
        folder = Path(made)
        overlay = writer.prepare(output, {}, folder / "overlay", sound=True)
        whole = not damaged and set(reads) <= {"max_pixels", "background", "stride"} and reads.get("stride", 1) == 1
        limit = min(max(overlay.info.size), reads.get("max_size", max(overlay.info.size)))
        original = writer.prepare(Path(source), reads | {"max_size": limit}, folder / "original", whole=whole)
        pages = []
        for track, steady, inside in zip_longest(tracks, steadinesses, shares):
            page_data = _data(
                Path(source), track, original, overlay, details=details or {}, count=CURVES // len(tracks)
            )
            if inside is not None:
                _add_shares(page_data, inside, alone=len(tracks) == 1)
            if track.importance is not None and len(track) > 1:
                _add_importance(page_data, track.importance)
            if steady is not None and math.isfinite(steady):
                page_data["figures"].append(["change beside the motion (E)", f"{steady:.3f}"])
            pages.append(page_data)
        data = pages[0] if comparison is None else together(pages, comparison)
        media = {"original-data": (original.path, original.mime), "overlay-data": (overlay.path, overlay.mime)}
        write_page(page, "clip", data["title"], data, media)
        size = page.stat().st_size
    if size <= LARGE_PAGE:
        return ()
    return (f"{path}: {size / 2**20:.0f} MB in one page, which opens slowly; --max-size or --end make it smaller",)


@dataclass(frozen=True, slots=True)
class _Writer:
    """Brings files to what browsers show: one picture as a still, several as H.264."""

    track: Track
    progress: Callable[[int, int | None], None]
    cancelled: Callable[[], bool]
    page: Path

    def prepare(
        self, path: Path, reads: Mapping[str, Any], stem: Path, *, whole: bool = True, sound: bool = False
    ) -> Playable:
        """Returns a file to show.

        Args:
            path: what is to be shown.
            reads: what `open_source` is given where it has to be written anew.
            stem: where to write then, without suffix.
            whole: whether all of it is to be shown.
            sound: whether it is to be heard.
        """
        single = len(self.track) == 1
        mime = web_type(path) if whole else ""
        if mime.startswith("image/" if single else "video/"):
            with open_source(path) as source:
                return Playable(path, mime, source.info)
        anew = stem.with_suffix(".png" if single else ".mp4")
        self._write(path, reads, anew, sound)
        with open_source(anew) as source:
            return Playable(anew, "image/png" if single else "video/mp4", source.info)

    def _write(self, path: Path, reads: Mapping[str, Any], anew: Path, sound: bool) -> None:
        # The source's times; what was made of it counts from its own beginning.
        times = self.track.times
        begin = float(times[0]) if reads else 0.0
        # A run that was stopped early has explained only the beginning; others, of fewer pictures, not every frame.
        end = times[-1] + np.diff(times).max(initial=0.0) if reads else np.inf
        with (
            open_source(path, **reads) as source,
            open_sink(anew, source=source.info, start=begin, audio=sound) as sink,
        ):
            for done, frame in enumerate(source, 1):
                if frame.time >= end > times[-1]:
                    break
                sink.write(frame.rgb(), frame.time, frame.duration)
                self.progress(done, len(self.track))
                if self.cancelled():
                    raise Interrupted(f"{self.page}: interrupted; the page was not written, the outputs are there")
                if sink.full:
                    break


def _data(
    source: Path, track: Track, original: Playable, overlay: Playable, *, details: Mapping[str, str], count: int
) -> dict[str, Any]:
    """Returns what the page shows of one model, with the curves of so many classes."""
    names = [target_name(t, track.labels) for t in track.targets]
    confidence = np.array([p[list(t)].sum() for p, t in zip(track.probabilities, track.targets, strict=True)])
    curves = [[track.labels[c], _tenthousandths(track.probabilities[:, c])] for c in _leading(track, count)]
    if len(track.targets[0]) > 1:  # several classes, whose sum is explained, the same for all frames
        curves.insert(0, [names[0], _tenthousandths(confidence)])
    meta = {**track.meta, **details}
    return {
        "title": source.name or str(source.resolve().name),
        "about": " · ".join(meta[key] for key in ("model", "method", "layer") if meta.get(key)),
        "still": len(track) == 1,
        "times": [round(t, 5) for t in _shown_at(track)],
        "curves": curves,
        "method": meta.get("method", ""),
        "explained": [[[n, len(list(same))] for n, same in groupby(names)]],
        "neither": [track.meta["neither"]] if "neither" in track.meta else [],
        "stretches": [],
        "cuts": [] if track.cuts is None else np.flatnonzero(track.cuts).tolist(),
        "starts": {"original": float(original.info.origin), "overlay": float(overlay.info.origin)},
        "sound": overlay.info.audio > 0,
        "sizes": {"original": original.info.size, "overlay": overlay.info.size},
        "figures": _figures(track, names, confidence, overlay),
        "how": [[key.replace("_", " "), value] for key, value in _how(track, meta).items() if value],
    }


def _add_shares(data: dict[str, Any], shares: Shares, *, alone: bool) -> None:
    """Puts the shares before the classes: as curves, of one of several models its own alone, and means as figures."""
    named = {INSIDE: shares.heat, "the thing, of the picture": shares.even, "a centre map, on the thing": shares.centre}
    drawn = [[name, _tenthousandths(curve)] for name, curve in named.items() if alone or name == INSIDE]
    data["curves"] = drawn + data["curves"][: CURVES - len(named) if alone else 1]
    if shares.frames:
        for name, mean in zip(named, shares.means(), strict=True):
            data["figures"].append([name, f"{100 * mean:.1f} %"])


def _add_importance(data: dict[str, Any], importance: Array) -> None:
    """Puts which frames counted behind the classes: a curve, and the one that counted most as a figure."""
    most = int(np.argmax(importance))
    peak = float(importance[most])
    if peak > 0:
        data["curves"] = [*data["curves"][: CURVES - 1], [WEIGHT, _tenthousandths(importance / peak)]]
        when = f"{data['times'][most]:.2f} s, {peak:.1f} × the mean of its windows"
        data["figures"].append(["the frame that counts most", when])


def _shown_at(track: Track) -> list[float]:
    """Returns when each frame is shown, in seconds from the first."""
    steps = np.diff(track.times)
    late = np.cumsum([0.0, *np.where(steps == 0, _ZERO_DELAY, 0.0)])
    times: list[float] = (track.times - track.times[0] + late).tolist()
    return times


def _leading(track: Track, count: int) -> list[int]:
    """Returns so many classes to draw: those that are explained most often, then the most probable."""
    explained = Counter(c for target in track.targets for c in target)
    means = track.probabilities.mean(axis=0)
    order = np.argsort(-means, kind="stable").tolist()
    first = [c for c, _ in explained.most_common(max(1, count - 1))]
    chosen = list(dict.fromkeys([*first, *order]))[:count]
    return sorted(chosen, key=lambda c: -means[c])


def _figures(track: Track, names: list[str], confidence: Array, overlay: Playable) -> list[list[str]]:
    """Returns the summary: a name and a value each."""
    target, *others = dict(Counter(names).most_common())
    more = f" and {len(others)} more" if others else ""
    figures = [
        ["explained", f"{target}{more}"],
        ["confidence" if len(track) == 1 else "mean confidence", f"{100 * confidence.mean():.1f} %"],
    ]
    if len(track) > 1:
        heat = np.maximum(np.nan_to_num(track.maps, nan=0.0, posinf=0.0, neginf=0.0), 0.0)
        figures += [
            ["lowest", f"{100 * confidence.min():.1f} %"],
            ["switches", str(switches(track.targets, track.cuts))],
            ["heat at the border", f"{100 * border_share(heat, track.placement):.0f} %"],
            ["spread of the heat", f"{100 * spread(heat, track.placement):.0f} %"],
            ["flicker of the maps", f"{flicker(heat, track.cuts):.3f}"],
            ["frames", str(len(track))],
            ["length", f"{overlay.info.duration or 0:.2f} s"],
        ]
    return [*figures, ["size", " × ".join(map(str, overlay.info.size))]]


def _how(track: Track, meta: Mapping[str, str]) -> dict[str, str]:
    """Returns how the maps and pictures were made."""
    p = track.placement
    height, width = track.maps.shape[1:]
    whole = p.source == (0, 0, *p.frame)
    return {
        **meta,
        "map": f"{width} × {height} cells",
        "frame": " × ".join(map(str, p.frame)),
        "network's input": " × ".join(map(str, p.input)),
        "part of the frame seen": "all" if whole else "x {:g}, y {:g} to x {:g}, y {:g}".format(*p.source),
        "classes": str(len(track.labels)),
    }


def _tenthousandths(values: Array) -> list[int | None]:
    return [round(10000 * v) if np.isfinite(v) else None for v in values.tolist()]
