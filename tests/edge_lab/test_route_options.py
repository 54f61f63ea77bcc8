"""Options of routes, set at run time, by a real HAProxy and the role's template."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import admission
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.configuration import EdgeConfiguration
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.haproxy import stack_routes
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.sockets import Socket
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.tables import parse_load
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Service

from tests.edge_lab.test_forwarded import SITE, Edge, running

EDGE_TIMEOUT_SECONDS = 2
SILENT_SECONDS = 4.0


class App(BaseHTTPRequestHandler):
    """Answers with what it saw; "/silent" and what ends with it begins late, "/halting" halts within its answer."""

    def do_GET(self) -> None:
        read = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        seen = {"path": self.path, "prefix": self.headers.get_all("X-Forwarded-Prefix"), "body": len(read)}
        body = json.dumps(seen).encode()
        if self.path.endswith("/silent"):
            time.sleep(SILENT_SECONDS)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.path.endswith("/halting"):
            self.wfile.write(body[:5])
            time.sleep(SILENT_SECONDS)
            body = body[5:]
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


class Users:
    """Ask the edge, and lead its routes as a rollout does: at run time."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    def lead(self, *routes: dict[str, Any]) -> None:
        wanted = stack_routes([Service.of({"name": "web", "port": 80, "routes": [{"host": SITE}, *routes]})])
        own = admission.Edge("test", EdgeConfiguration(self._edge.paths, lambda _: ""), ["web"], wanted, 1)
        own.route({**dict.fromkeys(own.routes(), ""), **wanted})
        assert own.routes() == wanted

    def ask(self, path: str, method: str = "GET", body: Any = None, host: str = SITE, **headers: str) -> tuple[HTTPResponse, Any]:
        return self._edge.inside.submit(self._ask, path, method, body, {"Host": host, **headers}).result()

    def _ask(self, path: str, method: str, body: Any, headers: dict[str, str]) -> tuple[HTTPResponse, Any]:
        with closing(HTTPConnection("127.0.0.1", 8080, timeout=20)) as connection:
            connection.request(method, path, body, headers, encode_chunked=headers.get("Transfer-Encoding") == "chunked")
            answer = connection.getresponse()
            text = answer.read()
        return answer, json.loads(text) if answer.status == 200 else None

    def served(self, backend: str) -> int:
        table = Socket(str(self._edge.paths.socket)).ask("show stat -1 4 -1")
        return parse_load(table)[backend, "s1"].answers

    def raw(self, request: str) -> bytes:
        def ask() -> bytes:
            with socket.create_connection(("127.0.0.1", 8080), timeout=20) as connection:
                connection.sendall(request.encode())
                return connection.recv(200)

        return self._edge.inside.submit(ask).result()


@pytest.fixture(scope="module")
def users() -> Iterator[Users]:
    with running(App, edge_trusted_proxies=["127.0.0.1"]) as edge:
        yield Users(edge)


@pytest.fixture(scope="module")
def hurried() -> Iterator[Users]:
    """Of an edge that has little patience by itself."""
    with running(App, edge_timeout_seconds=EDGE_TIMEOUT_SECONDS) as edge:
        yield Users(edge)


@pytest.mark.parametrize("path", ["/chat/silent", "/chat/halting"])
def test_a_route_has_its_own_timeout_before_and_within_an_answer(hurried: Users, path: str) -> None:
    hurried.lead({"host": SITE, "paths": ["/chat"], "timeout_seconds": 20})
    answer, seen = hurried.ask(path)
    assert (answer.status, seen["path"]) == (200, path)
    # Another route of the same service, at the same time, has the edge's.
    assert hurried.ask("/silent")[0].status == 504
    hurried.lead()
    assert hurried.ask("/chat/silent")[0].status == 504


def test_a_stream_may_be_silent_and_is_none_of_the_requests_that_a_drain_waits_for(hurried: Users) -> None:
    hurried.lead({"host": SITE, "paths": ["/events"], "stream": True})
    before = hurried.served("test.web"), hurried.served("test.web.tunnels")
    answer, seen = hurried.ask("/events/halting")
    assert (answer.status, seen["path"]) == (200, "/events/halting")
    assert (hurried.served("test.web"), hurried.served("test.web.tunnels")) == (before[0], before[1] + 1)


