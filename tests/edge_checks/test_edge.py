"""A host's own edge when the checks of its replicas fail: what is down in time, and that users are not turned away by us."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from http.client import IncompleteRead, RemoteDisconnected
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.haproxy import render_backends, render_map
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.tables import parse_load

from tests.edge_checks.haproxy import SITE, HAProxy, Metronome, edge, eventually, gateway, running, write_certificate
from tests.edge_checks.upstreams import Behaviour, Upstream

UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
BACKEND = "test.web"


@dataclass
class Host:
    """An edge with one replica in the slot s1 of the service web."""

    haproxy: HAProxy
    replica: Upstream

    def mark_down(self) -> None:
        """By what HAProxy thinks, while the replica goes on answering."""
        self.haproxy.socket.tell(f"disable health {BACKEND}/s1", f"set server {BACKEND}/s1 health down")
        eventually(lambda: self.haproxy.down(BACKEND) == {"s1"}, 5, lambda: "s1 is not down")


def start(stack: ExitStack, directory: Path, *, knows_any: bool) -> Host:
    address = gateway()
    replica = stack.enter_context(closing(Upstream("s1", address)))
    backends = render_backends("test", ["web"], 2, {"web": {"s1": (address, replica.port)}})
    backends = backends if knows_any else backends.partition(f"\nbackend {BACKEND}.any")[0]
    routes = render_map("test", {"*/app/": "web"})
    haproxy = stack.enter_context(running(directory, edge(), write_certificate(directory / "own.pem"), backends, routes))
    eventually(lambda: haproxy.get("/app")[0] == 200, 20, lambda: "the replica is not reached")
    return Host(haproxy, replica)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with ExitStack() as stack:
        yield start(stack, tmp_path, knows_any=True)


@pytest.mark.parametrize("headers", [{}, UPGRADE], ids=["request", "tunnel"])
def test_a_replica_that_is_down_by_its_check_is_tried_when_there_is_no_other(host: Host, headers: dict[str, str]) -> None:
    host.mark_down()
    assert host.haproxy.get("/app", headers) == (200, {"host": "s1"})


def test_what_is_not_admitted_is_never_tried(host: Host) -> None:
    host.mark_down()
    for backend in (BACKEND, f"{BACKEND}.tunnels", f"{BACKEND}.any"):
        host.haproxy.socket.tell(f"set server {backend}/s1 state maint")
    for headers in ({}, UPGRADE):
        assert host.haproxy.get("/app", headers)[0] == 503
    assert host.haproxy.get("/elsewhere")[0] == 404


def test_backends_of_a_version_that_knew_no_such_way_go_on_as_they_did(tmp_path: Path) -> None:
    with ExitStack() as stack:
        host = start(stack, tmp_path, knows_any=False)
        assert host.haproxy.get("/app", UPGRADE) == (200, {"host": "s1"})
        host.mark_down()
        assert [host.haproxy.get(path)[0] for path in ("/app", "/elsewhere")] == [503, 404]


@pytest.mark.parametrize("behaviour", [Behaviour.REFUSES, Behaviour.UNANSWERED], ids=lambda behaviour: behaviour.value)
def test_a_replica_that_takes_no_connection_is_down_within_3_seconds(host: Host, behaviour: Behaviour) -> None:
    host.haproxy.watch(BACKEND)
    with Metronome() as metronome:
        host.replica.behave(behaviour)
        changed = time.monotonic()
        eventually(lambda: bool(host.haproxy.times), 20, lambda: f"a replica that {behaviour.value} is never down")
    seconds = host.haproxy.times[BACKEND, "s1"] - changed
    print(f"\na replica that {behaviour.value}: down after {seconds:.2f} s (machine stalled {metronome.longest_stall:.2f} s)")
    assert seconds <= 3 + metronome.longest_stall


def test_a_replica_that_answers_slowly_stays(host: Host) -> None:
    host.replica.behave(Behaviour.SILENT)
    time.sleep(4)
    assert host.haproxy.down(BACKEND) == set()


BROKEN_OFF = (Behaviour.ENDS_IT, Behaviour.RESETS_IT, Behaviour.BREAKS_OFF)


@pytest.mark.parametrize("behaviour", BROKEN_OFF, ids=lambda behaviour: behaviour.value)
@pytest.mark.parametrize("kept", [False, True], ids=["on a new connection", "on a kept connection"])
def test_a_request_that_a_replica_breaks_off_counts_once(host: Host, behaviour: Behaviour, kept: bool) -> None:
    """However HAProxy counts it: by what the user sees."""

    def broken_off() -> int:
        return parse_load(host.haproxy.socket.ask("show stat"))[BACKEND, "s1"].broken_off

    with closing(host.haproxy.connect()) as user:
        if kept:
            user.request("GET", "/app", headers={"Host": SITE})
            assert user.getresponse().read()
        before = broken_off()
        host.replica.behave(behaviour)
        with suppress(RemoteDisconnected, IncompleteRead):
            user.request("GET", "/app", headers={"Host": SITE})
            answer = user.getresponse()
            answer.read()
            assert answer.status == 502
        eventually(lambda: broken_off() > before, 5, lambda: "nothing was counted")
    assert broken_off() == before + 1
