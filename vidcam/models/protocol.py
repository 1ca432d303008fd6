"""Protocol buffers, walked through by the numbers of their fields: what is checked in a file before others read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def fields(message: Any, wanted: int) -> Iterator[Any]:
    """Yields a message's parts of a number that have a length; lengths beyond its end raise.

    Args:
        message: bytes, or a view of them.
        wanted: the number of the field.

    Raises:
        ValueError: it is none, or cut short.
        IndexError: it is cut short.
    """
    for n, value in _all(message):
        if n == wanted and not isinstance(value, int):
            yield value


def number(message: Any, wanted: int) -> int:
    """Returns a message's whole number; 0, which is not written, where there is none. Raises as `fields` does."""
    return next((value for n, value in _all(message) if n == wanted and isinstance(value, int)), 0)


def _all(message: Any) -> Iterator[tuple[int, Any]]:
    at, end = 0, len(message)
    while at < end:
        tag, at = varint(message, at)
        kind = tag & 7
        if kind == 0:
            value, at = varint(message, at)
            yield tag >> 3, value
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        elif kind == 2:
            length, at = varint(message, at)
            if at + length > end:
                raise ValueError("it is cut short")
            yield tag >> 3, message[at : at + length]
            at += length
        else:
            raise ValueError("it is no protocol buffer")
    if at > end:
        raise ValueError("it is cut short")


def varint(message: Any, at: int) -> tuple[int, int]:
    """Reads a whole number of variable length; returns it and the place behind."""
    value = shift = 0
    while shift < 64:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("it is no protocol buffer")
