"""The server: newest picture for every viewer, its own pages only, and bounds on what anybody may ask for."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.live.fakes import LOOK, counted, read_count
from vidcam.errors import UsageError, VidcamError
from vidcam.live import server as serving
from vidcam.live.address import Address, parse_address
from vidcam.live.controls import Controls, LiveSettings
from vidcam.live.display import Painted
from vidcam.live.server import Server


@dataclass
class View:
    """A server of made-up pictures."""

    server: Server
    controls: Controls
    number: int = 0

    def show(self) -> None:
        self.number += 1
        picture = counted(self.number)
        self.server.show(Painted(picture, picture, self.number, time.monotonic(), True, self.controls.settings))

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.address.port, timeout=30)
        sent = {k.replace("_", "-"): v for k, v in headers.items()}
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
            body = body if isinstance(body, str | bytes) else json.dumps(body)
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        got = answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        connection.close()
        return got


@pytest.fixture
def view():
    controls = Controls(LiveSettings(LOOK, "gradcam", "top"), threading.Condition())
    server = Server(("127.0.0.1", 0), controls, lambda: {"paused": controls.settings.paused})
    yield View(server, controls)
    server.close()


@pytest.mark.parametrize(
    ("text", "address"),
    [("8000", ("127.0.0.1", 8000)), ("0.0.0.0:80", ("0.0.0.0", 80)), ("[::1]:0", ("::1", 0)), (":9", ("127.0.0.1", 9))],
)
def test_addresses(text, address):
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "web", "70000", "host:", "-1", "1.5", "host:http"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(UsageError, match="give a port from 0 to 65535, or HOST:PORT"):
        parse_address(text)


def test_a_busy_port_and_a_foreign_address_are_said(view):
    with pytest.raises(VidcamError, match=f"--serve 127.0.0.1:{view.server.address.port}: .*another program uses it"):
        Server(("127.0.0.1", view.server.address.port), view.controls, dict)
    with pytest.raises(VidcamError, match="--serve 192.0.2.1:0: "):
        Server(("192.0.2.1", 0), view.controls, dict)
    with pytest.raises(VidcamError, match="no such host"):
        Server(("no.such.host.invalid", 0), view.controls, dict)


@pytest.mark.parametrize(
    ("path", "kind"), [("/", "text/html"), ("/page.css", "text/css"), ("/page.js", "text/javascript")]
)
def test_the_page_and_its_parts_need_nothing_from_elsewhere(view, path, kind):
    status, headers, body = view.ask("GET", path)
    assert status == 200
    assert headers["content-type"].startswith(kind)
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert b"http://" not in body
    assert b"https://" not in body


@pytest.mark.parametrize("path", ["/none", "/../server.py", "/%2e%2e/server.py", "/page/page.js", "//etc/passwd"])
def test_nothing_else_is_served(view, path):
    assert view.ask("GET", path)[0] == 404


def test_every_viewer_gets_the_newest_picture_from_one_jpeg(view):
    for _ in range(5):
        view.show()
    deadline = time.monotonic() + 30
    while view.server.jpegs.number == 0 or read_jpeg(view.server.jpegs.newest().value) < 5:
        assert time.monotonic() < deadline
    answers = [view.ask("GET", f"/frame?viewer=v{i}&after=0") for i in range(3)]
    assert {a[0] for a in answers} == {200}
    assert len({a[2] for a in answers}) == 1
    assert read_jpeg(answers[0][2]) == 5
    number = int(answers[0][1]["x-number"])
    waiting: list[tuple] = []
    thread = threading.Thread(target=lambda: waiting.append(view.ask("GET", f"/frame?viewer=v0&after={number}")))
    thread.start()
    view.show()
    thread.join()
    assert read_jpeg(waiting[0][2]) == 6
    assert int(waiting[0][1]["x-number"]) == number + 1
    assert view.server.state()["viewers"] == 3


def read_jpeg(data: bytes) -> int:
    return read_count(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))


def test_before_the_first_picture_there_is_none(view, monkeypatch):
    monkeypatch.setattr(serving, "FRAME_WAIT", 0.05)
    assert view.ask("GET", "/frame?viewer=a&after=0")[0] == 204


@pytest.mark.parametrize(
    "query", ["", "?viewer=a", "?after=1", "?viewer=a&after=-1", "?viewer=a&after=1e9", "?viewer=a&after=" + "9" * 40]
)
def test_a_frame_is_asked_for_in_one_way(view, query):
    view.show()
    expected = 200 if query == "?viewer=a" else 400
    assert view.ask("GET", "/frame" + query)[0] == expected


def test_controls_do_what_the_keys_do(view):
    status, _, body = view.ask("POST", "/control", {"action": "pause"})
    assert (status, json.loads(body)["paused"]) == (200, True)
    assert view.controls.settings.paused
    assert view.ask("POST", "/control", {"action": "method", "value": "layercam"})[0] == 200
    assert view.controls.settings.method == "layercam"
    assert view.ask("POST", "/control", {"action": "alpha", "value": 0.9})[0] == 200
    assert view.controls.settings.look.alpha == 0.9
    assert view.ask("POST", "/control", {"action": "snapshot"})[0] == 200
    assert view.controls.requests() == ["snapshot"]
    status, _, body = view.ask("POST", "/control", {"action": "record"})
    assert (status, b"too soon" in body) == (400, True)


@pytest.mark.parametrize(
    "body",
    ["", "{", "[]", "7", '"pause"', '{"action": "quit"}', '{"action": "help"}', '{"action": ["pause"]}', "{}",
     '{"action": "method", "value": {"a": 1}}', '{"action": "alpha", "value": NaN}', b"\xff\xfe", "[" * 900],
)  # fmt: skip
def test_a_control_that_makes_no_sense_is_refused(view, body):
    before = view.controls.settings
    status, _, said = view.ask("POST", "/control", body)
    assert status == 400
    assert json.loads(said)["error"]
    assert view.controls.settings == before
    assert view.controls.requests() == []


FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Host": "evil.example"},
    {"Host": "evil.example", "Origin": "http://evil.example"},
    {"Host": ""},
    {"Host": "192.0.2.7"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_foreign_origins_and_hosts_are_refused(view, headers):
    view.show()
    for method, path, body in (
        ("POST", "/control", {"action": "pause"}),
        ("GET", "/state", None),
        ("GET", "/frame?viewer=a&after=0", None),
    ):
        status, _, said = view.ask(method, path, body, **headers)
        assert status in (403, 421)
        assert list(json.loads(said)) == ["error"]
    assert not view.controls.settings.paused


def test_a_form_of_another_site_cannot_control(view):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert view.ask("POST", "/control", {"action": "pause"}, Content_Type=kind)[0] == 415
    assert not view.controls.settings.paused


def test_its_own_pages_are_answered_under_its_own_names(view):
    port = view.server.address.port
    for host in (
        f"127.0.0.1:{port}",
        f"localhost:{port}",
        f"{socket.gethostname()}:{port}",
        f"[::1]:{port}",
        "localhost:9",
    ):
        headers = {"Host": host, "Origin": f"http://{host}", "Sec_Fetch_Site": "same-origin"}
        assert view.ask("POST", "/control", {"action": "overlay"}, **headers)[0] == 200
    assert view.ask("GET", "/", Sec_Fetch_Site="cross-site")[0] == 200  # a link from elsewhere


@pytest.fixture
def open_view():
    """A view that other machines reach."""
    controls = Controls(LiveSettings(LOOK, "gradcam", "top"), threading.Condition())
    server = Server(("0.0.0.0", 0), controls, lambda: {"paused": controls.settings.paused})
    yield View(server, controls)
    server.close()


def test_what_other_machines_reach_answers_nothing_without_its_key(open_view):
    key = open_view.server.address.key
    assert len(key) >= 20
    for lead in ("", f"/{key[:-1]}", f"/{key}x", f"/{key.swapcase()}", f"/x/{key}", "/%C3%A9", f"/?{key}="):
        for path in ("/", "/page.js", "/page.css", "/state", "/frame?viewer=a&after=0", "/none"):
            status, headers, body = open_view.ask("GET", lead + path)
            assert (status, list(json.loads(body))) == (403, ["error"])
            assert key not in body.decode() + str(headers)
        assert open_view.ask("POST", f"{lead}/control", {"action": "pause"})[0] == 403
    with socket.create_connection(("127.0.0.1", open_view.server.address.port), timeout=30) as raw:
        raw.sendall("GET /é/state HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert b" 403 " in raw.recv(100)
    assert not open_view.controls.settings.paused


def test_with_its_key_everything_is_answered(open_view):
    key = open_view.server.address.key
    open_view.show()
    assert open_view.ask("GET", f"/{key}")[1]["location"] == f"/{key}/"
    for path in ("", "page.js", "page.css", "state", "frame?viewer=a&after=0"):
        assert open_view.ask("GET", f"/{key}/{path}", Host="192.0.2.7:80")[0] in (200, 204)
    assert open_view.ask("GET", f"/{key}/none")[0] == 404
    assert open_view.ask("POST", f"/{key}/control", {"action": "pause"})[0] == 200
    assert open_view.controls.settings.paused
    assert open_view.ask("POST", f"/{key}/control", {"action": "pause"}, Origin="http://evil.example")[0] == 403
    assert open_view.ask("GET", f"/{key}/state", Host="evil.example")[0] == 421


def test_the_page_asks_for_what_lies_beside_it():
    folder = Path(serving.__file__).parent / "page"
    page, script = (folder / "page.html").read_text("utf-8"), (folder / "page.js").read_text("utf-8")
    asked = re.findall(r'(?:href|src)="([^"]*)"', page) + re.findall(r"fetch\([\"`]([^\"`]*)", script)
    assert len(asked) >= 5
    assert not [path for path in asked if path.startswith(("/", "http"))]


def test_only_this_machines_own_addresses_go_without_a_key():
    assert Address.of("127.0.0.1", ("127.0.0.1", 80)).url == "http://127.0.0.1:80/"
    assert Address.of("::1", ("::1", 80)).url == "http://[::1]:80/"
    for host, bound in (("0.0.0.0", "0.0.0.0"), ("::", "::"), ("box.local", "192.0.2.7"), ("192.0.2.7", "192.0.2.7")):
        address, again = (Address.of(host, (bound, 80)) for _ in range(2))
        assert address.url.endswith(f":80/{address.key}/")
        assert address.key
        assert address.key != again.key
        assert host not in ("0.0.0.0", "::") or socket.gethostname() in address.url


def test_large_requests_are_refused_unread(view):
    assert view.ask("POST", "/control", " " * 1025)[0] == 413
    with socket.create_connection(("127.0.0.1", view.server.address.port), timeout=30) as raw:
        raw.sendall(b"POST /control HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 413")
    with socket.create_connection(("127.0.0.1", view.server.address.port), timeout=30) as raw:
        raw.sendall(b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n")
        assert b" 414 " in raw.recv(100)
    assert view.ask("PUT", "/control", {"action": "pause"})[0] == 501
    assert view.ask("GET", "/state")[0] == 200


def test_viewers_are_bounded_and_those_who_leave_make_room(view, monkeypatch):
    monkeypatch.setattr(serving, "VIEWERS", 2)
    view.show()
    assert [view.ask("GET", f"/frame?viewer={v}&after=0")[0] for v in ("a", "b", "c", "a")] == [200, 200, 503, 200]
    monkeypatch.setattr(serving, "VIEWER_GONE", 0.0)
    assert view.ask("GET", "/frame?viewer=c&after=0")[0] == 200


def test_connections_are_bounded(view):
    held = [
        socket.create_connection(("127.0.0.1", view.server.address.port), timeout=30)
        for _ in range(serving.CONNECTIONS)
    ]
    try:
        refused = [socket.create_connection(("127.0.0.1", view.server.address.port), timeout=30) for _ in range(3)]
        for connection in refused:
            assert connection.recv(100).startswith(b"HTTP/1.1 503")
            connection.close()
    finally:
        for connection in held:
            connection.close()
    deadline = time.monotonic() + 30
    while True:
        try:
            assert view.ask("GET", "/state")[0] == 200
            break
        except (AssertionError, OSError, http.client.HTTPException):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_client_that_says_nothing_is_let_go(view, monkeypatch):
    monkeypatch.setattr(serving._Handler, "timeout", 0.2)
    with socket.create_connection(("127.0.0.1", view.server.address.port), timeout=30) as silent:
        silent.sendall(b"GET / HTTP/1.1\r\nHost")
        assert silent.recv(10) == b""


def test_a_slow_viewer_slows_nobody_and_holds_one_picture(view):
    """A viewer that asks and asks but never reads fills its own connection only."""
    slow = socket.create_connection(("127.0.0.1", view.server.address.port), timeout=30)
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.sendall(b"GET /frame?viewer=slow&after=999 HTTP/1.1\r\nHost: localhost\r\n\r\n" * 300)
    threads = threading.active_count()
    number, counts, slowest = 0, [], 0.0
    for _ in range(60):
        view.show()
        began = time.monotonic()
        status, headers, body = view.ask("GET", f"/frame?viewer=quick&after={number}")
        slowest = max(slowest, time.monotonic() - began)
        assert status == 200
        number = int(headers["x-number"])
        counts.append(read_jpeg(body))
    assert counts == list(range(1, 61))
    assert slowest < serving.FRAME_WAIT
    assert threading.active_count() <= threads + 4
    slow.close()


def test_nobody_looking_costs_nothing(view, monkeypatch):
    assert not view.server.wanted()
    view.show()
    view.ask("GET", "/frame?viewer=a&after=0")
    assert view.server.wanted()
    monkeypatch.setattr(serving, "VIEWER_GONE", 0.0)
    assert not view.server.wanted()


def test_closing_ends_waiting_viewers():
    controls = Controls(LiveSettings(LOOK, "gradcam", "top"), threading.Condition())
    server = Server(("127.0.0.1", 0), controls, dict)
    view = View(server, controls)

    def ask() -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            view.ask("GET", "/frame?viewer=a&after=0")

    kept = http.client.HTTPConnection("127.0.0.1", server.address.port, timeout=30)
    kept.request("GET", "/state")
    kept.getresponse().read()
    thread = threading.Thread(target=ask)
    thread.start()
    while not server.wanted():
        time.sleep(0.005)
    server.close()
    thread.join(30)
    assert not thread.is_alive()
    assert kept.sock.recv(10) == b""
    kept.close()
    with pytest.raises(OSError):  # noqa: PT011
        socket.create_connection(("127.0.0.1", server.address.port), timeout=5)
