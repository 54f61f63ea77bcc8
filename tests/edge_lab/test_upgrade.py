"""HAProxy is replaced by another one while users are served, by the real rules of the kernel and real HAProxies. No engine."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import Clock, SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.haproxy import render_backends, render_map, route_key
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.redirect import Redirect
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.upgrade import EdgeUpgrade, Outcome
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.upgrade_verbs import Wanted

from tests import deep
from tests.edge_lab import traffic
from tests.edge_lab.application import Application
from tests.edge_lab.handed_over import BRIDGE, GATEWAY, HOST, USER, Container, Network, bare_host
from tests.edge_lab.haproxy import configure, root_file_system
from tests.edge_lab.namespace import own_network

# As long as the module asks for at least: a busy machine needs some of it.
NEW = Wanted("haproxy:new", "haproxy:new", drain_seconds=80, hands_over=True, bridge=BRIDGE, tls=False)
SLOW_SECONDS = 1.5
DRAIN_SECONDS = 100.0

# Of RFC 6455, 1.3: what a client sends, and what it must get.
KEY, ACCEPT = b"dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = f"{self.headers['X-Forwarded-For']} end".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.path == "/slow":
            time.sleep(SLOW_SECONDS)
        self.wfile.write(body)

    def do_GET(self) -> None:
        if self.headers["Upgrade"]:
            self.send_response(101)
            self.send_header("Connection", "Upgrade")
            self.send_header("Upgrade", "websocket")
            self.send_header("Sec-WebSocket-Accept", ACCEPT)
            self.end_headers()
            while line := self.rfile.readline():
                self.wfile.write(line)
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


@dataclass
class Lab:
    paths: EdgePaths
    own: Container
    stand_in: Container
    users: Network
    over: Path
    load: list[subprocess.Popen[str]]
    guard: Callable[[], None] = lambda: None
    ways: Redirect = field(default_factory=Redirect)

    def upgrade(self, clock: Clock | None = None) -> EdgeUpgrade:
        return EdgeUpgrade(self.paths, self.own, self.stand_in, self.ways, clock or SystemClock(), self.guard)

    def counted(self) -> tuple[dict[str, int], list[str]]:
        """What users asked, and what failed, to the end of their requests."""
        time.sleep(0.5)
        self.over.touch()
        said = [json.loads(one.communicate(timeout=30)[0]) for one in self.load]
        counts = sum((Counter(one["counts"]) for one in said), Counter[str]())
        return dict(counts), [failure for one in said for failure in one["failed"]]


@contextmanager
def _living() -> Iterator[Lab]:
    with ExitStack() as end:
        end.enter_context(own_network())
        directory = Path(end.enter_context(tempfile.TemporaryDirectory(dir="/tmp")))
        paths = EdgePaths(directory / "edge")
        configure(paths)
        bare_host()
        (paths.conf / "away.map").write_text("")
        key = route_key("shop.example", "/")
        (paths.conf / "routes.map").write_text(render_map("shop", {key: "web"}))
        (paths.conf / "stacks" / "shop.cfg").write_text(
            render_backends("shop", ["web"], 16, {"web": {"s1": (GATEWAY, 9000), "s2": (GATEWAY, 9000)}})
        )
        app = Application((GATEWAY, 9000), App)
        Thread(target=app.serve_forever, daemon=True).start()
        end.callback(app.server_close)
        end.callback(app.shutdown)
        root = root_file_system()
        own = Container("edge-haproxy-1", paths, root, [f"172.30.0.{n}" for n in (2, 4, 6, 8)], published=True)
        stand_in = Container("stand-in", paths, root, [f"172.30.0.{n}" for n in (3, 5, 7, 9)], published=False)
        end.callback(own.remove)
        end.callback(stand_in.remove)
        own.start()
        users = Network("v-users", USER, HOST)
        end.callback(users.remove)
        over = directory / "over"
        asking = [sys.executable, traffic.__file__, "users"]
        # Some from outside, one by this host's loopback, where the engine's proxy asks in their place.
        load = [
            subprocess.Popen([*users.inside(), *asking, HOST, "80", USER, str(over)], stdout=subprocess.PIPE, text=True),
            subprocess.Popen([*asking, "127.0.0.1", "80", GATEWAY, str(over)], stdout=subprocess.PIPE, text=True),
        ]
        for one in load:
            end.callback(one.wait)
            end.callback(one.kill)
        time.sleep(1)
        yield Lab(paths, own, stand_in, users, over, load)


@pytest.fixture
def inside() -> Iterator[Callable[[Callable[[Lab], Any]], Any]]:
    """Runs what a test does in the one thread that lives in its network."""
    with ThreadPoolExecutor(1) as thread:

        def run(work: Callable[[Lab], Any]) -> Any:
            with _living() as lab:
                return work(lab)

        yield lambda work: thread.submit(run, work).result(timeout=300)


Inside = Callable[[Callable[[Lab], Any]], Any]


@pytest.mark.deep
def test_a_single_host_gets_another_edge_and_no_request_fails(inside: Inside) -> None:
    def work(lab: Lab) -> None:
        lab.own.tell("set server shop.web/s2 weight 7")
        outcome = lab.upgrade().run(NEW)
        counts, failed = lab.counted()
        assert failed == []
        assert min(counts.values()) > 0
        assert counts["new connection"] > 200
        seen = lab.own.look()
        assert seen
        assert (seen.image, seen.running, lab.stand_in.look()) == ("haproxy:new", True, None)
        assert lab.own.known().servers["shop.web/s2"].weight == 7
        assert not lab.ways.there()
        assert outcome.cut == 0
        assert outcome.done == ["a container of the new image stands in", "the edge runs haproxy:new"]
        print(counts, outcome)

    inside(work)


def well(lab: Lab, image: str) -> None:
    """The edge's own serves with ``image``, nothing else is left, and nobody has noticed anything."""
    _, failed = lab.counted()
    assert failed == []
    seen = lab.own.look()
    assert seen
    assert (seen.image, seen.running, lab.stand_in.look(), lab.ways.there()) == (image, True, None, False)


