"""What messages of a run arrive at: an HTTP server and an SMTP server on 127.0.0.1, each in threads of its own."""

from __future__ import annotations

import base64
import json
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Posted:
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class Sink:
    """``posted`` and ``mails``: what has arrived, in order. ``over``: ends what hangs."""

    http_port: int = 0
    smtp_port: int = 0
    posted: list[Posted] = field(default_factory=list)
    mails: list[str] = field(default_factory=list)
    # (sender, recipients) of each mail.
    envelopes: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    # <user>\0<password> of each login.
    logins: list[str] = field(default_factory=list)
    # With it the SMTP server offers STARTTLS, and a login after that.
    tls: ssl.SSLContext | None = None
    over: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str) -> str:
        """Below /hang nothing is ever answered, below /drip a byte at a time, below /status/<number> with that status."""
        return f"http://127.0.0.1:{self.http_port}{path}"

    def at(self, path: str) -> list[dict[str, Any]]:
        return [one.body for one in self.posted if one.path == path]


def _http(sink: Sink) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sink.posted.append(Posted(self.path, {**self.headers}, json.loads(body)))
            if self.path.startswith("/hang"):
                sink.over.wait()
                return
            if self.path.startswith("/drip"):
                self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                with suppress(OSError):
                    while not sink.over.wait(0.1):
                        self.wfile.write(b"X-Drip: 1\r\n")
                return
            status = int(self.path.rpartition("/")[2]) if self.path.startswith("/status/") else 204
            self.send_response(status)
            if status // 100 == 3:
                self.send_header("Location", sink.url("/elsewhere"))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


class _Mail(socketserver.StreamRequestHandler):
    sink: Sink

    def handle(self) -> None:
        with suppress(OSError):
            self._say(b"220 sink")
            self._talk(is_safe=False)

    def _say(self, line: bytes) -> None:
        self.wfile.write(line + b"\r\n")
        self.wfile.flush()

    def _talk(self, *, is_safe: bool) -> None:
        recipients: list[str] = []
        sender = ""
        for line in iter(self.rfile.readline, b""):
            verb, _, rest = line.decode().strip().partition(":")
            word = verb.upper().split()[0]
            if word == "STARTTLS" and self.sink.tls:
                self._begin_tls(self.sink.tls)
                return
            if word == "EHLO" and self.sink.tls:
                self._say(b"250-sink\r\n" + (b"250-AUTH PLAIN" if is_safe else b"250-STARTTLS"))
            sender = rest.split()[0].strip("<>") if word == "MAIL" else sender
            recipients += [rest.strip("<>")] if word == "RCPT" else []
            if word == "DATA":
                self._take(sender, recipients)
            self._say(self._login(line) if word == "AUTH" else b"221 bye" if word == "QUIT" else b"250 well")

    def _begin_tls(self, context: ssl.SSLContext) -> None:
        self._say(b"220 go on")
        safe = context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = safe.makefile("rb"), safe.makefile("wb")
        self._talk(is_safe=True)

    def _login(self, line: bytes) -> bytes:
        self.sink.logins.append(base64.b64decode(line.split()[2]).decode().strip("\0"))
        return b"235 well" if self.sink.logins[-1].endswith("\0right") else b"535 wrong"

    def _take(self, sender: str, recipients: list[str]) -> None:
        self._say(b"354 go on")
        self.sink.mails.append(b"".join(iter(self.rfile.readline, b".\r\n")).decode())
        self.sink.envelopes.append((sender, tuple(recipients)))


class _Threads(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@contextmanager
def sinks() -> Iterator[Sink]:
    sink = Sink()
    http, smtp = (
        ThreadingHTTPServer(("127.0.0.1", 0), _http(sink)),
        _Threads(("127.0.0.1", 0), type("Mail", (_Mail,), {"sink": sink})),
    )
    http.daemon_threads = True
    sink.http_port, sink.smtp_port = http.server_address[1], smtp.server_address[1]
    threads = [threading.Thread(target=one.serve_forever, args=(0.05,), daemon=True) for one in (http, smtp)]
    for thread in threads:
        thread.start()
    try:
        yield sink
    finally:
        sink.over.set()
        for one in (http, smtp):
            one.shutdown()
            one.server_close()
