"""Pages of one file: a template with its style, script and data inside, which no name or label can break out of."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

_PLACE = re.compile(r"\{\{(\w+)\}\}")
_CHUNK = 3 * 2**18
"""Bytes of an embedded file that are read at once; a multiple of three, so that base64 needs no padding between."""


def link(path: str) -> str:
    """Returns a relative POSIX path as a URL: `#`, `?`, `%`, blanks and quotes are part of the name."""
    return quote(os.fsencode(path))


def write_page(
    file: Path,
    name: str,
    title: str,
    data: Mapping[str, Any],
    media: Mapping[str, tuple[Path, str]] | None = None,
) -> None:
    """Writes a page.

    Nothing in it asks the network for anything: its security policy allows its own script and style, and pictures and
    clips from where the page lies.

    Args:
        file: where to; what is there is replaced.
        name: of the template, style and script in `vidcam/report/page`.
        title: the document's title.
        data: what the script shows; numbers that are not finite become null.
        media: files to embed as data URIs, as (file, MIME type) by the id that the script asks for.
    """
    style = _asset("base.css") + _asset(f"{name}.css")
    script = _asset("base.js") + _asset(f"{name}.js")
    parts = {
        "policy": html.escape(_policy(style, script)),
        "title": html.escape(title),
        "style": style,
        "script": script,
        "data": _json(data),
    }
    pieces = _PLACE.split(_asset(f"{name}.html"))
    with file.open("wb") as page:
        for i, piece in enumerate(pieces):
            if i % 2 == 0:
                page.write(piece.encode())
            elif piece == "media":
                for chunk in _embedded(media or {}):
                    page.write(chunk)
            else:
                page.write(parts[piece].encode("utf-8", "replace"))


def _asset(name: str) -> str:
    return (files("vidcam.report") / "page" / name).read_text("utf-8")


def _policy(style: str, script: str) -> str:
    own = "'self' file: data: blob:"
    return (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src {own}; "
        f"media-src {own}; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _json(data: Mapping[str, Any]) -> str:
    """Returns data as JSON in ASCII without the characters that could end or open a tag."""
    text = json.dumps(_finite(data), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_finite(item) for item in value]
    return value


def _embedded(media: Mapping[str, tuple[Path, str]]) -> Iterator[bytes]:
    for name, (path, mime) in media.items():
        yield f'<script type="text/plain" id="{name}">data:{mime};base64,'.encode()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield base64.b64encode(chunk)
        yield b"</script>\n"
