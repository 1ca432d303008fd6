"""Where the output goes: its name where none is given, and the name of a run that was stopped early."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from vidcam.errors import VidcamError

DEFAULT_SUFFIX = {"video": ".mp4", "animation": ".gif", "image": ".png"}


def output_path(source: str | Path, kind: str, output: str | Path | None) -> Path:
    """Names the output.

    Args:
        source: what is read.
        kind: `video`, `animation` or `image`.
        output: a file, an existing directory, or None for the current one.

    Returns:
        The file to write: `NAME_cam.EXT` where only a directory is known, video to MP4, animation to GIF, image to PNG.

    Raises:
        VidcamError: the output ends like a directory that does not exist.
    """
    name = Path(source).name or Path(source).resolve().name
    stem = Path(source).stem if "." in name else name
    if not Path(source).exists():  # a numbered pattern
        stem = re.sub(r"[ _.-]*%0?\d*d", "", stem) or "frames"
    name = f"{stem}_cam{DEFAULT_SUFFIX[kind]}"
    if output is None:
        return Path(name)
    if Path(output).is_dir():
        return Path(output) / name
    if str(output).endswith(("/", "\\")):
        raise VidcamError(f"{output}: the directory does not exist; create it first")
    return Path(output)


def partial_paths(outputs: Sequence[Path], overwrite: bool) -> list[Path]:
    """Names the files of a run that was stopped early.

    Args:
        outputs: the names they were to have.
        overwrite: whether files may be replaced.

    Returns:
        `NAME.partial.EXT` for each; where such a file is there and must stay, `NAME.partial-2.EXT` and so on for all.
    """
    for number in count(1):
        mark = "partial" if number == 1 else f"partial-{number}"
        names = [path.with_name(f"{path.stem}.{mark}{path.suffix}") for path in outputs]
        if overwrite or not any(name.exists() for name in names):
            break
    return names