def test_a_body_that_is_too_large_never_reaches_the_service(users: Users) -> None:
    users.lead({"host": SITE, "paths": ["/upload"], "max_body": "1k"})
    assert users.ask("/upload", "POST", b"x" * 1024)[1]["body"] == 1024
    before = users.served("test.web")
    assert users.ask("/upload", "POST", b"x" * 1025)[0].status == 413
    assert users.ask("/upload", "POST", iter([b"x"]), **{"Transfer-Encoding": "chunked"})[0].status == 411
    assert users.served("test.web") == before
    assert users.raw(f"POST /upload HTTP/1.1\r\nHost: {SITE}\r\n\r\n")[8:13] == b" 200 "
    # More than 32 bits.
    huge = f"POST /upload HTTP/1.1\r\nHost: {SITE}\r\nContent-Length: 4294967297\r\n\r\n"
    assert users.raw(huge).startswith(b"HTTP/1.1 413 ")
    assert users.ask("/elsewhere", "POST", b"x" * 1025)[1]["body"] == 1025


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        ("/api", "/"),
        ("/api/", "/"),
        ("/api?a=/api", "/?a=/api"),
        ("/api/v1/users?a=b", "/v1/users?a=b"),
        ("/api/api/x", "/api/x"),
        ("/a.b/c/d", "/d"),
        ("/a.b/c", "/"),
        ("/apis", "/apis"),
        ("/aXb/c/d", "/aXb/c/d"),
    ],
)
def test_a_prefix_is_taken_away_and_said(users: Users, asked: str, seen: str) -> None:
    users.lead({"host": SITE, "paths": ["/api", "/a.b/c"], "strip_prefix": True})
    answer, found = users.ask(asked)
    prefix = next((one for one in ("/api", "/a.b/c") if f"{asked.partition('?')[0]}/".startswith(f"{one}/")), None)
    assert (answer.status, found["path"], found["prefix"]) == (200, seen, [prefix] if prefix else None)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_leads_to_the_same_path_of_another_host_by_the_same_door(users: Users, status: int) -> None:
    users.lead({"host": "www.shop.example", "redirect": {"host": SITE, "status": status}})
    before = users.served("test.web")
    for host, port in (("www.shop.example", ""), ("WWW.shop.example:8443", ":8443")):
        answer, _ = users.ask("/a/b?c=d&e", host=host)
        assert (answer.status, answer.headers["Location"]) == (status, f"http://{SITE}{port}/a/b?c=d&e")
    assert users.ask("/a/b")[0].status == 200
    assert users.served("test.web") == before + 1


@pytest.mark.parametrize("url", ["/new/place?a=b", "https://blog.example:8443/x%20y?c=(d)&e='f'#g"])
def test_a_redirect_leads_to_one_address(users: Users, url: str) -> None:
    users.lead({"host": SITE, "paths": ["/old"], "redirect": {"url": url, "status": 302}})
    answer, _ = users.ask("/old/below?x=y")
    assert (answer.status, answer.headers["Location"]) == (302, url)


def test_a_wildcard_serves_one_label(users: Users) -> None:
    users.lead({"host": "*.Wild.Example", "timeout_seconds": 20})
    found = {host: users.ask("/", host=host)[0].status for host in ("a.wild.example", "A.WILD.example.:80")}
    assert set(found.values()) == {200}
    found = {host: users.ask("/", host=host)[0].status for host in ("wild.example", "a.b.wild.example", "awild.example")}
    assert set(found.values()) == {404}


@pytest.mark.parametrize(
    ("hsts", "said"),
    [
        ({}, "max-age=31536000"),
        ({"max_age_seconds": 0}, "max-age=0"),
        ({"include_subdomains": True}, "max-age=31536000; includeSubDomains"),
        ({"include_subdomains": True, "preload": True}, "max-age=31536000; includeSubDomains; preload"),
    ],
)
def test_a_route_says_for_how_long_browsers_come_by_https(users: Users, hsts: dict[str, Any], said: str) -> None:
    """Redirects say it, too; and nobody who came by plain HTTP is told."""
    users.lead({"host": SITE, "hsts": hsts}, {"host": "www.shop.example", "hsts": hsts, "redirect": {"host": SITE}})
    for host in (SITE, "www.shop.example"):
        assert users.ask("/", host=host, **{"X-Forwarded-Proto": "https"})[0].headers["Strict-Transport-Security"] == said
        assert users.ask("/", host=host)[0].headers["Strict-Transport-Security"] is None
