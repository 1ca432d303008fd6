"""The same view in a browser: a page, the newest picture, the state, and the controls, over HTTP.

Pictures are asked for one by one: a viewer that is slow asks less often, and always gets the newest. One JPEG serves
all viewers. The server answers its own pages only: names that are not its own (DNS rebinding), requests from other
sites and, on any address but this machine's own, requests without the key are refused.

aiohttp and Starlette were weighed. Both run in an event loop, where the session is made of threads that wait on one
condition; Starlette needs a server such as uvicorn besides. What makes up this module, the checks and the viewers,
would stay as it is. The standard library's server has a thread for each of a few viewers, which is enough.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import cv2

from vidcam.errors import UsageError, VidcamError
from vidcam.live.address import Address
from vidcam.live.controls import Controls
from vidcam.live.display import Painted
from vidcam.live.slot import Slot

CONNECTIONS = 64
"""Connections at once; a browser opens a few for a page."""
VIEWERS = 16
LARGEST_REQUEST = 1024
"""Bytes of a control's body."""
CLIENT_SECONDS = 10.0
"""Seconds that a client may take to send a request or to take an answer."""
FRAME_WAIT = 2.0
"""Seconds that a request for the next picture waits for it."""
VIEWER_GONE = 3.0
"""Seconds after its last request for which a viewer counts as there."""
QUALITY = 80
SNAPSHOT_PAUSE = 1.0
"""Seconds between two snapshots or recordings that viewers may start: they fill the disk of somebody else."""
PAGE = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}
ACTIONS = (
    "pause", "snapshot", "record", "method", "colormap", "alpha", "view", "stronger", "weaker", "lock", "overlay",
)  # fmt: skip
"""What viewers may do; the program ends from its own keyboard only."""
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Server:
    """Serves the view while it is open; an output of the display.

    Args:
        address: host and port.
        controls: take what viewers ask for.
        state: returns what the page shows beside the picture.

    Raises:
        VidcamError: the address cannot be had.
    """

    def __init__(self, address: tuple[str, int], controls: Controls, state: Callable[[], dict[str, Any]]) -> None:
        self._controls = controls
        self._state = state
        self._wake = threading.Condition()
        self._newest: Slot[Painted] = Slot(self._wake)
        self.jpegs: Slot[bytes] = Slot(self._wake)
        self._stopped = False
        self._asked = float("-inf")
        self._saved = float("-inf")
        self._viewers: dict[str, float] = {}
        try:
            self._http = _Http(address, self)
        except (OSError, OverflowError, UnicodeError) as error:
            raise VidcamError(f"--serve {address[0]}:{address[1]}: {_why(error)}") from None
        self.address = Address.of(address[0], (self._http.server_name, self._http.server_port))
        self._threads = [
            threading.Thread(target=self._http.serve_forever, args=(0.05,), name="serve", daemon=True),
            threading.Thread(target=self._encode, name="jpeg", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def wanted(self) -> bool:
        return time.monotonic() - self._asked < VIEWER_GONE

    def show(self, shown: Painted) -> None:
        self._newest.put(shown, shown.time)

    def close(self) -> None:
        """Ends all connections."""
        with self._wake:
            self._stopped = True
            self._wake.notify_all()
        self._http.shutdown()
        self._http.server_close()
        self._http.drop()
        for thread in self._threads:
            thread.join()

    def frame(self, viewer: str, after: int) -> tuple[int, bytes] | None:
        """Waits for a picture with a higher number.

        Args:
            viewer: who asks.
            after: the number of the picture that the viewer has.

        Returns:
            Its number and JPEG; the newest, also where no other came in time; None where there is none at all.
        """
        self._asked = self._viewers[viewer] = time.monotonic()
        with self._wake:
            # A number from before a restart is no reason to wait.
            self._wake.wait_for(
                lambda: self._stopped or self.jpegs.number > after or self.jpegs.number < after, timeout=FRAME_WAIT
            )
        item = self.jpegs.newest()
        return (item.number, item.value) if item else None

    def admits(self, viewer: str) -> bool:
        """Tells whether a viewer may look; there is room for so many."""
        now = time.monotonic()
        self._viewers = {v: t for v, t in self._viewers.copy().items() if now - t < VIEWER_GONE}
        return viewer in self._viewers or len(self._viewers) < VIEWERS

    def state(self) -> dict[str, Any]:
        """Returns what the page shows beside the picture."""
        now = time.monotonic()
        viewers = sum(now - t < VIEWER_GONE for t in self._viewers.copy().values())
        return {**self._state(), "viewers": viewers}

    def control(self, request: Any) -> None:
        """Does what a page asks for.

        Raises:
            UsageError: it makes no sense.
        """
        if not isinstance(request, dict) or request.get("action") not in ACTIONS:
            raise UsageError(f"send an action: one of {', '.join(ACTIONS)}")
        action = request["action"]
        if action in ("snapshot", "record"):
            if time.monotonic() - self._saved < SNAPSHOT_PAUSE:
                raise UsageError("that is too soon after the last one; wait a second")
            self._saved = time.monotonic()
        self._controls.do(action, request.get("value"))

    def _encode(self) -> None:
        """Makes one JPEG of each picture, for all viewers."""
        done = 0
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._stopped or self._newest.number > done)  # noqa: B023
            item = self._newest.take()
            if self._stopped or item is None:
                return
            done = item.number
            bgr = cv2.cvtColor(item.value.picture, cv2.COLOR_RGB2BGR)
            good, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
            if good:
                self.jpegs.put(data.tobytes(), item.time)


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 32

    def __init__(self, address: tuple[str, int], app: Server) -> None:
        self.app = app
        self._room = threading.BoundedSemaphore(CONNECTIONS)
        self._open: set[socket.socket] = set()
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # Without HTTPServer's look-up of the machine's name, which can take seconds.
        if os.name == "posix":  # passes over connections that are still closing; a port in use stays an error
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._room.acquire(blocking=False):
            with contextlib.suppress(OSError):
                request.settimeout(0.1)
                request.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.discard(request)
            self._room.release()

    def drop(self) -> None:
        """Ends the connections that are still open; browsers keep theirs for the next request."""
        for connection in self._open.copy():
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A viewer that goes away is no error."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "vidcam"
    sys_version = ""
    timeout = CLIENT_SECONDS
    disable_nagle_algorithm = True
    server: _Http

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        app = self.server.app
        path = self._asked_for(url.path)
        if path is None:
            return
        if path in PAGE:
            name, kind = PAGE[path]
            self._send(HTTPStatus.OK, (Path(__file__).parent / "page" / name).read_bytes(), kind)
        elif path == "/state":
            self._json(HTTPStatus.OK, app.state())
        elif path == "/frame":
            query = parse_qs(url.query)
            viewer, after = query.get("viewer", [""])[0][:32], query.get("after", ["0"])[0]
            if not viewer or not after.isdecimal() or len(after) > 15:
                self._json(HTTPStatus.BAD_REQUEST, {"error": "send viewer=NAME&after=NUMBER"})
            elif not app.admits(viewer):
                self._json(HTTPStatus.SERVICE_UNAVAILABLE, {"error": f"there are {VIEWERS} viewers already"})
            elif (found := app.frame(viewer, int(after))) is None:
                self._send(HTTPStatus.NO_CONTENT, b"", "image/jpeg")
            else:
                self._send(HTTPStatus.OK, found[1], "image/jpeg", {"X-Number": str(found[0])})
        elif not path:  # what the page asks for has its place behind the key
            self._send(HTTPStatus.PERMANENT_REDIRECT, b"", "text/plain", {"Location": f"{url.path}/"})
        else:
            self._json(HTTPStatus.NOT_FOUND, {"error": "there is no such page"})

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > LARGEST_REQUEST:
            self.close_connection = True
            self._json(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": f"send at most {LARGEST_REQUEST} bytes"})
            return
        body = self.rfile.read(int(length))
        path = self._asked_for(urlsplit(self.path).path)
        if path is None:
            return
        if path != "/control":
            self._json(HTTPStatus.NOT_FOUND, {"error": "there is no such page"})
        elif self.headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
            # A form of another site cannot send this without asking first.
            self._json(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, {"error": "send application/json"})
        else:
            try:
                self.server.app.control(json.loads(body))
            except (UsageError, ValueError, RecursionError) as error:
                self._json(HTTPStatus.BAD_REQUEST, {"error": str(error)})
            else:
                self._json(HTTPStatus.OK, self.server.app.state())

    def _asked_for(self, path: str) -> str | None:
        """Returns what is asked for; refuses what comes under another name, from another site's page or without key."""
        host, origin = self.headers.get("Host"), self.headers.get("Origin")
        foreign = origin is not None and urlsplit(origin).netloc.lower() != (host or "").lower()
        site = self.headers.get("Sec-Fetch-Site", "none")
        address = self.server.app.address
        asked = address.opens(path)
        # A link from elsewhere to the page itself is no danger; what the page is made of is asked for by the page.
        opened = self.command == "GET" and asked == "/"
        if not address.has_name(host):
            self._json(HTTPStatus.MISDIRECTED_REQUEST, {"error": "this server has another name"})
        elif asked is None:
            self._json(HTTPStatus.FORBIDDEN, {"error": "open the whole address that vidcam printed; it holds a key"})
        elif foreign or (site not in ("same-origin", "none") and not opened):
            self._json(HTTPStatus.FORBIDDEN, {"error": "only this server's own pages are answered"})
        else:
            return asked
        return None

    def _json(self, status: HTTPStatus, value: dict[str, Any]) -> None:
        self._send(status, json.dumps(value).encode(), "application/json")

    def _send(self, status: HTTPStatus, body: bytes, kind: str, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**_HEADERS, "Content-Type": kind, "Content-Length": str(len(body)), **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a line for each picture would drown the terminal."""


def _why(error: BaseException) -> str:
    number = getattr(error, "errno", None)
    if isinstance(error, socket.gaierror | UnicodeError):
        return "there is no such host; give an address of this machine"
    text = str(getattr(error, "strerror", None) or error).lower()
    hints = {98: "another program uses it; choose another port", 13: "ports below 1024 are for administrators"}
    return f"{text}; {hints[number]}" if number in hints else text
