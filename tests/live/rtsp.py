"""An RTSP server on loopback for one viewer: numbered pictures as H.264 over RTP, interleaved on the one connection.

As much of RFC 2326 and RFC 6184 as a player asks for: OPTIONS, DESCRIBE, SETUP, PLAY; one NAL unit a packet.
"""

from __future__ import annotations

import contextlib
import re
import socket
import socketserver
import struct
import threading
import time

import av

from tests.live.fakes import counted

SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=counter\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track1\r\n"
)


class RtspServer:
    """Serves `rtsp://127.0.0.1:PORT/camera`."""

    def __init__(self, rate: int = 25) -> None:
        self.number = 0
        self.transport = ""
        self._rate = rate
        self._stop = threading.Event()
        server = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    server._talk(self)

        class Tcp(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False

        self._tcp = Tcp(("127.0.0.1", 0), Handler)
        self.url = f"rtsp://127.0.0.1:{self._tcp.server_address[1]}/camera"
        threading.Thread(target=self._tcp.serve_forever, args=(0.05,), daemon=True).start()

    def _talk(self, viewer: socketserver.StreamRequestHandler) -> None:
        while True:
            request = b""
            while not request.endswith(b"\r\n\r\n"):
                line = viewer.rfile.readline()
                if not line:
                    return
                request += line
            method = request.split(b" ")[0].decode()
            sequence = re.search(rb"CSeq: (\d+)", request)[1].decode()
            more, body = "", ""
            if method == "OPTIONS":
                more = "Public: DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
            elif method == "DESCRIBE":
                body = SDP
                more = f"Content-Base: {self.url}/\r\nContent-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n"
            elif method == "SETUP":
                self.transport = re.search(rb"Transport: (\S+)", request)[1].decode()
                more = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n"
            elif method == "PLAY":
                more = "Session: 1\r\nRange: npt=0.000-\r\n"
            viewer.wfile.write(f"RTSP/1.0 200 OK\r\nCSeq: {sequence}\r\n{more}\r\n{body}".encode())
            if method == "PLAY":
                self._play(viewer.connection)
                return

    def _play(self, connection: socket.socket) -> None:
        encoder = av.CodecContext.create("libx264", "w")
        encoder.width, encoder.height, encoder.pix_fmt = 320, 240, "yuv420p"
        encoder.framerate = self._rate
        encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "g": str(self._rate), "crf": "20"}
        sequence = 0
        while not self._stop.wait(1 / self._rate):
            self.number += 1
            frame = av.VideoFrame.from_ndarray(counted(self.number), format="rgb24")
            ticks = int(time.monotonic() * 90_000) & 0xFFFFFFFF
            for packet in encoder.encode(frame):
                units = [u for u in re.split(rb"\x00\x00\x00?\x01", bytes(packet)) if u]
                for i, unit in enumerate(units):
                    marker = 0x80 if i == len(units) - 1 else 0
                    header = struct.pack(">BBHII", 0x80, marker | 96, sequence & 0xFFFF, ticks, 7)
                    sequence += 1
                    connection.sendall(struct.pack(">cBH", b"$", 0, len(header) + len(unit)) + header + unit)

    def close(self) -> None:
        """Ends the stream, as a camera that is switched off."""
        self._stop.set()
        self._tcp.shutdown()
        self._tcp.server_close()
