"""Where the view is served: the address as it is given and as it is told, whose names it has, and the key in it.

An address that other machines reach shows a camera to whoever finds it, so it holds a key, without which nothing is
answered.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from vidcam.errors import UsageError

LOOPBACK = "127.0.0.1"
_EVERYWHERE = ("0.0.0.0", "::")
_KEY_BYTES = 16


def parse_address(text: str) -> tuple[str, int]:
    """Reads `[HOST:]PORT`.

    Returns:
        The host, 127.0.0.1 where none is given, and the port; 0 lets the system choose one.

    Raises:
        UsageError: it is no such address.
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"--serve {text}: give a port from 0 to 65535, or HOST:PORT")
    return host or LOOPBACK, int(port)


@dataclass(frozen=True, slots=True)
class Address:
    """An address that is served.

    Attributes:
        host: as it was given.
        port: the one that is listened at.
        key: the first part of every path that is answered; empty where only this machine can ask.
        local: whether only this machine can ask.
    """

    host: str
    port: int
    key: str
    local: bool

    @classmethod
    def of(cls, host: str, bound: tuple[str, int]) -> Address:
        """Makes an address, with a new key where one is needed.

        Args:
            host: as it was given.
            bound: the address and port that are listened at.
        """
        local = ipaddress.ip_address(bound[0]).is_loopback
        return cls(host, bound[1], "" if local else secrets.token_urlsafe(_KEY_BYTES), local)

    @property
    def url(self) -> str:
        """What to open; the machine's name stands for all its addresses."""
        everywhere = not self.local and self.host in _EVERYWHERE
        host = socket.gethostname() if everywhere else f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/{self.key}{'/' if self.key else ''}"

    def opens(self, path: str) -> str | None:
        """Returns what a request's path asks for behind the key, None where the key is missing or wrong."""
        if not self.key:
            return path
        _, given, *rest = path.split("/", 2)
        if not hmac.compare_digest(given.encode(errors="replace"), self.key.encode()):
            return None
        return f"/{rest[0]}" if rest else ""

    def has_name(self, host: str | None) -> bool:
        """Tells whether a request's Host is this server: by number, as localhost, by its own or the given name."""
        name = (urlsplit(f"//{host or ''}").hostname or "").lower()
        number = _number(name)
        if number is not None:
            return number.is_loopback or not self.local
        own = socket.gethostname().lower()
        return name in {"localhost", own, f"{own}.local", own.partition(".")[0], self.host.lower()} - {""}


def _number(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Returns an address that is given by number, None for a name."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
