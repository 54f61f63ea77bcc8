"""What makes a tunnel at the edge, by a real HAProxy: a websocket, and nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.sockets import Socket

from tests.edge_lab.test_forwarded import SITE, Edge, running

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
WEBSOCKET = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": KEY, "Sec-WebSocket-Version": "13"}
H2C = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAAP__"}
# What the application would hear through a tunnel, and what says that it did.
SMUGGLED = b"GET /past-every-rule HTTP/1.1\r\nHost: shop.example\r\n\r\n"


class Eager(BaseHTTPRequestHandler):
    """Answers with what it saw; at /tunnel it switches to whatever, asked or not, and echoes what comes."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/tunnel":
            to = self.headers["Upgrade"] or "websocket"
            key = f"{self.headers['Sec-WebSocket-Key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
            head = [
                "HTTP/1.1 101 Switching Protocols",
                "Connection: Upgrade",
                f"Upgrade: {to}",
                f"Sec-WebSocket-Accept: {accept}",
            ]
            self.wfile.write("\r\n".join([*head, "", ""]).encode())
            self._echo()
            return
        body = json.dumps([self.command, [[name.lower(), value] for name, value in self.headers.items()]]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_CONNECT(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        self._echo()

    def _echo(self) -> None:
        while data := self.connection.recv(65536):
            self.wfile.write(b"heard " + data)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def edge() -> Iterator[Edge]:
    with running(Eager) as found:
        yield found


def said(edge: Edge, head: str, more: bytes = b"", source: str = "127.0.0.1") -> bytes:
    """All that comes back for ``head``, and for ``more`` after the first answer."""
    return edge.inside.submit(_said, head, more, source).result()


def _said(head: str, more: bytes, source: str) -> bytes:
    with closing(socket.create_connection(("127.0.0.1", 8080), timeout=10, source_address=(source, 0))) as connection:
        connection.sendall(head.encode())
        found = connection.recv(65536)
        # It may be closed already.
        with suppress(OSError):
            connection.sendall(more)
            connection.shutdown(socket.SHUT_WR)
        while data := connection.recv(65536):
            found += data
        return found


def request(path: str, headers: dict[str, str], method: str = "GET") -> str:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {SITE}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""])


def seen(answer: bytes) -> dict[str, list[str]]:
    """The headers that reached the application."""
    found: dict[str, list[str]] = {}
    for name, value in json.loads(answer[answer.index(b"[") :])[1]:
        found.setdefault(name, []).append(value)
    return found


def requests_of(edge: Edge, backend: str) -> int:
    table = Socket(str(edge.paths.socket)).ask("show stat -1 2 -1").splitlines()
    names = table[0].lstrip("# ").split(",")
    row = next(line.split(",") for line in table if line.startswith(f"{backend},BACKEND,"))
    return int(row[names.index("stot")])


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(WEBSOCKET, id="as browsers ask"),
        pytest.param({**WEBSOCKET, "Connection": "keep-alive, Upgrade", "Upgrade": "WebSocket"}, id="in other words"),
        pytest.param({**WEBSOCKET, "Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c, websocket"}, id="or h2c"),
    ],
)
def test_a_websocket_is_a_tunnel_and_is_counted_as_one(edge: Edge, headers: dict[str, str]) -> None:
    before = requests_of(edge, "test.web.tunnels")
    answer = said(edge, request("/tunnel", headers), b"hello")
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert answer.endswith(b"heard hello")
    assert requests_of(edge, "test.web.tunnels") == before + 1


def test_a_websocket_may_ask_for_nothing_else_beside(edge: Edge) -> None:
    asked = {**WEBSOCKET, **H2C, "Connection": "Upgrade, HTTP2-Settings, X-Forwarded-Proto", "Upgrade": "h2c, websocket"}
    found = seen(said(edge, request("/", asked)))
    assert (found["connection"], found["upgrade"], found["x-forwarded-proto"]) == (["upgrade"], ["websocket"], ["http"])
    assert "http2-settings" not in found
    assert found["sec-websocket-key"] == [KEY]


NO_WEBSOCKETS = [
    pytest.param(H2C, id="h2c"),
    pytest.param({**H2C, "Upgrade": "H2C"}, id="H2C"),
    pytest.param({"Connection": "Upgrade", "Upgrade": "toy"}, id="any other"),
    pytest.param({"Upgrade": "websocket"}, id="without connection"),
    pytest.param({"Connection": "close", "Upgrade": "websocket"}, id="with another connection"),
    pytest.param({"Connection": "Upgrade"}, id="to nothing"),
    pytest.param({"Connection": "Upgrade", "Upgrade": "websockets"}, id="almost"),
    pytest.param({}, id="no upgrade"),
]


