"""What the tests of the media layer share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.media.make import Video, write_video


@pytest.fixture
def video(tmp_path: Path) -> Callable[..., Path]:
    """Makes a video: `video("name.mp4", **fields of make.Video)`."""

    def make(name: str = "clip.mp4", **fields: object) -> Path:
        return write_video(tmp_path / name, Video(**fields))  # type: ignore[arg-type]

    return make
