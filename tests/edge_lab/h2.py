"""An application that speaks HTTP/2 in plain and nothing else, as far as a test asks: it answers every stream as gRPC does, with
trailers. It reads frames and no headers, so it needs no HPACK but three words of it.
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING = 0, 1, 4, 6
END_STREAM, ACK, END_HEADERS = 1, 1, 4
STATUS_200 = b"\x88"


@dataclass
class H2App:
    """``refused``: connections that began with something else, such as HTTP/1.1."""

    listener: socket.socket
    refused: list[bytes] = field(default_factory=list)
    streams: int = 0

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        # Whoever asks may end the connection as it likes.
        with suppress(ConnectionError), connection, connection.makefile("rb") as stream:
            begin = stream.read(len(PREFACE))
            if begin != PREFACE:
                # A check opens a connection and says nothing.
                self.refused += [begin] if begin else []
                return
            connection.sendall(frame(SETTINGS, 0, 0, b""))
            while head := stream.read(9):
                length, kind, flags, number = int.from_bytes(head[:3], "big"), head[3], head[4], int.from_bytes(head[5:9], "big")
                body = stream.read(length)
                if kind == SETTINGS and not flags & ACK:
                    connection.sendall(frame(SETTINGS, ACK, 0, b""))
                elif kind == PING and not flags & ACK:
                    connection.sendall(frame(PING, ACK, 0, body))
                elif kind in (HEADERS, DATA) and flags & END_STREAM:
                    self.streams += 1
                    connection.sendall(_answer(number))


def _answer(number: int) -> bytes:
    return (
        frame(HEADERS, END_HEADERS, number, answer_head())
        + frame(DATA, 0, number, b"\0\0\0\0\2hi")
        + frame(HEADERS, END_HEADERS | END_STREAM, number, trailers())
    )


def answer_head() -> bytes:
    return STATUS_200 + literal("content-type", "application/grpc")


def trailers() -> bytes:
    return literal("grpc-status", "0")


def literal(name: str, value: str) -> bytes:
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return struct.pack(">I", len(body))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + body