@pytest.mark.parametrize("headers", NO_WEBSOCKETS)
def test_nothing_else_asks_an_application_for_a_tunnel(edge: Edge, headers: dict[str, str]) -> None:
    before = requests_of(edge, "test.web.tunnels")
    found = seen(said(edge, request("/", headers)))
    assert found.keys() & {"upgrade", "http2-settings"} == set()
    assert "upgrade" not in "".join(found.get("connection", [])).lower()
    # A drain waits for it like for any other request.
    assert requests_of(edge, "test.web.tunnels") == before


@pytest.mark.parametrize("headers", NO_WEBSOCKETS)
def test_an_application_that_switches_unasked_opens_no_tunnel(edge: Edge, headers: dict[str, str]) -> None:
    answer = said(edge, request("/tunnel", headers), SMUGGLED)
    assert b"heard" not in answer
    assert answer.startswith(b"HTTP/1.1 502 "), answer


@pytest.mark.parametrize("target", [f"{SITE}:80", "/"])
def test_connect_is_no_way_to_a_tunnel_either(edge: Edge, target: str) -> None:
    answer = said(edge, request(target, {}, "CONNECT"), SMUGGLED)
    assert b"heard" not in answer
    assert answer.split()[1] in (b"405", b"400"), answer


def test_what_a_client_lists_as_its_connections_own_is_not_taken_away_by_the_next_proxy(edge: Edge) -> None:
    found = seen(said(edge, request("/", {"Connection": "close, X-Forwarded-For, X-Forwarded-Proto"})))
    assert "x-forwarded" not in "".join(found.get("connection", [])).lower()
    assert (found["x-forwarded-for"], found["x-forwarded-proto"]) == (["127.0.0.1"], ["http"])


def test_connections_of_users_are_kept_or_closed_as_they_wish(edge: Edge) -> None:
    two = request("/", {}) + request("/", {"Connection": "close"})
    answer = said(edge, two)
    assert answer.count(b"HTTP/1.1 200 ") == 2
    assert answer.lower().count(b"connection: close") == 1


# HTTP/2, where a tunnel is asked for with CONNECT and the name of its protocol (RFC 8441), as browsers do.

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, GOAWAY = 0, 1, 3, 4, 7
END_STREAM, END_HEADERS = 1, 4


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def literal(name: str, value: str) -> bytes:
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def asked_by_http2(edge: Edge, protocol: str, path: str) -> bytes:
    """All data that comes back on a stream that wants to be a tunnel, which sends a word when it was answered."""
    return edge.inside.submit(_asked_by_http2, protocol, path).result()


def _asked_by_http2(protocol: str, path: str) -> bytes:
    names = {":method": "CONNECT", ":protocol": protocol, ":scheme": "http", ":path": path, ":authority": SITE}
    fields = b"".join(literal(name, value) for name, value in {**names, "sec-websocket-version": "13"}.items())
    with closing(socket.create_connection(("127.0.0.1", 8080), timeout=10)) as connection, connection.makefile("rb") as stream:
        connection.sendall(PREFACE + frame(SETTINGS, 0, 0, b"") + frame(HEADERS, END_HEADERS, 1, fields))
        found = b""
        while head := stream.read(9):
            payload = stream.read(int.from_bytes(head[:3], "big"))
            kind, flags = head[3], head[4]
            if kind == HEADERS and not flags & END_STREAM:
                # Not earlier: the answer says whether there is a tunnel (RFC 6455, 4.1).
                connection.sendall(frame(DATA, 0, 1, b"hello"))
            found += payload if kind == DATA else b""
            if kind in (RESET, GOAWAY) or (kind in (DATA, HEADERS) and flags & END_STREAM) or b"hello" in found:
                break
        return found


def test_a_websocket_by_http2_is_a_tunnel(edge: Edge) -> None:
    before = requests_of(edge, "test.web.tunnels")
    assert asked_by_http2(edge, "websocket", "/tunnel") == b"heard hello"
    assert requests_of(edge, "test.web.tunnels") == before + 1


@pytest.mark.parametrize("protocol", ["h2c", "toy", "connect-udp"])
@pytest.mark.parametrize("path", ["/tunnel", "/"])
def test_http2_asks_for_no_other_tunnel(edge: Edge, protocol: str, path: str) -> None:
    before = requests_of(edge, "test.web.tunnels")
    found = asked_by_http2(edge, protocol, path)
    assert b"heard" not in found
    assert b'"upgrade"' not in found
    assert requests_of(edge, "test.web.tunnels") == before
