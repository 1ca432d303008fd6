"""What comes in now: what every live source has in common. No codec is loaded here.

A feed gives the picture of this moment and the time it was taken. It never catches up on what was missed: whoever reads
it too slowly misses pictures.
"""

from __future__ import annotations

import re
import threading
from abc import ABC, abstractmethod

from vidcam.errors import VidcamError
from vidcam.types import Array


class FeedLost(VidcamError):  # noqa: N818 - named as the end of a feed is
    """A feed stopped that may come back: an unplugged camera, a stream without data."""


class FeedEnded(Exception):  # noqa: N818 - the end of a file is no error
    """A file has been played to its end."""


class Feed(ABC):
    """Pictures as they come.

    Attributes:
        name: for people: `camera 0`, the file, the URL without its password.
        notes: one-line things to tell the user.
        live: False for a file, which waits while nobody reads.
    """

    name: str
    live: bool = True
    notes: tuple[str, ...] = ()

    @abstractmethod
    def read(self, stop: threading.Event) -> tuple[Array, float]:
        """Waits for the next picture.

        Args:
            stop: set when nobody waits any more; the call then returns or raises soon.

        Returns:
            RGB uint8 (H, W, 3), and when it was taken in seconds of `time.monotonic`. The size may change.

        Raises:
            FeedLost: there is no more to come for now.
            FeedEnded: there is no more to come.
        """

    @abstractmethod
    def close(self) -> None:
        """Releases the source. May be called again."""


def hide_password(url: str) -> str:
    """Returns a URL without user name, password and query, where keys are, for screens, pages and messages."""
    return re.sub(r"^([a-zA-Z][a-zA-Z0-9+.-]*://)(?:[^/?#]*@)?([^?#]*).*", r"\1\2", url)
