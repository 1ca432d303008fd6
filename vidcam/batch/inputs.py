"""Which files a batch is made of, and what each is called: from files, folders, globs and lists to inputs."""

from __future__ import annotations

import csv
import glob
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from vidcam.errors import UsageError, VidcamError
from vidcam.media.info import VIDEOS
from vidcam.media.times import parse_time

_PICTURES = "gif apng webp avif png jpg jpeg jfif bmp tif tiff"
MEDIA = VIDEOS | {f".{name}" for name in _PICTURES.split()}
"""Suffixes of what is taken from a folder; a file that is named itself may have any."""
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Input:
    """A clip of a batch.

    Attributes:
        path: the file, absolute.
        name: relative POSIX path by which it is known and its output is placed; no two inputs share one.
        target: what to explain instead of the batch's target; None for that.
        start: where to begin in seconds; None for the batch's.
        end: where to stop; None for the batch's.
        boxes: a CSV that says where the thing is; None where nobody says so.
        masks: a folder of masks that say so.
    """

    path: Path
    name: str
    target: str | None = None
    start: float | None = None
    end: float | None = None
    boxes: Path | None = None
    masks: Path | None = None


@dataclass(frozen=True, slots=True)
class BatchInputs:
    """What the arguments of a batch stand for.

    Attributes:
        inputs: by name.
        ignored: files in folders and globs that are no media by their suffix.
        folders: folders in folders that were not entered.
    """

    inputs: tuple[Input, ...]
    ignored: int = 0
    folders: int = 0


class _Row(NamedTuple):
    """A file that was asked for and what is particular about it."""

    file: Path
    target: str | None = None
    start: float | None = None
    end: float | None = None


