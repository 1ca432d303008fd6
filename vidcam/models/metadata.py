"""What a TFLite file says of itself: the metadata in a FlatBuffer, and the label files in a zip at the file's end."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vidcam.models.archive import SPARE

NORMALIZATION, AXIS_LABELS = 1, 2
"""The kinds of a process unit and of an associated file, by TFLite's metadata schema."""
METADATA_NAME = "TFLITE_METADATA"


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is told of a classifier.

    Attributes:
        labels: a name for each class, None where there are none.
        normalization: mean and std of pixels 0..255, one number each or one a channel; None where it is not told.
    """

    labels: tuple[str, ...] | None = None
    normalization: tuple[tuple[float, ...], tuple[float, ...]] | None = None


def read_metadata(path: Path) -> Metadata:
    """Reads a TFLite file's metadata; what is missing or damaged is left out."""
    try:
        root = _Table.root(path.read_bytes())
        data = next(
            (_buffer(root, entry) for entry in root.tables(6) if entry.text(0) == METADATA_NAME),
            None,
        )
        if data is None:
            return Metadata()
        graphs = list(_Table.root(data).tables(3))
        inputs, outputs = (list(graphs[0].tables(i)) for i in (2, 3)) if graphs else ([], [])
        return Metadata(_labels(path, outputs), _normalization(inputs))
    except (struct.error, IndexError, ValueError, zipfile.BadZipFile, UnicodeDecodeError):
        return Metadata()


def _buffer(root: _Table, entry: _Table) -> bytes:
    buffers = list(root.tables(4))
    return buffers[entry.number(1)].raw(0)


def _normalization(inputs: list[_Table]) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    for tensor in inputs:
        for unit in tensor.tables(4):
            options = unit.table(1)
            if unit.byte(0) == NORMALIZATION and options is not None:
                mean, std = options.floats(0), options.floats(1)
                if len(mean) in (1, 3) and len(std) in (1, 3) and min(std) > 0:
                    return mean, std
    return None


def _labels(path: Path, outputs: list[_Table]) -> tuple[str, ...] | None:
    for tensor in outputs:
        for file in tensor.tables(6):
            if file.byte(2) == AXIS_LABELS and not file.text(3):
                with zipfile.ZipFile(path) as archive:
                    info = archive.getinfo(file.text(0))
                    if info.file_size > SPARE:
                        return None
                    return tuple(line.strip() for line in archive.read(info).decode("utf-8").strip().splitlines())
    return None


class _Table:
    """A table of a FlatBuffer: fields by number, absent ones empty. Places outside the data raise.

    Args:
        data: the whole buffer.
        at: where the table begins.
    """

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        self._fields = at - self._int("<i", at)

    @classmethod
    def root(cls, data: bytes) -> _Table:
        """Returns the buffer's first table."""
        return cls(data, struct.unpack_from("<I", data, 0)[0])

    def _int(self, kind: str, at: int) -> int:
        if at < 0:
            raise ValueError("outside the data")
        number: int = struct.unpack_from(kind, self._data, at)[0]
        return number

    def _field(self, index: int) -> int | None:
        """Returns where a field's value is."""
        place = 4 + 2 * index
        if place >= self._int("<H", self._fields):
            return None
        offset = self._int("<H", self._fields + place)
        return self._at + offset if offset else None

    def _vector(self, index: int) -> tuple[int, int]:
        """Returns where a vector begins, and its length."""
        field = self._field(index)
        if field is None:
            return 0, 0
        at = field + self._int("<I", field)
        count = self._int("<I", at)
        if count > len(self._data):
            raise ValueError("longer than the data")
        return at + 4, count

    def byte(self, index: int) -> int:
        """Returns a small number."""
        field = self._field(index)
        return 0 if field is None else self._int("<B", field)

    def number(self, index: int) -> int:
        """Returns a number of four bytes."""
        field = self._field(index)
        return 0 if field is None else self._int("<I", field)

    def raw(self, index: int) -> bytes:
        """Returns a vector of bytes."""
        at, count = self._vector(index)
        return self._data[at : at + count]

    def text(self, index: int) -> str:
        """Returns a text."""
        return self.raw(index).decode("utf-8")

    def floats(self, index: int) -> tuple[float, ...]:
        """Returns a vector of numbers."""
        at, count = self._vector(index)
        return struct.unpack_from(f"<{count}f", self._data, at)

    def table(self, index: int) -> _Table | None:
        """Returns a table."""
        field = self._field(index)
        return None if field is None else _Table(self._data, field + self._int("<I", field))

    def tables(self, index: int) -> Iterator[_Table]:
        """Yields a vector of tables."""
        at, count = self._vector(index)
        for place in range(at, at + 4 * count, 4):
            yield _Table(self._data, place + self._int("<I", place))
