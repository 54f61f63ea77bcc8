"""TLS that ends in front of a host: what applications see, and who is redirected, by a real HAProxy and the template."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import own_edge
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.haproxy import render_backends, render_map
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.settings import EdgeSettings
from ansible_collections.morpheus.deploy.plugins.module_utils.health.gate import Expectation
from ansible_collections.morpheus.deploy.plugins.module_utils.health.http import HttpProbe

from tests.edge_lab.application import Application
from tests.edge_lab.haproxy import Haproxy, host_of_an_edge, root_file_system
from tests.edge_lab.namespace import in_a_thread
from tests.templates.test_edge_templates import render
from tests.unit import certificates

SITE = "shop.example"
# Every address of the loopback's network is this machine's own.
TLS_END, STRANGER = "127.0.0.5", "127.0.0.9"
CERTIFICATES = {SITE: "/secure/shop.pem"}
# What only a proxy may say, and how else servers read it.
FORGED = {
    "X-Forwarded-For": "198.51.100.7",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "1",
    "X-Forwarded": "for=198.51.100.7",
    "X_Forwarded_Proto": "https",
    "X-Original-Host": "evil.example",
    "X-Real-IP": "198.51.100.7",
    "X-Client-IP": "198.51.100.7",
    "True-Client-IP": "198.51.100.7",
    "Client_IP": "198.51.100.7",
    "CF-Connecting-IP": "198.51.100.7",
    "Forwarded": "for=198.51.100.7",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded_Client_Cert": "Subject=CN=root",
    "X-Original-URL": "/admin",
    "X_Rewrite_Url": "/admin",
    "X-Host": "evil.example",
    "Front-End-Https": "on",
    "X-Remote-Addr": "198.51.100.7",
    "Remote-User": "root",
    "X-SSL-Client-Verify": "SUCCESS",
    "X-Auth-Request-Email": "root@shop.example",
    "Proxy": "http://evil.example",
}
OWN = dict.fromkeys(("X-Requests-Id", "X-Forwarder", "Client-Ipad", "X-Hosting", "Remote-Users", "Proxy-Id"), "another word")


class App(BaseHTTPRequestHandler):
    """Redirects to https for as long as it is not told that the user came by it, as frameworks do; answers with what it saw."""

    def do_GET(self) -> None:
        secure = self.headers["X-Forwarded-Proto"] == "https"
        body = json.dumps([[name.lower(), value] for name, value in self.headers.items()]).encode()
        self.send_response(200 if secure or self.path != "/secure" else 301)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


@dataclass
class Answer:
    status: int
    location: str
    seen: list[list[str]]

    def header(self, name: str) -> list[str]:
        return [value for key, value in self.seen if key == name.lower()]


@dataclass
class Edge:
    paths: EdgePaths
    certificate: str
    # The one thread that lives in its network.
    inside: ThreadPoolExecutor

    def ask(self, source: str, headers: Mapping[str, str], *, tls: bool = False, path: str = "/", host: str = SITE) -> Answer:
        return self.inside.submit(self._ask, source, headers, tls, path, host).result()

    def _ask(self, source: str, headers: Mapping[str, str], tls: bool, path: str, host: str) -> Answer:
        context = ssl.create_default_context(cadata=self.certificate)
        context.check_hostname = False
        connection = (
            HTTPSConnection("127.0.0.1", 8443, timeout=20, source_address=(source, 0), context=context)
            if tls
            else HTTPConnection("127.0.0.1", 8080, timeout=20, source_address=(source, 0))
        )
        with closing(connection):
            connection.request("GET", path, headers={"Host": host, **headers})
            answer = connection.getresponse()
            body = answer.read()
        return Answer(answer.status, answer.headers.get("Location", ""), json.loads(body) if body.startswith(b"[") else [])


@contextmanager
def running(app: type[BaseHTTPRequestHandler] = App, **options: Any) -> Iterator[Edge]:
    """An edge with an application behind it, in a network of its own."""
    with in_a_thread(lambda inside: _living(inside, app, options)) as edge:
        yield edge


@contextmanager
def _living(inside: ThreadPoolExecutor, handler: type[BaseHTTPRequestHandler], options: Mapping[str, Any]) -> Iterator[Edge]:
    with ExitStack() as stack:
        paths = stack.enter_context(host_of_an_edge())
        (paths.root / "run").chmod(0o777)
        (paths.conf / "haproxy.cfg").write_text(render("haproxy.cfg.j2", **options))
        certificate, key = certificates.make([SITE])
        (paths.conf / "certs" / f"{SITE}.pem").write_text(certificate + key)
        (paths.conf / "certificates.list").write_text(render("certificates.list.j2", edge_certificate_paths=CERTIFICATES))
        settings = EdgeSettings("haproxy:3.0", "99:99", ["8080:8080", "8443:8443"])
        (paths.root / "compose.json").write_text(json.dumps(settings.compose(paths.root)))
        app = Application(("127.0.0.1", 0), handler)
        stack.callback(app.server_close)
        threading.Thread(target=app.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        stack.callback(app.shutdown)
        backends = render_backends("test", ["web"], 1, {"web": {"s1": ("127.0.0.1", app.server_port)}})
        (paths.conf / "stacks" / "test.cfg").write_text(backends)
        (paths.conf / "routes.map").write_text(render_map("test", {"*/": "web"}))
        haproxy = Haproxy(root_file_system(), paths)
        haproxy.start()
        stack.callback(haproxy.kill)
        yield Edge(paths, certificate, inside)


@pytest.fixture(scope="module")
def plain() -> Iterator[Edge]:
    """TLS ends in front of the host, which has no certificate."""
    with running(edge_trusted_proxies=["192.0.2.0/24", f"{TLS_END}/32"]) as edge:
        yield edge


@pytest.fixture(scope="module")
def both() -> Iterator[Edge]:
    """Users come by TLS that ends in front of the host, and by TLS that ends on it."""
    with running(edge_trusted_proxies=[TLS_END], edge_certificate_paths=CERTIFICATES, edge_https_port=8443) as edge:
        yield edge


@pytest.mark.parametrize(
    ("said", "scheme"),
    [
        ("https", "https"),
        ("HTTPS", "https"),
        ("wss", "https"),
        ("https, http", "https"),
        ("http", "http"),
        ("ws", "http"),
        ("gopher", "http"),
        ("", "http"),
    ],
)
def test_the_users_scheme_is_what_the_tls_end_says(plain: Edge, said: str, scheme: str) -> None:
    assert plain.ask(TLS_END, {"X-Forwarded-Proto": said}).header("X-Forwarded-Proto") == [scheme]


def test_an_application_that_wants_https_does_not_redirect_behind_a_tls_end_for_ever(plain: Edge) -> None:
    assert plain.ask(TLS_END, {"X-Forwarded-Proto": "https"}, path="/secure").status == 200
    assert plain.ask(STRANGER, {"X-Forwarded-Proto": "https"}, path="/secure").status == 301


def test_whoever_is_trusted_is_believed_in_everything_and_is_added_to_the_addresses(plain: Edge) -> None:
    answer = plain.ask(TLS_END, FORGED | OWN)
    for name, value in FORGED.items():
        expected = [value, TLS_END] if name == "X-Forwarded-For" else [value]
        assert answer.header(name) == expected, name


def test_what_only_a_proxy_may_say_is_taken_from_everybody_else(plain: Edge, both: Edge) -> None:
    for answer in (plain.ask(STRANGER, FORGED), both.ask(STRANGER, FORGED, tls=True)):
        assert answer.status == 200
        kept = {name for name in FORGED if answer.header(name)}
        assert kept == {"X-Forwarded-For"}
        assert answer.header("X-Forwarded-For") == [STRANGER]


def test_headers_that_only_look_alike_reach_the_application(plain: Edge) -> None:
    answer = plain.ask(STRANGER, OWN)
    assert {name: answer.header(name) for name in OWN} == {name: [value] for name, value in OWN.items()}


@pytest.mark.parametrize("said", ["http", "https", ""])
def test_a_strangers_scheme_is_how_it_came(both: Edge, said: str) -> None:
    assert both.ask(STRANGER, {"X-Forwarded-Proto": said}, tls=True).header("X-Forwarded-Proto") == ["https"]


@pytest.mark.parametrize("host", [SITE, f"{SITE}:8080"])
def test_plain_http_is_redirected_to_the_port_of_https(both: Edge, host: str) -> None:
    for source, said in ((STRANGER, "https"), (STRANGER, ""), (TLS_END, "http"), (TLS_END, "")):
        answer = both.ask(source, {"X-Forwarded-Proto": said}, path="/a?b=c", host=host)
        assert (answer.status, answer.location) == (308, f"https://{SITE}:8443/a?b=c"), (source, said)


def test_plain_http_of_a_tls_end_is_served_and_not_redirected_for_ever(both: Edge) -> None:
    answer = both.ask(TLS_END, {"X-Forwarded-Proto": "https"}, path="/secure")
    assert (answer.status, answer.header("X-Forwarded-Proto")) == (200, ["https"])


def test_a_host_asks_its_own_edge_as_the_tls_end_does(plain: Edge) -> None:
    endpoint = own_edge.endpoint("edge", plain.paths, {"url": f"https://{SITE}/secure"}, Expectation())
    answer = plain.inside.submit(HttpProbe(), endpoint, 20).result()
    assert (answer.status, answer.error) == (200, "")
    assert ["x-forwarded-proto", "https"] in json.loads(answer.body)
    assert ["host", SITE] in json.loads(answer.body)


def test_nobody_but_root_asks_like_this_host(plain: Edge) -> None:
    assert (plain.paths.root / "run" / "own.sock").stat().st_mode & 0o777 == 0o600
