"""gRPC as far as an edge sees it: calls and server streams over HTTP/2 in plain, answered by toys and asked by users.

Neither side reads or packs a header, so no HPACK is needed: what is asked for stands in the message, a call or a stream, which
goes on until the test lets all of them end. Each message of an answer names the version of who sent it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from contextlib import closing
from dataclasses import dataclass

from tests.edge_lab.h2 import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    PREFACE,
    SETTINGS,
    answer_head,
    frame,
    literal,
    trailers,
)
from tests.edge_lab.toys import Connection, Container, Loop, ToyDocker
from tests.hangs import HANGS_AFTER_SECONDS

RESET, GOAWAY, WINDOW = 3, 7, 8
EDGE = ("127.0.0.1", 8080)
PAUSE_SECONDS = 0.1
CALL, STREAM = "hello", "follow"


def message(text: str) -> bytes:
    return struct.pack(">BI", 0, len(text)) + text.encode()


class GrpcConnection(Connection):
    """One connection to a toy, with what runs on it."""

    def __init__(self, container: Container, over: threading.Event) -> None:
        """``over``: set when streams shall end."""
        super().__init__(container)
        self._over = over
        self._bodies: dict[int, bytes] = {}
        self._begun = False

    def _next(self) -> None:
        if not self._begun:
            if len(self._buffer) < len(PREFACE):
                return
            self._buffer = self._buffer.removeprefix(PREFACE)
            self._begun = True
            self._write(frame(SETTINGS, 0, 0, b""))
        while len(self._buffer) >= 9:
            length, kind, flags = int.from_bytes(self._buffer[:3], "big"), self._buffer[3], self._buffer[4]
            if len(self._buffer) < 9 + length:
                return
            number, body = int.from_bytes(self._buffer[5:9], "big"), self._buffer[9 : 9 + length]
            self._buffer = self._buffer[9 + length :]
            self._take(kind, flags, number, body)

    def _take(self, kind: int, flags: int, number: int, body: bytes) -> None:
        if kind in (SETTINGS, PING) and not flags & ACK:
            self._write(frame(kind, ACK, 0, body if kind == PING else b""))
        elif kind in (HEADERS, DATA):
            self._bodies[number] = self._bodies.get(number, b"") + (body if kind == DATA else b"")
            if flags & END_STREAM:
                self.busy = True
                asyncio.get_running_loop().create_task(self._serve(number, self._bodies[number][5:].decode()))

    async def _serve(self, number: int, asked: str) -> None:
        text = message(self._container.app.version)
        self._write(frame(HEADERS, END_HEADERS, number, answer_head()))
        self._write(frame(DATA, 0, number, text))
        while asked == STREAM and not self._over.is_set():
            await asyncio.sleep(PAUSE_SECONDS)
            self._write(frame(DATA, 0, number, text))
        self._write(frame(HEADERS, END_HEADERS | END_STREAM, number, trailers()))
        del self._bodies[number]
        self.busy = bool(self._bodies)
        if self._container.stopping:
            self.close_if_idle()


class GrpcDocker(ToyDocker):
    """Whose toys speak gRPC on ``grpc_port``, and HTTP/1.1 on the others, where the gate asks.

    ``graceful``: they let what runs on them end, and have all the time for it.
    """

    grpc_port = 0
    graceful = False

    def __init__(self, loop: Loop, project: str) -> None:
        super().__init__(loop, project)
        self.over = threading.Event()

    def _connection(self, container: Container, port: int) -> Connection:
        return GrpcConnection(container, self.over) if port == self.grpc_port else Connection(container)

    async def _stop(self, container: Container, timeout: float) -> None:
        if self.graceful:
            container.stopping = True
            for server in container.servers:
                server.close()
            while any(one.busy for one in container.connections):
                await asyncio.sleep(0.01)
        await super()._stop(container, timeout)


@dataclass
class Answer:
    """What a user has got so far. ``error``: why it is not whole."""

    error: str = ""
    data: bytes = b""

    @property
    def messages(self) -> list[str]:
        """Those that are there. The edge puts several into one frame."""
        found, rest = [], self.data
        while len(rest) > 5 and len(rest) >= (end := 5 + int.from_bytes(rest[1:5], "big")):
            found.append(rest[5:end].decode())
            rest = rest[end:]
        return found


def ask(host: str, path: str, asked: str = CALL, found: Answer | None = None) -> Answer:
    """A call or a stream, on a connection of its own. Nothing is tried again."""
    found = found or Answer()
    try:
        with closing(socket.create_connection(EDGE, timeout=HANGS_AFTER_SECONDS)) as connection:
            found.error = _talk(connection, host, path, asked, found)
    except OSError as exc:
        found.error = f"{type(exc).__name__}: {exc}"
    return found


def _talk(connection: socket.socket, host: str, path: str, asked: str, found: Answer) -> str:
    fields = {":method": "POST", ":scheme": "http", ":path": path, ":authority": host, "te": "trailers"}
    head = b"".join(literal(name, value) for name, value in {**fields, "content-type": "application/grpc"}.items())
    connection.sendall(PREFACE + frame(SETTINGS, 0, 0, b"") + frame(HEADERS, END_HEADERS, 1, head))
    connection.sendall(frame(DATA, END_STREAM, 1, message(asked)))
    with connection.makefile("rb") as stream:
        while begin := stream.read(9):
            kind, flags = begin[3], begin[4]
            body = stream.read(int.from_bytes(begin[:3], "big"))
            if kind == DATA:
                found.data += body
            if kind == RESET:
                return f"the stream was reset: {int.from_bytes(body, 'big')}"
            if kind in (HEADERS, DATA) and flags & END_STREAM:
                # Trailers and nothing else: what the edge answers itself ends with no grpc-status.
                return "" if kind == HEADERS and b"grpc-status" in body else "it ended without grpc-status"
    return "the connection ended"
