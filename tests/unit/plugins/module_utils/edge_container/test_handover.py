"""The edge takes ports over: in which order, what users are left with when it fails, and what a killed run leaves."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError, EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import waiting
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.sockets import Socket
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container import handover as handover_module
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.handover import STOP_SECONDS, Handover
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.settings import EdgeSettings, place
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica

from tests.unit.clock import Clock

METRICS = "127.0.0.1:8405:8405"
PORTS = ["80:8080", "443:8443", METRICS]


class Host:
    """Its engine, and what was asked of it and of Compose, in order."""

    def __init__(self, paths: EdgePaths) -> None:
        self.paths = paths
        self.states = {"proxy": "running", "old-proxy": "exited"}
        self.done: list[str] = []
        self.refuses = ""

    def others(self) -> dict[str, str]:
        return self.states

    def observe(self, _: set[str]) -> list[Replica]:
        return [Replica("c1", "edge-haproxy-1", "haproxy", 1, "")]

    def stop(self, replicas: Sequence[Replica], grace: float | None) -> None:
        self.done.append(f"stop {replicas[0].id} within {grace:g} s")

    def start(self, replica: Replica) -> None:
        self.done.append(f"start {replica.id}")

    def never_again(self, replica: Replica) -> None:
        self.done.append(f"never again {replica.id}")

    def last_words(self, replica: Replica) -> str:
        return "bind: Address already in use"

    def networks(self, _: str) -> list[str]:
        return []

    # Compose.

    def create(self, *, anew: bool = False) -> None:
        self.done.append(f"make the edge{'' if waiting.waits(self.paths) else ' with its ports'}")

    def up(self) -> None:
        self.done.append(f"the edge starts{'' if waiting.waits(self.paths) else ' with its ports'}")
        if self.refuses and not waiting.waits(self.paths):
            raise EngineError(self.refuses)


@pytest.fixture
def paths(tmp_path: Path) -> EdgePaths:
    found = EdgePaths(tmp_path)
    place(EdgeSettings("haproxy:3.0", "99:99", [METRICS]).files(found))
    return found


@pytest.fixture
def host(paths: EdgePaths, monkeypatch: pytest.MonkeyPatch) -> Host:
    found = Host(paths)
    monkeypatch.setattr(handover_module, "Compose", lambda *unused: found)
    monkeypatch.setattr(Socket, "ask", lambda self, command: "Name: HAProxy")
    return found


def handover(host: Host, *holders: str) -> Handover:
    engine: Any = host
    return Handover(host.paths, engine, Clock(0.0), PORTS, holders)


def serves(host: Host) -> Callable[[], str]:
    """The edge is asked, and answers users."""

    def ask() -> str:
        host.done.append("users are asked for")
        return ""

    return ask


def ports(paths: EdgePaths) -> list[str]:
    found: list[str] = json.loads((paths.root / "compose.json").read_text())["services"]["haproxy"]["ports"]
    return found


def test_the_container_is_made_first_and_starts_as_soon_as_the_old_one_has_stopped(host: Host) -> None:
    assert handover(host, "proxy").due
    assert handover(host, "proxy", "old-proxy").take(serves(host)) == ["proxy"]
    assert host.done == [
        "make the edge with its ports",
        f"stop proxy within {STOP_SECONDS:g} s",
        "the edge starts with its ports",
        "users are asked for",
        "never again proxy",
    ]
    assert ports(host.paths) == PORTS
    assert not handover(host).due


BACK = ["stop c1 within 1 s", "start proxy", "make the edge", "the edge starts"]


def test_an_edge_that_does_not_answer_gives_the_ports_back_at_once(host: Host) -> None:
    with pytest.raises(EdgeError) as caught:
        handover(host, "proxy").take(lambda: "https://shop.example/: status 503 by the edge itself, because no replica answers")
    assert str(caught.value) == (
        "the edge does not serve users, so proxy has its ports again: https://shop.example/: status 503 by the edge itself, "
        "because no replica answers\nThe edge's last log lines:\nbind: Address already in use"
    )
    assert host.done[-4:] == BACK
    assert "never again proxy" not in host.done
    assert ports(host.paths) == [METRICS]
    assert handover(host).due


def test_an_edge_that_does_not_start_gives_them_back_too(host: Host) -> None:
    host.refuses = "port is already allocated"
    with pytest.raises(EdgeError, match="port is already allocated"):
        handover(host, "proxy").take(serves(host))
    assert host.done[-4:] == BACK
    assert "users are asked for" not in host.done


def test_where_nobody_has_the_ports_the_edge_takes_them(host: Host) -> None:
    host.states = {}
    assert handover(host, "proxy").take(serves(host)) == []
    assert host.done == ["make the edge with its ports", "the edge starts with its ports", "users are asked for"]


def test_a_host_whose_edge_waits_is_refused_by_an_ordinary_rollout(paths: EdgePaths) -> None:
    with pytest.raises(EdgeError) as caught:
        waiting.require_over(paths)
    assert str(caught.value) == (
        "the edge of this host waits for its ports, which what ran here before still has: an adoption was begun and did not end. "
        "playbooks/adopt.yml for this inventory goes on with it. Nothing was changed"
    )
    place(EdgeSettings("haproxy:3.0", "99:99", PORTS).files(paths))
    waiting.require_over(paths)
    (paths.root / "compose.json").write_text("no JSON")
    waiting.require_over(paths)
