"""A port of this machine that leads elsewhere, because the load connects to this machine only."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread

from tests.edge_lab.traffic import pump


class _Server(ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128


@contextmanager
def forwarded(address: str, port: int) -> Iterator[int]:
    """A free port of 127.0.0.1 for ``port`` of ``address``. Whoever is refused there finds the connection closed here."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError), socket.create_connection((address, port)) as there:
                Thread(target=pump, args=(self.request, there), daemon=True).start()
                pump(there, self.request)

    with _Server(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
