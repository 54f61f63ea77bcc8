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


def _smtp(sink: Sink) -> type[socketserver.StreamRequestHandler]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                self.wfile.write(b"220 sink\r\n")
                self._talk(is_safe=False)

        def _talk(self, *, is_safe: bool) -> None:
            sender, recipients = "", []
            for line in iter(self.rfile.readline, b""):
                verb, _, rest = line.decode().strip().partition(":")
                verb = verb.upper()
                if verb == "STARTTLS" and sink.tls:
                    self.wfile.write(b"220 go on\r\n")
                    safe = sink.tls.wrap_socket(self.connection, server_side=True)
                    self.rfile, self.wfile = safe.makefile("rb"), safe.makefile("wb", 0)
                    self._talk(is_safe=True)
                    return
                if verb.startswith("EHLO") and sink.tls:
                    self.wfile.write(b"250-sink\r\n" + (b"250-AUTH PLAIN\r\n" if is_safe else b"250-STARTTLS\r\n"))
                if verb.startswith("AUTH PLAIN"):
                    sink.logins.append(base64.b64decode(line.split()[2]).decode().strip("\0"))
                    self.wfile.write(b"235 well\r\n" if sink.logins[-1].endswith("\0right") else b"535 wrong\r\n")
                    continue
                if verb == "MAIL FROM":
                    sender = rest.split()[0].strip("<>")
                if verb == "RCPT TO":
                    recipients.append(rest.strip("<>"))
                if verb == "DATA":
                    self.wfile.write(b"354 go on\r\n")
                    sink.mails.append(b"".join(iter(self.rfile.readline, b".\r\n")).decode())
                    sink.envelopes.append((sender, tuple(recipients)))
                self.wfile.write(b"221 bye\r\n" if verb == "QUIT" else b"250 well\r\n")

    return Handler


class _Threads(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@contextmanager
def sinks() -> Iterator[Sink]:
    sink = Sink()
    http, smtp = ThreadingHTTPServer(("127.0.0.1", 0), _http(sink)), _Threads(("127.0.0.1", 0), _smtp(sink))
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
