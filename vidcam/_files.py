"""Files that appear under their names only when they are complete, for every room. No format is known here.

`written` and `write_text` are for what is written in one go; `OutputFile` for what is open for as long as a run takes.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

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
        suffix: what the temporary file's name ends in, for a library that goes by it.

    Attributes:
        path: the final name.
        temporary: the file to write into.

    Raises:
        UsageError: the file exists and `overwrite` is false.
        VidcamError: the directory is missing or not writable.
    """

    def __init__(self, path: Path, overwrite: bool, suffix: str = "") -> None:
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
        self._suffix = suffix
        # Another writer of this name may take the new file for a leftover before it is locked.
        while not self._open():
            pass

    def _open(self) -> bool:
        """Makes the temporary file and locks it; False where it has been removed meanwhile."""
        self.temporary = self._final.with_name(f"{self._prefix}{os.urandom(4).hex()}.part{self._suffix}")
        try:
            self._lock = os.open(self.temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
        except OSError as error:
            raise VidcamError(f"{self.path}: cannot be written: {error.strerror}") from None
        if fcntl is not None:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(self._lock, fcntl.LOCK_EX)
            if os.fstat(self._lock).st_nlink == 0:
                os.close(self._lock)
                return False
        return True

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
        """Chooses another final name in the same directory, for a run cut short."""
        self.path = path
        self._final = path

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
        for left in self._final.parent.glob(f"{self._prefix}*.part*"):
            with contextlib.suppress(OSError):
                descriptor = os.open(left, os.O_RDWR)
                try:
                    if fcntl is not None:
                        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    left.unlink()
                finally:
                    os.close(descriptor)


@contextmanager
def written(path: str | Path, *, overwrite: bool = True, suffix: str = "") -> Iterator[Path]:
    """Gives a temporary file to write, which takes its final name at the end of the block.

    Where the block raises, what was there under that name stays as it was.

    Args:
        path: the final name.
        overwrite: whether a file of that name may be replaced.
        suffix: what the temporary file's name ends in, for a library that goes by it.

    Yields:
        The temporary file, empty.

    Raises:
        UsageError: the file exists and `overwrite` is false.
        VidcamError: it cannot be written; the line names the final file.
    """
    file = OutputFile(Path(path), overwrite, suffix)
    try:
        with writing(path):
            yield file.temporary
        file.commit()
    finally:
        file.discard()


def write_text(path: str | Path, text: str) -> None:
    """Writes a text in UTF-8 in the place of what was there; raises as `written` does."""
    with written(path) as temporary:
        # Line ends as they are given; a name that is no text in UTF-8 is written so that the rest can be read.
        temporary.write_bytes(text.encode("utf-8", "backslashreplace"))


@contextmanager
def undisturbed() -> Iterator[None]:
    """Holds Ctrl-C and SIGTERM back until the end of the block, where several files get their names together."""
    came: list[tuple[int, FrameType | None]] = []
    try:
        before = {n: signal.signal(n, lambda *said: came.append(said)) for n in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread, where signals never end anything
        before = {}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for which, frame in came:
            if callable(handler := before[signal.Signals(which)]):
                handler(which, frame)


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Turns what the system raises while a file is written into one line about that file."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split()) or type(error).__name__
        raise VidcamError(f"{path}: cannot be written: {reason}") from error


def make_folder(path: str | Path) -> Path:
    """Makes a folder and those above it, where they are missing.

    Raises:
        UsageError: a file is in the way.
        VidcamError: it cannot be made.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UsageError(f"{path}: a file is in the way; name a folder") from None
    except OSError as error:
        raise VidcamError(f"{path}: the folder cannot be made: {error.strerror}") from None
    return path


def size_text(count: int) -> str:
    """Returns a number of bytes for people: `820 kB`, `3.2 MB`, `1.4 GB`."""
    for unit, most in (("kB", 1e6), ("MB", 1e9)):
        if count < most:
            value = count / most * 1e3
            return f"{value:.{0 if value >= 10 else 1}f} {unit}"
    return f"{count / 1e9:.1f} GB"