def test_an_image_that_does_not_serve_leaves_the_edge_as_it_was(inside: Inside) -> None:
    def work(lab: Lab) -> None:
        lab.stand_in.broken = (NEW.image,)
        with pytest.raises(EdgeError, match="the new edge does not serve, and the one before goes on as it was"):
            lab.upgrade().run(NEW)
        well(lab, "haproxy:old")

    inside(work)


@pytest.mark.deep
def test_an_edge_that_cannot_be_replaced_comes_back_and_users_are_served_meanwhile(inside: Inside) -> None:
    def work(lab: Lab) -> None:
        lab.own.broken = (NEW.image,)
        with pytest.raises(EdgeError, match=r"^the one before is back and serves\. .*: it cannot be started"):
            lab.upgrade().run(NEW)
        well(lab, "haproxy:old")

    inside(work)


class Killed(BaseException):
    """The process ends here, and cleans up nothing."""


def killed(work: Callable[[], Any]) -> Callable[..., Any]:
    def ending(*arguments: Any, **options: Any) -> None:
        work(*arguments, **options)
        raise Killed

    return ending


# While the own edge is gone. Others: before users are led away, and when they are on it again.
KILLED_EACH_TIME = ("own.end",)
KILLED = ("stand_in.start", "ways.lead", "own.soft_stop", "own.end", "own.start", "ways.end", "stand_in.soft_stop")


@pytest.mark.parametrize("last", deep.cases(KILLED, KILLED_EACH_TIME))
def test_a_run_that_is_killed_is_finished_by_the_next_one_and_no_request_fails(inside: Inside, last: str) -> None:
    def work(lab: Lab) -> None:
        name, verb = last.split(".")
        thing = getattr(lab, name)
        original = getattr(thing, verb)
        setattr(thing, verb, killed(original))
        with pytest.raises(Killed):
            lab.upgrade().run(NEW)
        setattr(thing, verb, original)
        time.sleep(1)
        lab.upgrade().run(NEW)
        well(lab, NEW.image)

    inside(work)


@dataclass
class UntilOneIsLeft(SystemClock):
    """Time is up when the container that was asked to end has one session left, however long this machine takes to get there."""

    container: Container
    ahead: float = 0.0

    def now(self) -> float:
        return super().now() + self.ahead

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if not self.ahead and self.container.ending and self.container.sessions() == 1:
            self.ahead = DRAIN_SECONDS


@pytest.mark.deep
def test_what_does_not_end_by_itself_is_cut_and_counted(inside: Inside) -> None:
    def work(lab: Lab) -> None:
        with socket.create_connection(("127.0.0.1", 80), timeout=20) as tunnel:
            # A websocket, because nothing else makes a tunnel.
            tunnel.sendall(
                b"GET /chat HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY + b"\r\n\r\n"
            )
            assert tunnel.recv(4096).startswith(b"HTTP/1.1 101 ")
            clock = UntilOneIsLeft(lab.own)
            outcome: Outcome = lab.upgrade(clock).run(replace(NEW, drain_seconds=DRAIN_SECONDS))
            assert (outcome.cut, clock.ahead) == (1, DRAIN_SECONDS)
        well(lab, NEW.image)

    inside(work)
