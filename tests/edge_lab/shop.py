"""A service of some replicas at a real HAProxy, whose routes are led as a rollout does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPMessage
from http.server import BaseHTTPRequestHandler
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.edge import admission, route_rules
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.configuration import EdgeConfiguration
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.haproxy import SUFFIXES, render_backends, stack_routes
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import users_file
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.sockets import Socket
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.tables import parse_load
from ansible_collections.morpheus.deploy.plugins.module_utils.service.routing import options_of
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Service

from tests.edge_lab.application import Application
from tests.edge_lab.test_forwarded import SITE, TLS_END, Edge, running

# A network that stands in front of TLS_END, too.
FARTHER = "192.0.2.0/24"
TEXT = "a text that is long enough to be worth it. " * 50


class App(BaseHTTPRequestHandler):
    """Answers with what it saw and who it is."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        seen = [[name.lower(), value] for name, value in self.headers.items()]
        body = json.dumps({"port": self.connection.getsockname()[1], "seen": seen, "text": TEXT}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "image/png" if self.path.endswith("/image") else "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Powered-By", "app/1.0")
        self.send_header("X-Frame-Options", "ALLOWALL")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


@dataclass
class Answer:
    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def said(self) -> Any:
        return json.loads(self.body)

    def saw(self, name: str) -> list[str]:
        return [value for key, value in self.said["seen"] if key == name]


@dataclass
class Shop:
    """A service "web" with a replica on each of ``ports``, whose routes are led as a rollout does: rules first, then the map."""

    edge: Edge
    ports: list[int]
    users: dict[str, dict[str, str]] = field(default_factory=dict)

    def lead(self, *routes: Mapping[str, Any], protocol: str = "") -> None:
        service = {"name": "web", "port": 80, "routes": [{"host": SITE}, *routes], "protocol": protocol}
        wanted = stack_routes([Service.of(service)])
        configuration = EdgeConfiguration(self.edge.paths, lambda _: "")
        own = admission.Edge("test", configuration, ["web"], wanted, 1)
        places = {f"s{number}": ("127.0.0.1", port) for number, port in enumerate(self.ports, 1)}
        both = {*wanted.values(), *own.routes().values()}
        lists = route_rules.user_lists(map(options_of, both))
        users = {users_file("test"): route_rules.render_users("test", {name: self.users.get(name, {}) for name in lists})}
        backends = render_backends("test", ["web"], len(self.ports), {"web": places}, both)
        configuration.apply({"stacks/test.cfg": backends, **users})
        own.route({**dict.fromkeys(own.routes(), ""), **wanted})
        assert own.routes() == wanted

    def ask(self, path: str = "/", source: str = "127.0.0.1", **headers: str) -> Answer:
        return self.edge.inside.submit(self._ask, path, source, headers).result()

    def _ask(self, path: str, source: str, headers: Mapping[str, str]) -> Answer:
        with closing(HTTPConnection("127.0.0.1", 8080, timeout=20, source_address=(source, 0))) as connection:
            connection.request("GET", path, headers={"Host": SITE, **{name.replace("_", "-"): headers[name] for name in headers}})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())

    def tell(self, state: str, port: int) -> None:
        slot = self.ports.index(port) + 1
        Socket(str(self.edge.paths.socket)).tell(*(f"set server test.web{suffix}/s{slot} state {state}" for suffix in SUFFIXES))

    def served(self) -> int:
        table = parse_load(Socket(str(self.edge.paths.socket)).ask("show stat -1 4 -1"))
        return sum(load.answers for (backend, slot), load in table.items() if backend.startswith("test.web"))


@contextmanager
def shop(replicas: int = 1) -> Iterator[Shop]:
    with running(App, edge_trusted_proxies=[TLS_END, FARTHER]) as edge, ExitStack() as stack:
        ports = []
        for _ in range(replicas):
            app = edge.inside.submit(Application, ("127.0.0.1", 0), App).result()
            stack.callback(app.server_close)
            threading.Thread(target=app.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
            stack.callback(app.shutdown)
            ports.append(app.server_port)
        yield Shop(edge, ports)
