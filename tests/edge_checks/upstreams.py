"""Toy servers behind HAProxy: each answers until it is told to misbehave, in one of the ways that hosts and replicas do."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
from contextlib import suppress
from enum import Enum
from pathlib import Path

PATIENCE_SECONDS = 60.0
# Two checks are 600 ms apart. One of a balancer has two parts, which follow each other at once.
QUIET_SECONDS = 0.1
POLL_SECONDS = 0.02
BACKLOG = 64


class Behaviour(Enum):
    """What a server does with a new connection."""

    GOOD = "answers"
    REFUSES = "refuses connections"
    UNANSWERED = "answers no connection"
    NO_HANDSHAKE = "accepts and begins no TLS"
    SILENT = "takes the request and never answers"
    UNWELL = "answers 503"
    ANSWERS_AFTER_6_S = "answers after 6 s"
    ANSWERS_AFTER_3_S = "answers after 3 s"
    ENDS_IT = "takes the request and closes the connection"
    RESETS_IT = "takes the request and resets the connection"
    BREAKS_OFF = "closes the connection in its answer"
    ANOTHER_CERTIFICATE = "has a certificate of somebody else"


_PAUSES = {Behaviour.ANSWERS_AFTER_6_S: 6.0, Behaviour.ANSWERS_AFTER_3_S: 3.0}


class Upstream:
    """One toy server on ``address``, at a port of its own; over TLS when it is given a certificate, and one of somebody else."""

    def __init__(self, name: str, address: str, certificate: Path | None = None, other: Path | None = None) -> None:
        self.name = name
        self._own, self._other = _context(certificate), _context(other)
        self._behaviour = Behaviour.GOOD
        self._listener = socket.create_server((address, 0), backlog=BACKLOG)
        self._listener.settimeout(0.05)
        self.port: int = self._listener.getsockname()[1]
        self._address = address
        self._fillers: list[socket.socket] = []
        self._accepts = threading.Event()
        self._accepts.set()
        self._idle = threading.Event()
        self._busy_at = 0.0
        self._over = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def behave(self, behaviour: Behaviour) -> None:
        """From now on; returns when it is so."""
        self._behaviour = behaviour
        if behaviour is Behaviour.REFUSES:
            self._accept_no_more()
            self._listener.close()
        if behaviour is Behaviour.UNANSWERED:
            while not self._fill_the_queue():
                self._listener.listen(BACKLOG)
                self._accepts.set()
                time.sleep(POLL_SECONDS)

    def close(self) -> None:
        self._over.set()
        self._accepts.set()
        for filler in self._fillers:
            filler.close()
        with suppress(OSError):
            self._listener.close()

    def _accept_no_more(self) -> None:
        self._idle.clear()
        self._accepts.clear()
        self._idle.wait()

    def _fill_the_queue(self) -> bool:
        """A queue for one, with a connection of our own in it: the kernel answers no further one.

        False during a check: its connection would have been answered, and it would wait for the rest, which is another behaviour.
        """
        self._accept_no_more()
        if time.monotonic() - self._busy_at < QUIET_SECONDS:
            return False
        self._listener.listen(0)
        filler = socket.socket()
        self._fillers.append(filler)
        filler.settimeout(0.2)
        try:
            filler.connect((self._address, self.port))
        except TimeoutError:
            filler.close()
            return False
        return True

    def _serve(self) -> None:
        while not self._over.is_set():
            if not self._accepts.is_set():
                self._idle.set()
                self._accepts.wait()
                continue
            with suppress(OSError):
                connection, _ = self._listener.accept()
                self._busy_at = time.monotonic()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE_SECONDS)
        with suppress(OSError), connection:
            if self._behaviour is Behaviour.NO_HANDSHAKE:
                self._over.wait(PATIENCE_SECONDS)
                return
            context = self._other if self._behaviour is Behaviour.ANOTHER_CERTIFICATE else self._own
            if context is None:
                self._converse(connection)
                return
            with context.wrap_socket(connection, server_side=True) as secure:
                self._converse(secure)

    def _converse(self, connection: socket.socket) -> None:
        while _request_of(connection):
            if self._behaviour is Behaviour.SILENT:
                self._over.wait(PATIENCE_SECONDS)
                return
            if self._behaviour is Behaviour.RESETS_IT:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if self._behaviour in (Behaviour.ENDS_IT, Behaviour.RESETS_IT):
                return
            time.sleep(_PAUSES.get(self._behaviour, 0.0))
            connection.sendall(self._response())
            if self._behaviour is Behaviour.BREAKS_OFF:
                return
            self._busy_at = time.monotonic()

    def _response(self) -> bytes:
        status = "503 Service Unavailable" if self._behaviour is Behaviour.UNWELL else "200 OK"
        body = json.dumps({"host": self.name})
        length = len(body) + (self._behaviour is Behaviour.BREAKS_OFF)
        return f"HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}".encode()


def _context(certificate: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def _request_of(connection: socket.socket) -> bytes:
    """The head of the next request; empty when the client has left."""
    head = b""
    while b"\r\n\r\n" not in head:
        chunk = connection.recv(65536)
        if not chunk:
            return b""
        head += chunk
    return head
