"""A user of the host's public site, who reaches it through the edge."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sandbox.world import MOLECULE_DOMAIN, MOLECULE_HOST, STATE

_PORTS = {inner: outer for outer, inner in MOLECULE_HOST.edge_ports}
_TIMEOUT_SECONDS = 5
_PAUSE_SECONDS = 0.05


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str

    @property
    def version(self) -> str:
        """The release that says it has answered; empty when it was not the API that did."""
        if self.headers.get("content-type") != "application/json":
            return ""
        health: dict[str, Any] = json.loads(self.body)
        return str(health["version"])


def ask(path: str, *, port: int = 443) -> Answer:
    """One request, never repeated; port 443 is asked by TLS, with the certificate verified."""
    connection = http.client.HTTPConnection(MOLECULE_DOMAIN, timeout=_TIMEOUT_SECONDS)
    with socket.create_connection(("127.0.0.1", _PORTS[port]), timeout=_TIMEOUT_SECONDS) as plain:
        connection.sock = plain
        if port == 443:
            trust = ssl.create_default_context(cafile=STATE / "ca.pem")
            connection.sock = trust.wrap_socket(plain, server_hostname=MOLECULE_DOMAIN)
        connection.request("GET", path)
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        answer = Answer(response.status, headers, response.read().decode())
        connection.close()
    return answer


@contextmanager
def asking(path: str) -> Iterator[list[str]]:
    """Ask again and again meanwhile; the list fills with status and release of each answer, or what came in its place."""
    seen: list[str] = []
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(_PAUSE_SECONDS):
            try:
                answer = ask(path)
                seen.append(f"{answer.status} {answer.version or answer.body}")
            except (OSError, http.client.HTTPException) as error:
                seen.append(repr(error))

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
