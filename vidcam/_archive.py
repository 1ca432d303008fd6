"""`.vidcam` files: a graph and its card in one archive, written whole or not at all, read without trusting it.

A zip archive of `card.json`, `graph.xml` and `graph.bin`, OpenVINO's two files. The weights lie in it uncompressed and
aligned, so that they are mapped into memory and read when needed. docs/format.md says what the card holds.
"""

from __future__ import annotations

import json
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vidcam.errors import VidcamError
from vidcam.types import Array

SUFFIX = ".vidcam"
FORMAT = 1
CARD, GRAPH, GRAPH_WEIGHTS = "card.json", "graph.xml", "graph.bin"
LIMITS = {CARD: 2**24, GRAPH: 2**27}
"""Bytes that the compressed parts may unpack to."""
ALIGNMENT = 64
_PADDING = 0xD935
"""The kind of the extra field that aligns, as Android's archives have it."""


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """What an archive holds.

    Attributes:
        card: facts of plain JSON types.
        graph: OpenVINO's description of the graph, empty where there is only a card.
        weights: its weights, uint8, mapped from the file.
    """

    card: dict[str, Any]
    graph: bytes
    weights: Array


def write(path: Path, card: Mapping[str, Any], model: Any = None) -> None:
    """Writes an archive, which appears under its name only when complete.

    Args:
        path: the file; an existing one is replaced.
        card: facts of plain JSON types.
        model: the `openvino.Model`, None for a card alone.

    Raises:
        OSError: it cannot be written.
    """
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}-", ignore_cleanup_errors=True) as folder:
        beside = Path(folder) / "new"
        with zipfile.ZipFile(beside, "w") as archive:
            archive.writestr(_entry(CARD), json.dumps({**card, "format": FORMAT}, indent=1))
            if model is not None:
                from vidcam._openvino import ov

                xml, weights = Path(folder) / GRAPH, Path(folder) / GRAPH_WEIGHTS
                try:
                    ov.serialize(model, str(xml), str(weights))
                except RuntimeError as error:  # a full disk, for one
                    raise OSError(f"the graph could not be written ({str(error).splitlines()[-1][:100]})") from error
                archive.writestr(_entry(GRAPH), xml.read_bytes())
                _add_aligned(archive, weights)
        beside.replace(path)


def read(path: Path) -> Stored:
    """Reads an archive.

    Args:
        path: the file.

    Returns:
        What it holds; every part is what was written, by its checksum.

    Raises:
        VidcamError: it is missing, damaged, none of vidcam's, or of a later version.
    """
    if not path.is_file():
        raise VidcamError(f"{path}: no such file" if not path.exists() else f"{path}: is no file")
    try:
        with zipfile.ZipFile(path) as archive:
            parts = {info.filename: info for info in archive.infolist()}
            if CARD not in parts:
                raise VidcamError(f"{path}: holds no {CARD}; a {SUFFIX} file is what `vidcam export` writes")
            card = json.loads(_small(path, archive, parts[CARD]))
            if not isinstance(card, dict) or not isinstance(card.get("format"), int):
                raise VidcamError(f"{path}: its {CARD} is no card of vidcam's")
            if card["format"] > FORMAT:
                raise VidcamError(
                    f"{path}: is of format {card['format']}, this vidcam reads up to {FORMAT}; a later vidcam reads it"
                )
            if GRAPH not in parts:
                return Stored(card, b"", np.empty(0, np.uint8))
            graph = _small(path, archive, parts[GRAPH])
            if GRAPH_WEIGHTS not in parts:
                raise VidcamError(f"{path}: is damaged (it holds no {GRAPH_WEIGHTS})")
            return Stored(card, graph, _mapped(path, parts[GRAPH_WEIGHTS]))
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, struct.error, NotImplementedError) as error:
        reason = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
        raise VidcamError(f"{path}: is damaged, or no {SUFFIX} file ({reason})") from error
    except OSError as error:
        raise VidcamError(f"{path}: cannot be read: {error.strerror or error}") from error


def _entry(name: str) -> zipfile.ZipInfo:
    """Returns an entry whose bytes do not depend on when it was written."""
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def _add_aligned(archive: zipfile.ZipFile, weights: Path) -> None:
    info = zipfile.ZipInfo(GRAPH_WEIGHTS)
    assert archive.fp is not None
    data = archive.fp.tell() + 30 + len(GRAPH_WEIGHTS)
    info.extra = struct.pack("<HH", _PADDING, (-data - 4) % ALIGNMENT) + bytes((-data - 4) % ALIGNMENT)
    info.file_size = weights.stat().st_size
    with archive.open(info, "w") as into, weights.open("rb") as source:
        while block := source.read(2**22):
            into.write(block)


def _small(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Reads a compressed part, up to its limit whatever the archive says."""
    limit = LIMITS[info.filename]
    with archive.open(info) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise VidcamError(f"{path}: its {info.filename} unpacks to more than {limit // 2**20} MiB; refused")
    return data


def _mapped(path: Path, info: zipfile.ZipInfo) -> Array:
    if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
        raise VidcamError(f"{path}: its {GRAPH_WEIGHTS} is compressed; vidcam writes it as it is, and reads it so")
    with path.open("rb") as file:
        file.seek(info.header_offset)
        header = file.read(30)
        name, extra = struct.unpack("<HH", header[26:30])
        start = info.header_offset + 30 + name + extra
        if header[:4] != b"PK\x03\x04" or start + info.file_size > os.fstat(file.fileno()).st_size:
            raise zipfile.BadZipFile("it is cut short")
    if info.file_size == 0:
        return np.empty(0, np.uint8)
    # Copied where it is written to, which it is not: OpenVINO takes writeable memory only.
    weights = np.memmap(path, np.uint8, "c", start, (info.file_size,))
    if zlib.crc32(weights.data) != info.CRC:
        raise zipfile.BadZipFile("its weights are not what was written")
    return weights