class _Search:
    """Gathers files and the folders that they are named from."""

    def __init__(self, recursive: bool, outdir: Path) -> None:
        self.rows: set[_Row] = set()
        self.bases: list[Path] = []
        self.ignored = 0
        self.folders = 0
        self._recursive = recursive
        self._outdir = outdir.resolve()

    def argument(self, given: str) -> None:
        """Adds what one argument stands for."""
        path = Path(given)
        wild = _WILD.search(given)
        if path.is_dir():
            self._folder(path)
        elif wild and not os.path.lexists(path):
            self._glob(given, Path(f"{given[: wild.start()]}*").parent)
        else:
            file = _absolute(path)
            self.bases.append(file.parent)
            self.rows.add(_Row(file))

    def listed(self, path: Path) -> None:
        """Adds the rows of a CSV."""
        folder = _absolute(path).parent
        rows = [row._replace(file=_absolute(folder / row.file)) for row in _lines(path)]
        inside = all(row.file.is_relative_to(folder) for row in rows)
        self.bases += [folder] if inside else [row.file.parent for row in rows]
        self.rows.update(rows)

    def _glob(self, pattern: str, literal: Path) -> None:
        # Path.glob takes no absolute pattern.
        matches = map(Path, glob.glob(pattern, recursive=True))  # noqa: PTH207
        found = [f for f in matches if not f.is_dir() and not self._inside(f)]
        if not found:
            raise UsageError(f"{pattern}: no file is called so")
        self.bases.append(_absolute(literal))
        self._keep(found)

    def _folder(self, given: Path) -> None:
        if given.resolve() == self._outdir:
            raise UsageError(f"{given}: is the output folder, too; give -o a folder of its own")
        ignored, folders = self.ignored, self.folders
        self.bases.append(_absolute(given))
        found = list(self._walk(_absolute(given), set()))
        self._keep(found)
        if any(_is_media(file) for file in found):
            return
        if self.folders > folders:
            raise UsageError(f"{given}: no media lie in it itself; give -r to look into its folders")
        others = self.ignored - ignored
        raise UsageError(f"{given}: no media in it ({others} other file{'s' if others != 1 else ''})")

    def _walk(self, folder: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
        """Yields a folder's files. A link to a folder is followed, but no folder is entered twice."""
        try:
            status = folder.stat()
            entries = sorted(folder.iterdir())
        except OSError as error:
            raise VidcamError(f"{folder}: cannot be read: {error.strerror}") from None
        if (status.st_dev, status.st_ino) in seen:
            return
        seen.add((status.st_dev, status.st_ino))
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if not entry.is_dir():
                yield entry
            elif not self._inside(entry):
                if self._recursive:
                    yield from self._walk(entry, seen)
                else:
                    self.folders += 1

    def _inside(self, path: Path) -> bool:
        """Tells whether a path lies in the output folder: what a batch has made is not fed to the next."""
        return path.resolve().is_relative_to(self._outdir)

    def _keep(self, files: Iterable[Path]) -> None:
        for file in files:
            if _is_media(file):
                self.rows.add(_Row(_absolute(file)))
            else:
                self.ignored += 1


def find_inputs(arguments: Sequence[str | Path], listed: Path | None, outdir: Path, *, recursive: bool) -> BatchInputs:
    """Finds a batch's inputs.

    A name is the path from the folder that holds everything given: a folder counts as itself, a file as the folder it
    lies in, a glob as its part without wildcards, a list as the folder it lies in. A file that a list gives several
    times, with other targets or times, is named after these, too. The order of the arguments makes no difference.

    Args:
        arguments: files, folders, and globs that the shell has not expanded.
        listed: a CSV with the column `file` and optionally `target`, `start` and `end`; files relative to its folder.
        outdir: where the outputs go; what lies there is left out of folders and globs.
        recursive: whether folders in folders are entered.

    Returns:
        What was found, at least one input.

    Raises:
        UsageError: there is nothing, a file is inside the output folder, or the list makes no sense.
        VidcamError: a folder or the list cannot be read.
    """
    search = _Search(recursive, outdir)
    for argument in arguments:
        search.argument(os.fspath(argument))
    if listed is not None:
        search.listed(listed)
    if not search.rows:
        raise UsageError("there is nothing to do: give files, folders or globs, or a list with --from LIST.csv")
    home = outdir.resolve()
    for file in sorted(row.file for row in search.rows):
        if file.resolve().is_relative_to(home):
            raise UsageError(f"{file}: lies inside the output folder {outdir}; give -o a folder of its own")
    base = Path(os.path.commonpath(search.bases))
    return BatchInputs(_named(search.rows, base), search.ignored, search.folders)


def output_name(name: str, suffix: str) -> str:
    """Names an input's output: different inputs have different ones, whatever else is in the batch.

    The suffix is put behind the whole name, `a.mov` to `a.mov.gif`; a name that ends in it already stays, `a.gif`,
    unless what is before it could be another input, `b.mov.gif`. What has no suffix of a medium gets it twice.

    Args:
        name: an input's name.
        suffix: such as `.gif`.

    Returns:
        The output's path relative to the output folder.
    """
    path = PurePosixPath(name)
    if path.suffix.lower() not in MEDIA:
        return name + 2 * suffix
    if path.suffix.lower() == suffix and PurePosixPath(path.stem).suffix.lower() not in MEDIA:
        return name
    return name + suffix


def _named(rows: Iterable[_Row], base: Path) -> tuple[Input, ...]:
    times = Counter(row.file for row in rows)
    inputs: dict[str, Input] = {}
    for file, target, start, end in rows:
        path = file.relative_to(base)
        if times[file] > 1:
            path = path.with_name(f"{path.stem}{_tag(target, start, end)}{path.suffix}")
        name = path.as_posix()
        if name in inputs:
            raise UsageError(f"{name}: two inputs would be called so; give them in two batches")
        inputs[name] = Input(file, name, target, start, end)
    return tuple(inputs[name] for name in sorted(inputs))


def _tag(target: str | None, start: float | None, end: float | None) -> str:
    """Returns what tells rows of one file apart: `~tabby~10-20`."""
    tag = "" if target is None else "~" + re.sub(r"[/\\\0-\x1f]", "_", target)
    if start is not None or end is not None:
        tag += "~" + "-".join("" if t is None else f"{t:.15g}" for t in (start, end))
    return tag


def _absolute(path: Path) -> Path:
    """Returns a path from the root, with links kept as they are called where that can be."""
    path = path.absolute()
    return path.resolve() if ".." in path.parts else path


def _is_media(file: Path) -> bool:
    return file.suffix.lower() in MEDIA


def _lines(path: Path) -> Iterator[_Row]:
    """Yields a list's rows, their files as they are given."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file, skipinitialspace=True)
            if "file" not in (table.fieldnames or ()):
                raise UsageError(f"--from {path}: has no column `file`; its first line names the columns")
            for row in table:
                if not row["file"]:
                    raise UsageError(f"--from {path}: line {table.line_num} names no file")
                try:
                    start, end = (parse_time(row[c]) if row.get(c) else None for c in ("start", "end"))
                except UsageError as error:
                    raise UsageError(f"--from {path}: line {table.line_num}: {error}") from None
                yield _Row(Path(row["file"]), row.get("target") or None, start, end)
    except OSError as error:
        raise VidcamError(f"--from {path}: cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise VidcamError(f"--from {path}: no CSV in UTF-8 ({error})") from None
