"""Converted graphs on disk: a folder for each, under the user's cache directory, bounded in size.

An entry is written beside its place and renamed, so that other processes see all of it or nothing; it holds the
checksums of its files, and a damaged one is removed and made again. Where the directory cannot be written, nothing is
kept and nothing fails.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

LIMIT = 2 * 2**30
"""Bytes that all entries together take; the ones not used for longest go first."""
VARIABLE = "VIDCAM_CACHE"
"""The environment variable that names another folder; empty for no cache."""
_SUMS = "sums.json"
_NEW = ".new-"
_ABANDONED = 24 * 3600.0


def folder() -> Path | None:
    """Returns where entries are kept, None for nowhere."""
    named = os.environ.get(VARIABLE)
    if named is not None:
        return Path(named) / "graphs" if named else None
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "darwin":
        base = home / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "vidcam" / "graphs"


def load(key: str) -> Path | None:
    """Returns the folder of a whole entry, None where there is none; a damaged one is removed."""
    root = folder()
    if root is None:
        return None
    entry = root / key
    try:
        sums = json.loads((entry / _SUMS).read_text("utf-8"))
        whole = bool(sums) and all(_sum(entry / name) == value for name, value in sums.items())
        if whole:
            os.utime(entry)
    except FileNotFoundError:
        whole = False
        if not entry.exists():
            return None
    except (OSError, ValueError, AttributeError):
        whole = False
    if whole:
        return entry
    remove(entry)
    return None


def store(key: str, write: Callable[[Path], None]) -> Path | None:
    """Keeps what a function writes into a folder.

    Args:
        key: of the entry.
        write: takes an empty folder.

    Returns:
        The entry's folder, None where nothing could be kept.
    """
    root = folder()
    if root is None:
        return None
    new: Path | None = None
    try:
        root.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=_NEW, dir=root))
        write(new)
        sums = {file.name: _sum(file) for file in sorted(new.iterdir())}
        (new / _SUMS).write_text(json.dumps(sums), "utf-8")
        with contextlib.suppress(OSError):  # another process was quicker: its entry is the same
            new.rename(root / key)
        _prune(root, root / key)
    except (OSError, RuntimeError):  # OpenVINO reports a full disk as a RuntimeError
        return None
    finally:
        if new is not None:
            remove(new)
    return load(key)


def remove(entry: Path) -> None:
    """Removes an entry as far as that is possible."""
    shutil.rmtree(entry, ignore_errors=True)


def _sum(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _prune(root: Path, newest: Path) -> None:
    entries = []
    for entry in root.iterdir():
        with contextlib.suppress(OSError):
            used = entry.stat().st_mtime
            if not entry.name.startswith(_NEW):
                entries.append((used, sum(f.stat().st_size for f in entry.iterdir()), entry))
            elif time.time() - used > _ABANDONED:
                remove(entry)
    total = sum(size for _, size, _ in entries)
    for _, size, entry in sorted(entries):
        if total <= LIMIT or entry == newest:
            continue
        remove(entry)
        total -= size
