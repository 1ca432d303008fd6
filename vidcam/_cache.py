"""What was found out and made once, on disk: a `.vidcam` file an entry, in the user's cache directory, bounded in size.

An entry is written beside its place and renamed, so that other processes see all of it or nothing; reading checks its
checksums, and a damaged one is removed and made again. Where the directory cannot be written, nothing is kept and
nothing fails.

platformdirs was weighed for `folder`. On Windows it asks the system, not the variable LOCALAPPDATA, so that caches of
those who set it would move, and adds a folder `Cache` unless told not to. The few lines here give each system's usual
folder, and need no further dependency.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vidcam import _archive
from vidcam.errors import VidcamError

LIMIT = 2 * 2**30
"""Bytes that all entries together take; the ones not used for longest go first."""
VARIABLE = "VIDCAM_CACHE"
"""The environment variable that names another folder; empty for no cache."""
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


def load(key: str) -> _archive.Stored | None:
    """Returns a whole entry, None where there is none; a damaged one is removed."""
    root = folder()
    if root is None:
        return None
    entry = root / f"{key}{_archive.SUFFIX}"
    try:
        if not entry.exists():
            return None
        stored = _archive.read(entry)
    except VidcamError:
        remove(key)
        return None
    except OSError:
        return None
    with contextlib.suppress(OSError):
        os.utime(entry)
    return stored


def store(key: str, card: Mapping[str, Any], model: Any = None) -> _archive.Stored | None:
    """Keeps a card, and maybe a graph.

    Args:
        key: of the entry.
        card: facts of plain JSON types.
        model: an `openvino.Model`.

    Returns:
        The entry as it is read, None where nothing could be kept.
    """
    root = folder()
    if root is None:
        return None
    entry = root / f"{key}{_archive.SUFFIX}"
    try:
        root.mkdir(parents=True, exist_ok=True)
        _archive.write(entry, card, model)
        _prune(root, entry)
    except OSError:
        return None
    return load(key)


def remove(key: str) -> None:
    """Removes an entry as far as that is possible."""
    root = folder()
    if root is not None:
        _remove(root / f"{key}{_archive.SUFFIX}")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def _prune(root: Path, newest: Path) -> None:
    entries = []
    for path in root.iterdir():
        with contextlib.suppress(OSError):
            status = path.stat()
            if path.is_file():
                entries.append((status.st_mtime, status.st_size, path))
            elif time.time() - status.st_mtime > _ABANDONED:  # of a process that was killed, or of an earlier version
                _remove(path)
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if total <= LIMIT or path == newest:
            continue
        _remove(path)
        total -= size
