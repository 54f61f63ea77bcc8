"""Whether users are served: real requests to toys on this machine, HAProxy's table as it would be."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import served
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.tables import Server
from ansible_collections.morpheus.deploy.plugins.module_utils.health.gate import Endpoint, Expectation
from ansible_collections.morpheus.deploy.plugins.module_utils.health.seen import Answer, Rules
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import HealthCheck, Service, Stack

from tests.unit.clock import Clock

HAPROXY_503 = b"<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n"
NO_ROUTE = b"No service is reached by this address."
GOOD = (200, b'{"version": "1.0"}')


@contextmanager
def answering(status: int, body: bytes, *, endless: bool = False) -> Iterator[int]:
    """A port at which every request gets this answer; an ``endless`` one never comes to its end."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body) + endless))
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()
            if endless:
                over.wait(10)

        def log_message(self, *unused: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        over.set()
        server.shutdown()
        server.server_close()


@dataclass
class Edge:
    servers: dict[str, Server]
    # How many looks it takes until the checks call everything up again.
    down_for: int = 0

    def places(self) -> dict[str, Server]:
        self.down_for -= 1
        return {
            name: Server(one.backend, one.name, one.address, 0, one.fqdn, one.port, self.down_for >= 0)
            for name, one in self.servers.items()
        }


@dataclass
class Target:
    routed: set[str] = field(default_factory=lambda: {"api"})
    routes: Mapping[str, str] = field(default_factory=lambda: {"127.0.0.1/": "api", "shop.example/": "api"})
    stack: Stack = field(default_factory=lambda: Stack(services=[Service("api", health=HealthCheck("/health"))]))

    def expectation(self, service: str) -> Expectation:
        return Expectation(version="version", release="1.0")


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits between two tries, and an answer has all the time of a busy machine."""
    monkeypatch.setattr(served, "SystemClock", Clock)
    monkeypatch.setattr(served, "ASK", Rules(1, 4, 4, 4))
    monkeypatch.setattr(served, "POLL_SECONDS", 0.001)


def replica(name: str = "shop-api-1", **more: Any) -> Replica:
    return Replica(name, name, "api", 1, "f", admitted=True, port=8000, **more)


def places(port: int, *names: str) -> Edge:
    return Edge({name: Server("shop.api", "s1", "127.0.0.1", 0, name, port) for name in names or ("shop-api-1",)})


def ask(edge: Edge, users: list[Endpoint], *replicas: Replica) -> dict[str, str]:
    return served.unanswered(Target(), replicas or [replica()], edge, users)  # type: ignore[arg-type]


def test_replicas_that_are_well_and_an_edge_that_answers_are_all_that_is_wanted() -> None:
    with answering(*GOOD) as port:
        assert ask(places(port), [served.route("shop.example/", port, tls=False)]) == {}


def test_who_is_not_admitted_or_does_not_run_is_not_asked() -> None:
    """That is in the plan already."""
    idle = Replica("id", "shop-api-2", "api", 2, "f")
    assert ask(Edge({}), [], idle) == {}


def test_a_replica_that_haproxy_has_no_place_of_is_not_reached() -> None:
    assert ask(Edge({}), []) == {"shop-api-1": "is not reached by the edge"}


@pytest.mark.parametrize(
    ("looks", "patience", "found"),
    [(3, 30, {}), (10**6, 0.05, {"shop-api-1": "is not reached by the edge"})],
    ids=["soon", "never"],
)
def test_a_server_that_is_down_has_a_moment_to_come_back(
    monkeypatch: pytest.MonkeyPatch, looks: int, patience: float, found: dict[str, str]
) -> None:
    monkeypatch.setattr(served, "PATIENCE_SECONDS", patience)
    with answering(*GOOD) as port:
        edge = places(port)
        edge.down_for = looks
        assert ask(edge, []) == found


def test_a_replica_that_answers_badly_is_named_and_the_others_are_not() -> None:
    with answering(*GOOD) as port, answering(503, b"ill") as bad:
        edge = places(port, "shop-api-1", "shop-api-2")
        edge.servers["shop-api-2"] = Server("shop.api", "s2", "127.0.0.1", 0, "shop-api-2", bad)
        users = [served.route("shop.example/", bad, tls=False)]
        assert ask(edge, users, replica(), replica("shop-api-2")) == {
            "shop-api-2": "does not answer as it should: status 503, expected 200: ill"
        }


OF_THE_EDGE = [pytest.param(404, NO_ROUTE, id="no route"), pytest.param(503, HAPROXY_503, id="no server")]


@pytest.mark.parametrize(("status", "body"), OF_THE_EDGE)
def test_an_answer_of_the_edge_itself_is_none(status: int, body: bytes) -> None:
    with answering(*GOOD) as port, answering(status, body) as front:
        found = ask(places(port), [served.route("shop.example/", front, tls=False)])
    why = f"status {status} by the edge itself, because no replica answers"
    assert found == {"shop-api-1": f"does not answer users: http://shop.example/: {why}"}


OF_THE_SERVICE = [
    pytest.param(*GOOD, id="good"),
    pytest.param(404, b"no such page", id="its own 404"),
    pytest.param(503, b'{"error":"maintenance","retry_after":300}', id="maintenance"),
    pytest.param(500, b"oops", id="an error of its own"),
]


@pytest.mark.parametrize(("status", "body"), OF_THE_SERVICE)
def test_any_answer_of_the_service_counts(status: int, body: bytes) -> None:
    with answering(*GOOD) as port, answering(status, body) as front:
        assert ask(places(port), [served.route("shop.example/", front, tls=False)]) == {}


def test_an_answer_that_never_ends_is_one() -> None:
    with answering(*GOOD) as port, answering(200, b"event", endless=True) as front:
        assert ask(places(port), [served.route("*/events/", front, tls=False)]) == {}


@contextmanager
def going_on(*, beginning: bytes, part: bytes, every_seconds: float) -> Iterator[int]:
    """A port at which every request gets ``beginning``, and ``part`` again and again."""
    over = threading.Event()

    def go_on(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(4096)
            connection.sendall(beginning)
            while not over.wait(every_seconds):
                connection.sendall(part)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=go_on, args=[listening.accept()[0]], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1]
        over.set()
        listening.shutdown(socket.SHUT_RDWR)


HEAD = b"HTTP/1.1 200 OK\r\n"
WITHOUT_END = {
    "headers that drip": (HEAD, b"X-Drip: x\r\n", 0.05),
    "headers in a flood": (HEAD, b"X-Flood: x\r\n" * 1000, 0.0),
    "answers before the answer that drip": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.05),
    "answers before the answer in a flood": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 0.0),
    "an error's page that drips": (b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n", b"0", 0.05),
}


@pytest.mark.parametrize("name", WITHOUT_END)
def test_no_answer_of_a_service_holds_up_whoever_asks(name: str) -> None:
    beginning, part, every = WITHOUT_END[name]
    asked: list[Answer] = []
    with going_on(beginning=beginning, part=part, every_seconds=every) as port:
        endpoint = served.route("*/", port, tls=False)
        asking = threading.Thread(target=lambda: asked.append(served._head(endpoint, 0.5)), daemon=True)
        asking.start()
        asking.join(10.0)
    assert asked, "it is asked still"
    assert asked[0].error


def test_an_edge_that_does_not_listen_is_no_fault_of_a_replica() -> None:
    with answering(*GOOD) as port:
        with answering(*GOOD) as front:
            pass
        with pytest.raises(EdgeError) as caught:
            ask(places(port), [served.route("shop.example/", front, tls=False)])
    assert str(caught.value) == (
        "this host's edge does not answer http://shop.example/: connection refused. See why with docker logs "
        "--tail 20 edge-haproxy-1; playbooks/provision.yml --tags edge for this inventory sets it up again. Nothing was changed"
    )


def test_a_public_check_that_sees_another_release_is_its_services() -> None:
    with answering(*GOOD) as port, answering(200, b'{"version": "0.9"}') as front:
        url = f"http://127.0.0.1:{front}/health"
        check = Endpoint("edge", url, expectation=Expectation(version="version", release="1.0"))
        found = ask(places(port), [served.public({"url": url}, check)])
    assert found == {"shop-api-1": f'does not answer users: {url}: it reports version "0.9", expected "1.0"'}


def test_a_route_of_any_host_is_asked_for_by_a_name_of_this_machine() -> None:
    assert served.route("*/api/", 8443, tls=True).url == "https://localhost/api"
    assert served.route("shop.example/", 80, tls=False).url == "http://shop.example/"


def test_timeouts_of_a_route_say_nothing() -> None:
    assert served.FromService().violation(Answer(2.0, error="no complete answer within 2.0 s")) == ""
