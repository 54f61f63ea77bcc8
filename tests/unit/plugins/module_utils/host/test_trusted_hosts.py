"""An application that knows its own name only, and sends to TLS whoever did not come by it, as Django, Rails and Symfony do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.health.gate import Endpoint
from ansible_collections.morpheus.deploy.plugins.module_utils.health.http import HttpProbe
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Service


class Strict(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        known = self.headers.get_all("Host") == ["shop.example"]
        status = 400 if not known else 200 if self.headers.get_all("X-Forwarded-Proto") == ["https"] else 301
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Strict)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("service", "scheme", "status"),
    [
        pytest.param({"routes": [{"host": "shop.example"}]}, "https", 200, id="what users send"),
        pytest.param({"routes": [{"host": "shop.example"}]}, "http", 301, id="an edge without TLS"),
        pytest.param({"routes": [{"host": "shop.example"}], "health": {"scheme": "https"}}, "http", 200, id="TLS in front of it"),
        pytest.param({"health": {"host": "shop.example", "scheme": "https"}}, "", 200, id="no route, and told so"),
        pytest.param({}, "https", 400, id="no route"),
        pytest.param({"health": {"headers": {"host": "shop.example"}}}, "", 301, id="never two lines of Host"),
    ],
)
def test_the_gate_sends_what_such_an_application_wants(port: int, service: dict[str, object], scheme: str, status: int) -> None:
    asked = Service.of({"name": "web", "health": {"path": "/"}, **service}).asked_with(scheme)
    assert HttpProbe()(Endpoint("web", f"http://127.0.0.1:{port}/", asked), 2.0).status == status
