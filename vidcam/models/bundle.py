"""The table of a SavedModel's weights (`variables.index`), checked before OpenVINO follows what stands in it.

Its front end trusts the table: what is damaged there ends the process. The table is a list of blocks, each with a
checksum, and says of each tensor where in the files of numbers it lies.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator
from pathlib import Path

from vidcam.models.protocol import number, varint

MAGIC = 0xDB4775248B80FB57
FOOTER, TRAILER = 48, 5
POLYNOMIAL, MASK = 0x82F63B78, 0xA282EAD8
SHARD, OFFSET, SIZE = 3, 4, 5
"""Numbers of a tensor's fields: which file it is in, from which byte on, and how many bytes it takes."""


def check_bundle(folder: Path) -> None:
    """Checks the table of a folder of variables; a folder without one has no weights beside its graph.

    Args:
        folder: a SavedModel's `variables`.

    Raises:
        ValueError: the table is damaged, or a file of numbers is missing or shorter than it says.
    """
    table = folder / "variables.index"
    if not table.is_file():
        return
    data = table.read_bytes()
    if len(data) < FOOTER or struct.unpack("<Q", data[-8:])[0] != MAGIC:
        raise ValueError("variables.index is no table of weights, or cut short")
    try:
        other, at = _handle(data, len(data) - FOOTER)
        _block(data, *other)
        index, _ = _handle(data, at)
        entries = [
            e for _, handle in _entries(_block(data, *index)) for e in _entries(_block(data, *_handle(handle)[0]))
        ]
        places = [tuple(number(value, n) for n in (SHARD, OFFSET, SIZE)) for key, value in entries if key]
    except (IndexError, struct.error) as error:
        raise ValueError("variables.index is damaged") from error
    files = sorted(folder.glob("variables.data-*-of-*"))
    for shard, offset, size in places:
        if shard >= len(files) or offset + size > files[shard].stat().st_size:
            raise ValueError("its weights are missing or cut short")


def _handle(data: bytes, at: int = 0) -> tuple[tuple[int, int], int]:
    """Reads where a block begins and how long it is; returns the place behind."""
    start, at = varint(data, at)
    size, at = varint(data, at)
    return (start, size), at


def _block(data: bytes, start: int, size: int) -> bytes:
    end = start + size
    if end + TRAILER > len(data):
        raise ValueError("variables.index is cut short")
    if data[end]:
        raise ValueError("variables.index is compressed, which no SavedModel's is")
    (stored,) = struct.unpack_from("<I", data, end + 1)
    turned = (stored - MASK) & 0xFFFFFFFF
    if _checksum(data[start : end + 1]) != ((turned >> 17 | turned << 15) & 0xFFFFFFFF):
        raise ValueError("variables.index is damaged: a checksum is wrong")
    return data[start:end]


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields a block's keys and values; a key leaves out what it has in common with the one before."""
    (restarts,) = struct.unpack_from("<I", block, len(block) - 4)
    at, end, key = 0, len(block) - 4 * (restarts + 1), b""
    while at < end:
        common, at = varint(block, at)
        own, at = varint(block, at)
        size, at = varint(block, at)
        key = key[:common] + block[at : at + own]
        yield key, block[at + own : at + own + size]
        at += own + size


@functools.cache
def _table() -> tuple[int, ...]:
    found = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (POLYNOMIAL if value & 1 else 0)
        found.append(value)
    return tuple(found)


def _checksum(data: bytes) -> int:
    """Returns the CRC-32C of bytes."""
    table, value = _table(), 0xFFFFFFFF
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF
