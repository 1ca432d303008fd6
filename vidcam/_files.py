"""The file that an output becomes: written beside its final name, renamed when complete. No format is known here."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
from pathlib import Path

from vidcam.errors import UsageError, VidcamError

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows, where an open file cannot be removed anyway
    fcntl = None  # type: ignore[assignment]


class OutputFile:
    """A temporary file beside `path` that `commit` renames to it.

    The temporary file is locked while it is written, so that leftovers of a killed run can be told from the file of a
    run that is still going; opening a target removes the former.

    Args:
        path: the final name.
        overwrite: whether a file of that name may be replaced.

    Raises:
        UsageError: the file exists and `overwrite` is false.
        VidcamError: the directory is missing or not writable.
    """

    def __init__(self, path: Path, overwrite: bool) -> None:
        self.path = path
        self._overwrite = overwrite
        if path.is_dir():
            raise UsageError(f"{path}: is a directory; name a file in it")
        if path.exists() and not overwrite:
            raise UsageError(f"{path}: exists already; give --overwrite to replace it, or another name")
        # A link is followed: the file it points to is replaced, not the link.
        self._final = path.resolve() if path.is_symlink() else path
        if not self._final.parent.is_dir():
            raise VidcamError(f"{path}: the directory {self._final.parent} does not exist; create it first")
        digest = hashlib.sha256(os.fsencode(self._final.name)).hexdigest()[:12]
        self._prefix = f".vidcam-{digest}-"
        self._clear()
        self.temporary = self._final.with_name(f"{self._prefix}{secrets.token_hex(4)}.part")
        try:
            self._lock = os.open(self.temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
        except OSError as error:
            raise VidcamError(f"{path}: cannot be written: {error.strerror}") from None
        if fcntl is not None:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def commit(self) -> None:
        """Gives the complete temporary file its final name.

        Raises:
            VidcamError: a file of that name has appeared meanwhile, or the rename fails.
        """
        try:
            os.fsync(self._lock)
            if self._overwrite:
                self.temporary.replace(self._final)
            else:
                self._rename_new()
        except OSError as error:
            if error.errno == errno.EEXIST:
                message = "appeared while it was being written; give --overwrite to replace it, or another name"
            else:
                message = f"cannot be written: {error.strerror}"
            raise VidcamError(f"{self.path}: {message}") from None
        finally:
            self.discard()

    def redirect(self, path: Path) -> None:
        """Chooses another final name in the same directory, where a file may be replaced: for a run cut short."""
        self.path = path
        self._final = path
        self._overwrite = True

    def discard(self) -> None:
        """Removes the temporary file, if it is still there. May be called again."""
        if self._lock < 0:
            return
        os.close(self._lock)
        self._lock = -1
        with contextlib.suppress(OSError):
            self.temporary.unlink()

    def _rename_new(self) -> None:
        try:
            self._final.hardlink_to(self.temporary)  # fails if the name is taken, unlike a rename
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            if self._final.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
            self.temporary.replace(self._final)

    def _clear(self) -> None:
        """Removes what killed runs of this output have left."""
        for left in self._final.parent.glob(f"{self._prefix}*.part"):
            with contextlib.suppress(OSError):
                descriptor = os.open(left, os.O_RDWR)
                try:
                    if fcntl is not None:
                        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    left.unlink()
                finally:
                    os.close(descriptor)
