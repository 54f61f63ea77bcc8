"""A balancer keeps a user who sticks to a replica at that replica's host, for as long as the host is up; by a real HAProxy."""

from __future__ import annotations

import hashlib
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import addresses
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.sockets import Socket

from tests.edge_lab.application import Application
from tests.edge_lab.haproxy import Haproxy, host_of_an_edge, root_file_system
from tests.edge_lab.namespace import in_a_thread
from tests.edge_lab.test_forwarded import SITE
from tests.templates.test_edge_templates import render
from tests.unit import certificates

NAMES = ("app-1", "app-2")
SECONDS = 20.0


class Host(Application):
    """Says its name; ``is_well``: what its health says."""

    def __init__(self, name: str, context: ssl.SSLContext) -> None:
        self.name, self.is_well = name, True
        super().__init__(("127.0.0.1", 0), Answers)
        self.socket = context.wrap_socket(self.socket, server_side=True)


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Host

    def do_GET(self) -> None:
        body = self.server.name.encode()
        self.send_response(200 if self.server.is_well or self.path == "/" else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


@dataclass
class Balancer:
    paths: EdgePaths
    hosts: dict[str, Host]
    inside: ThreadPoolExecutor

    def ask(self, cookie: str = "") -> str:
        return self.inside.submit(self._ask, cookie).result()

    def _ask(self, cookie: str) -> str:
        with closing(HTTPConnection("127.0.0.1", 8080, timeout=20)) as connection:
            connection.request("GET", "/", headers={"Host": SITE, **({"Cookie": cookie} if cookie else {})})
            return connection.getresponse().read().decode()

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
def _living(inside: ThreadPoolExecutor) -> Iterator[Balancer]:
    with ExitStack() as stack:
        paths = stack.enter_context(host_of_an_edge())
        certificate, key = certificates.make([SITE])
        (paths.root / "host.pem").write_text(certificate + key)
        (paths.conf / "upstream-ca.pem").write_text(certificate)
        for name in ("away.map", "kept-off.map", "placed.map"):
            (paths.conf / name).write_text("")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(paths.root / "host.pem")
        hosts = {name: Host(name, context) for name in NAMES}
        for host in hosts.values():
            stack.callback(host.server_close)
            serve: Callable[..., None] = host.serve_forever
            threading.Thread(target=serve, kwargs={"poll_interval": 0.02}, daemon=True).start()
            stack.callback(host.shutdown)
        upstreams = [{"name": name, "address": "127.0.0.1", "port": host.server_address[1]} for name, host in hosts.items()]
        (paths.conf / "haproxy.cfg").write_text(render("haproxy.cfg.j2", edge_upstreams=upstreams, edge_upstream_name=SITE))
        haproxy = Haproxy(root_file_system(), paths)
        haproxy.start()
        stack.callback(haproxy.kill)
        yield Balancer(paths, hosts, inside)


@pytest.fixture
def balancer() -> Iterator[Balancer]:
    with in_a_thread(_living) as found:
        yield found


def cookie_of(host: str) -> str:
    """As the edge of that host gives it."""
    return f"edge-sticky=00000000-0000-4000-8000-000000000000.{hashlib.sha256(host.encode()).hexdigest()[:8]}"


def test_a_user_goes_on_to_the_host_that_serves_him_until_that_is_down(balancer: Balancer) -> None:
    balancer.await_up(set(NAMES))
    for host in NAMES:
        assert {balancer.ask(f"a=b; {cookie_of(host)}") for _ in range(6)} == {host}
    assert {balancer.ask() for _ in range(6)} == set(NAMES)
    assert {balancer.ask(cookie_of("of-another-fleet")) for _ in range(6)} == set(NAMES)
    balancer.hosts["app-2"].is_well = False
    balancer.await_up({"app-1"})
    assert {balancer.ask(cookie_of("app-2")) for _ in range(6)} == {"app-1"}


def test_checks_go_on_in_a_worker_that_was_told_the_addresses(balancer: Balancer) -> None:
    balancer.await_up(set(NAMES))
    text = (balancer.paths.conf / "haproxy.cfg").read_text()
    # These hosts have no names, so none is told.
    said = addresses.server_state({"127.0.0.1": "127.0.0.1"}, [text]).replace(" 0 0 0 127.0.0.1 ", " 0 0 0 - ")
    assert "0 upstreams 0 app-2 127.0.0.1 2 " in said
    balancer.paths.addresses.write_text(said)
    assert Socket(str(balancer.paths.master)).ask("reload").startswith("Success=1")
    balancer.paths.addresses.unlink()
    balancer.hosts["app-2"].is_well = False
    balancer.await_up({"app-1"})
    balancer.hosts["app-2"].is_well = True
    balancer.await_up(set(NAMES))
