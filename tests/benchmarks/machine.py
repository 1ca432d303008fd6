"""Where a benchmark runs: the machine, the versions, and the real data where it is there."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
WEIGHTS = DATA / "weights" / "mobilenet_v2_imagenet.keras"
VIDEO = DATA / "seed" / "videos" / "dog_video_2.mp4"


def cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine(count: int) -> str:
    """Describes the machine in one line, with the number of cores that were used."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    return f"{name}, {count} cores, {platform.system()}, Python {platform.python_version()}"


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Returns the versions of those packages that are installed here."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
