"""What every source has in common. No codec is loaded here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from vidcam.media.info import Info
from vidcam.types import Frame


class Source(ABC):
    """Frames of a file in order, once. A context manager; iterate over it, then close it.

    Attributes:
        info: what the file is.
        damaged: the frames that could not be read so far.
        pulse: grows while the file is being read, also where no frame comes out; a source that hangs is told by it.
    """

    info: Info
    damaged: int = 0
    pulse: int = 0

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """Returns the frames; their times count from the start of the stream, also when `start` was given."""

    @abstractmethod
    def close(self) -> None:
        """Releases the file; frames already given keep their pictures. May be called again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
