"""What `--verbose` prints: the time that each stage of a run took."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vidcam.pipeline.meter import Timings


def table(t: Timings) -> list[str]:
    """Returns a run's timings as lines of text.

    Args:
        t: what was measured, of at least one picture.
    """
    each = 1000 / t.frames
    lines = ["ms a frame    at work   its thread's CPU"]
    lines += [f"{name:<10}{t.wall[name] * each:11.2f}{t.own_cpu[name] * each:19.2f}" for name in t.wall]
    libraries = max(0.0, t.cpu - sum(t.own_cpu.values()))
    lines.append(f"{'libraries':<10}{'':11}{libraries * each:19.2f}")
    lines.append(f"{'wall':<10}{t.seconds * each:11.2f}{t.cpu * each:19.2f}")
    used = t.cpu / (t.seconds * t.cores)
    cores = f"{t.cores} cores: {100 * used:.0f} % used"
    if t.full is not None:
        cores += f", all of them busy {100 * t.full:.0f} % of the time"
    if t.peak_memory is not None:
        cores += f"; at most {t.peak_memory / 2**30:.2f} GB of memory"
    lines.append(cores)
    if t.fps is not None:
        minutes = t.seconds / t.frames * t.fps * 60
        took = f"{minutes / 60:.1f} h" if minutes >= 90 else f"{minutes:.1f} min"
        lines.append(f"one hour of this video would take {took}, the start left out")
    return lines
