"""What the machine offers this process: the one place that counts processors."""

from __future__ import annotations

import math
import os
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUP = Path("/proc/self/cgroup")
_PROCESSORS = Path("/proc/cpuinfo")
_BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}
"""What Linux calls instructions for bfloat16, of x86 and of ARM."""


def cores() -> int:
    """Returns how many processors this process may use: as it is bound to them and allowed time on them."""
    return len(usable())


def usable() -> list[int]:
    """Returns the numbers of the processors that this process may run on, as many as it is allowed time on."""
    try:
        allowed = sorted(os.sched_getaffinity(0))
    except AttributeError:  # no Linux
        allowed = list(range(os.cpu_count() or 1))
    share = quota()
    return allowed[: max(1, math.ceil(share))] if share < len(allowed) else allowed


def quota(groups: Path = _GROUPS, own: Path = _OWN_GROUP) -> float:
    """Returns the processors' worth of time that the container is allowed; infinite where nothing says so.

    Args:
        groups: where the system shows its control groups, of version 2 or 1.
        own: the file that says which group this process is in.
    """
    shares = [math.inf]
    for line in lines(own):
        _, controllers, name = (*line.split(":", 2), "", "")[:3]
        place = groups if not controllers else groups / "cpu" if "cpu" in controllers.split(",") else None
        if place is None:
            continue
        # What a container sees of its group's name may be the host's; then its own group is the top.
        folder = place / name.lstrip("/")
        shares += [_share(f) for f in (folder, *folder.parents) if f == place or place in f.parents]
    return min(*shares, _share(groups), _share(groups / "cpu"))


def lacks_bfloat16(processors: Path = _PROCESSORS) -> bool:
    """Tells whether the processor is known to have no instructions for bfloat16, which then takes several times longer.

    Args:
        processors: where the system lists what its processors can.
    """
    listed = [line.partition(":")[2].split() for line in lines(processors) if line.startswith(("flags", "Features"))]
    return bool(listed) and not any(_BFLOAT16.intersection(words) for words in listed)


def lines(path: Path) -> list[str]:
    """Returns the lines of a file of the system's, none where it cannot be read."""
    try:
        return path.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def _share(group: Path) -> float:
    """Returns what a group is allowed, in processors."""
    words = "".join(lines(group / "cpu.max")[:1]).split()
    if not words:
        words = [*lines(group / "cpu.cfs_quota_us")[:1], *lines(group / "cpu.cfs_period_us")[:1]]
    if len(words) != 2 or not all(w.isdigit() for w in words) or int(words[1]) == 0:
        return math.inf
    return int(words[0]) / int(words[1])
