"""What a balancer passes on to its hosts, by a real HAProxy: it is the first to be asked, so it must believe nobody."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.sockets import Socket

from tests.edge_lab.application import Application
from tests.edge_lab.haproxy import Haproxy, host_of_an_edge, root_file_system
from tests.edge_lab.namespace import in_a_thread
from tests.edge_lab.test_forwarded import CERTIFICATES, FORGED, OWN, SITE, STRANGER, TLS_END, Edge
from tests.edge_lab.test_tunnels import H2C, SMUGGLED, WEBSOCKET, Eager, request, said, seen
from tests.templates.test_edge_templates import render
from tests.unit import certificates

UP_SECONDS = 300.0


@contextmanager
def _living(inside: ThreadPoolExecutor) -> Iterator[Edge]:
    with ExitStack() as stack:
        paths = stack.enter_context(host_of_an_edge())
        certificate, key = certificates.make([SITE])
        (paths.root / "host.pem").write_text(certificate + key)
        (paths.conf / "upstream-ca.pem").write_text(certificate)
        for name in ("away.map", "kept-off.map", "placed.map"):
            (paths.conf / name).write_text("")
        (paths.conf / "certs" / f"{SITE}.pem").write_text(certificate + key)
        (paths.conf / "certificates.list").write_text(render("certificates.list.j2", edge_certificate_paths=CERTIFICATES))
        host = Application(("127.0.0.1", 0), Eager)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(paths.root / "host.pem")
        host.socket = context.wrap_socket(host.socket, server_side=True)
        stack.callback(host.server_close)
        threading.Thread(target=host.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        stack.callback(host.shutdown)
        upstreams = [{"name": "app-1", "address": "127.0.0.1", "port": host.server_port}]
        options = {"edge_upstreams": upstreams, "edge_upstream_name": SITE, "edge_trusted_proxies": [TLS_END]}
        (paths.conf / "haproxy.cfg").write_text(render("haproxy.cfg.j2", **options))
        haproxy = Haproxy(root_file_system(), paths)
        haproxy.start()
        stack.callback(haproxy.kill)
        _await_up(paths)
        yield Edge(paths, certificate, inside)


def _await_up(paths: EdgePaths) -> None:
    deadline = time.monotonic() + UP_SECONDS
    while not any(line.startswith("upstreams,app-1,") and ",UP," in line for line in _stats(paths)):
        assert time.monotonic() < deadline, (paths.root / "haproxy.log").read_text()[-2000:]
        time.sleep(0.02)


def _stats(paths: EdgePaths) -> list[str]:
    return Socket(str(paths.socket)).ask("show stat").splitlines()


@pytest.fixture(scope="module")
def balancer() -> Iterator[Edge]:
    with in_a_thread(_living) as found:
        yield found


def headers_of(balancer: Edge, source: str) -> dict[str, list[str]]:
    return seen(said(balancer, request("/", FORGED | OWN), source=source))


def test_what_a_stranger_claims_reaches_no_host(balancer: Edge) -> None:
    found = headers_of(balancer, STRANGER)
    assert {name for name in FORGED if name.lower() in found} == {"X-Forwarded-For"}
    assert (found["x-forwarded-for"], found["x-forwarded-proto"]) == ([STRANGER], ["http"])
    assert all(found[name.lower()] == [value] for name, value in OWN.items())


def test_what_the_tls_end_before_it_says_is_passed_on(balancer: Edge) -> None:
    found = headers_of(balancer, TLS_END)
    assert all(found[name.lower()][0] == value for name, value in FORGED.items())
    assert found["x-forwarded-for"] == [FORGED["X-Forwarded-For"], TLS_END]


def test_a_websocket_passes_it_and_nothing_else_makes_a_tunnel(balancer: Edge) -> None:
    assert said(balancer, request("/tunnel", WEBSOCKET), b"hello").endswith(b"heard hello")
    for asked in (request("/tunnel", H2C), request("/tunnel", {"Connection": "Upgrade"}), request(f"{SITE}:80", {}, "CONNECT")):
        assert b"heard" not in said(balancer, asked, SMUGGLED)
    found = seen(said(balancer, request("/", H2C)))
    assert found.keys() & {"upgrade", "http2-settings"} == set()
