"""An MJPEG server on loopback that can stall, drop its viewers, change its size, go away and come back."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2

from tests.live.fakes import counted


class StreamServer:
    """Serves numbered pictures at `/stream`, and a page at `/page`."""

    def __init__(self, rate: float = 25.0) -> None:
        self.size = (320, 240)
        self.stalled = threading.Event()
        self.number = 0
        self._rate = rate
        self._port = 0
        self._http: ThreadingHTTPServer | None = None
        self._connections: list[socket.socket] = []
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/stream"

    def start(self) -> None:
        """Begins to answer, at the same address as before."""
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/page":
                    self.send_response(200)
                    self.send_header("Content-Type", "text/html")
                    self.end_headers()
                    self.wfile.write(b"<html><body>Our camera</body></html>")
                    return
                server._connections.append(self.connection)
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                with contextlib.suppress(OSError):
                    server._send(self.wfile)

            def log_message(self, *_: object) -> None:
                pass

        class Http(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

        self._http = Http(("127.0.0.1", self._port), Handler)
        self._port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    def _send(self, file) -> None:
        while True:
            if not self.stalled.is_set():
                self.number += 1
                _, data = cv2.imencode(".jpg", counted(self.number, *self.size)[..., ::-1])
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                file.write(head.encode() + data.tobytes() + b"\r\n")
                file.flush()
            time.sleep(1 / self._rate)

    def drop(self) -> None:
        """Ends all connections."""
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._connections.clear()

    def stop(self) -> None:
        """Goes away: nobody answers any more."""
        self._http.shutdown()
        self._http.server_close()
        self.drop()
