"""A real HAProxy as the balancer of two toy hosts, whose health it asks by TLS."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any, Generic, TypeVar

from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.sockets import Socket

from tests.edge_lab.application import Application
from tests.edge_lab.haproxy import Haproxy, host_of_an_edge, root_file_system
from tests.templates.test_edge_templates import render
from tests.unit import certificates

NAMES = ("app-1", "app-2")
SECONDS = 30.0


class Answers(BaseHTTPRequestHandler):
    """The name of the host, with the status that it has for a path."""

    protocol_version = "HTTP/1.1"
    server: Host

    def do_GET(self) -> None:
        body = self.server.name.encode()
        self.send_response(self.server.status(self.path))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


class Host(Application):
    """``is_well``: what its health says."""

    def __init__(self, name: str, context: ssl.SSLContext) -> None:
        self.name, self.is_well = name, True
        super().__init__(("127.0.0.1", 0), Answers)
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def status(self, path: str) -> int:
        raise NotImplementedError


Kind = TypeVar("Kind", bound=Host)


@dataclass
class Balanced(Generic[Kind]):
    """``inside``: a thread in the network of the balancer."""

    paths: EdgePaths
    hosts: dict[str, Kind]
    haproxy: Haproxy
    inside: ThreadPoolExecutor

    def await_up(self, wanted: set[str]) -> None:
        deadline = time.monotonic() + SECONDS
        while self._up() != wanted:
            assert time.monotonic() < deadline, f"up are {self._up()}"
            time.sleep(0.02)

    def _up(self) -> set[str]:
        """Also those that are about to be down."""
        rows = [line.split(",") for line in Socket(str(self.paths.socket)).ask("show stat").splitlines()]
        return {row[1] for row in rows if row[0] == "upstreams" and row[1] in NAMES and row[17].startswith("UP")}


@contextmanager
def balanced(
    kind: Callable[[str, ssl.SSLContext], Kind], site: str, **options: Any
) -> Iterator[tuple[EdgePaths, dict[str, Kind], Haproxy]]:
    """``options``: more of haproxy.cfg's."""
    with ExitStack() as stack:
        paths = stack.enter_context(host_of_an_edge())
        certificate, key = certificates.make([site])
        (paths.root / "host.pem").write_text(certificate + key)
        (paths.conf / "upstream-ca.pem").write_text(certificate)
        for name in ("away.map", "kept-off.map", "placed.map"):
            (paths.conf / name).write_text("")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(paths.root / "host.pem")
        hosts = {name: kind(name, context) for name in NAMES}
        for host in hosts.values():
            stack.callback(host.server_close)
            threading.Thread(target=host.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
            stack.callback(host.shutdown)
        upstreams = [{"name": name, "address": "127.0.0.1", "port": host.server_address[1]} for name, host in hosts.items()]
        text = render("haproxy.cfg.j2", edge_upstreams=upstreams, edge_upstream_name=site, **options)
        (paths.conf / "haproxy.cfg").write_text(text)
        haproxy = Haproxy(root_file_system(), paths)
        haproxy.start()
        stack.callback(haproxy.kill)
        yield paths, hosts, haproxy
