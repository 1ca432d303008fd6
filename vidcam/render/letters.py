"""Which font a text is written in, and what is written where no font has its letters: never an empty box.

DejaVu Sans, which ships with vidcam, writes Latin, Greek, Cyrillic, Hebrew, Arabic and more. What it lacks is looked
for among the system's fonts; letters that none of these has are written in ASCII by their sound (`anyascii`). Where
and how large a text is drawn is not decided here.
"""

from __future__ import annotations

import os
import sys
import unicodedata
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont, features

SHIPPED = Path(__file__).with_name("data") / "DejaVuSans.ttf"
_SUFFIXES = {".ttf", ".otf", ".ttc", ".otc"}
_USELESS = ("lastresort", "blank", "emoji", "dejavu")
"""Parts of the names of fonts that have a box for every letter, nothing, coloured pictures, or what ships already."""
_MANNERED = ("bold", "italic", "oblique", "light", "thin", "black", "condensed", "mono", "serif")
"""Parts of the names of fonts that are taken only where no plainer one has the letters."""
_UNASSIGNED = "\uffff"
_PROBE = 16
"""Pixels at which it is seen whether a font has a letter."""


@lru_cache(maxsize=1024)
def writable(text: str, *, system: bool = True) -> str:
    """Returns a text in one line as it can be written.

    Args:
        text: any text.
        system: whether the system's fonts may be used, too.

    Returns:
        The text composed (NFC) and without control characters; letters that no font has are ASCII.
    """
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    text = "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
    if _covers(str(SHIPPED), text) or (system and _system_font(frozenset(text)) is not None):
        return text
    return "".join(c if _covers(str(SHIPPED), c) else _spelled(c) for c in text)


def _spelled(letter: str) -> str:
    from anyascii import anyascii  # few texts need it

    mark = unicodedata.category(letter).startswith("M")
    return anyascii(letter) or ("" if mark else "?")


@lru_cache(maxsize=512)
def font_for(text: str, size: int) -> ImageFont.FreeTypeFont:
    """Returns the font that writes a text which is `writable`, with letters of a size in pixels."""
    found = None if _covers(str(SHIPPED), text) else _system_font(frozenset(text))
    return ImageFont.truetype(str(found or SHIPPED), size)


@lru_cache(maxsize=256)
def _system_font(letters: frozenset[str]) -> Path | None:
    """Returns the plainest of the system's fonts that has all these letters, None where no font has."""
    return next((path for path in _system_fonts() if _covers(str(path), "".join(sorted(letters)))), None)


@lru_cache(maxsize=1)
def _system_fonts() -> tuple[Path, ...]:
    """Returns the system's font files, plain ones first, in an order that is always the same."""
    home, data = Path.home(), os.environ.get("XDG_DATA_HOME")
    if sys.platform == "win32":
        folders = [Path(os.environ.get("WINDIR", "C:/Windows")) / "Fonts"]
        folders.append(Path(os.environ.get("LOCALAPPDATA", home)) / "Microsoft" / "Windows" / "Fonts")
    elif sys.platform == "darwin":
        folders = [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library" / "Fonts"]
    else:
        shared = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
        folders = [Path(part) / "fonts" for part in shared.split(":") if part]
        folders += [Path(data or home / ".local" / "share") / "fonts", home / ".fonts"]
    files = {path for folder in folders for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES}
    useful = [path for path in files if not any(part in path.name.lower() for part in _USELESS)]
    return tuple(sorted(useful, key=lambda path: (sum(part in path.name.lower() for part in _MANNERED), str(path))))


@lru_cache(maxsize=4096)
def _covers(path: str, text: str) -> bool:
    """Tells whether a font file has every letter of a text, and whether Pillow can put them together."""
    if any(map(_needs_shaping, text)) and not features.check("raqm"):
        return False
    try:
        font = ImageFont.truetype(path, _PROBE, layout_engine=ImageFont.Layout.BASIC)
        missing = bytes(font.getmask(_UNASSIGNED))
        return all(c.isspace() or bytes(font.getmask(c)) != missing for c in set(text))
    except (OSError, ValueError):  # damaged, or pictures of one size only
        return False


def _needs_shaping(letter: str) -> bool:
    """Tells whether a letter runs from right to left or changes its neighbours, which takes more than a row of them."""
    return unicodedata.bidirectional(letter) in ("R", "AL", "AN") or unicodedata.category(letter) in ("Mn", "Mc")
