"""Services that live in the network, the IPC or among the processes of another one of their stack."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import refusals, shared
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.host_paths import Own
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.refusals import Project

VPN = {"image": "vpn:1"}


def found(worker: dict[str, Any], vpn: dict[str, Any] | None = None, *, routed: bool = False) -> list[str]:
    return shared.problems("worker", {"worker": worker, "vpn": {**VPN, **(vpn or {})}}, routed=routed)


@pytest.mark.parametrize(
    ("worker", "vpn"),
    [
        pytest.param({"network_mode": "service:vpn"}, {}, id="network"),
        pytest.param({"pid": "service:vpn"}, {}, id="processes"),
        pytest.param({"ipc": "service:vpn"}, {"ipc": "shareable"}, id="IPC"),
        pytest.param({"ipc": "shareable", "network_mode": "none"}, {}, id="its own"),
    ],
)
def test_what_is_shared_as_it_can_be_is_good(worker: dict[str, Any], vpn: dict[str, Any]) -> None:
    assert found(worker, vpn) == []


REFUSED = [
    pytest.param(
        {"network_mode": "service:vpm"},
        {},
        'services.worker.network_mode: "service:vpm" is no service of the Compose files; they have vpn, worker',
        id="the network of nobody",
    ),
    pytest.param(
        {"pid": "service:vpn"},
        {"deploy": {"replicas": 2}},
        'services.worker.pid: "service:vpn" has 2 replicas, and nobody can say whose processes are meant; set '
        "services.vpn.deploy.replicas to 1",
        id="processes of one of two",
    ),
    pytest.param(
        {"ipc": "service:vpn"},
        {},
        'services.worker.ipc: "service:vpn" keeps its IPC to itself; write services.vpn.ipc: shareable',
        id="an IPC that is not shared",
    ),
    pytest.param(
        {"network_mode": "service:vpn"},
        {"profiles": ["vpn"]},
        'services.worker.network_mode: "service:vpn" stands behind a profile, so it never runs; take its profiles away',
        id="the network of a service that does not run",
    ),
    pytest.param(
        {"network_mode": "service:vpn", "deploy": {"update_config": {"order": "start-first"}}},
        {},
        "services.worker.deploy.update_config.order: start-first, and the service shares the network of vpn, where only one "
        "may live; "
        "remove it, or write stop-first",
        id="two in one network",
    ),
]


@pytest.mark.parametrize(("worker", "vpn", "problem"), REFUSED)
def test_what_cannot_be_shared(worker: dict[str, Any], vpn: dict[str, Any], problem: str) -> None:
    assert found(worker, vpn) == [problem]


ROUTED = (
    'services.worker.network_mode: "service:vpn" has the address that the edge would ask; route vpn instead, with the port '
    "of worker"
)


def test_the_edge_finds_no_address() -> None:
    assert found({"network_mode": "service:vpn"}, routed=True) == [ROUTED]


@pytest.mark.parametrize(
    ("service", "follows", "reason"),
    [
        pytest.param({"network_mode": "service:vpn"}, ("vpn",), "shares the network of vpn", id="a network"),
        pytest.param(
            {"ipc": "service:a", "pid": "service:b"}, ("a", "b"), "shares the IPC of a and shares the processes of b", id="two"
        ),
        pytest.param({"depends_on": {"db": {"restart": True, "condition": "service_healthy"}}}, ("db",), "", id="depends_on"),
        pytest.param({"depends_on": {"db": {"restart": False}, "x": {}}}, (), "", id="an order alone"),
        pytest.param({"depends_on": ["db"], "network_mode": "host"}, (), "", id="none"),
    ],
)
def test_whom_a_service_follows(service: dict[str, Any], follows: tuple[str, ...], reason: str) -> None:
    assert (shared.follows(service), shared.reason(service)) == (follows, reason)


def asked(**vpn: Any) -> list[str]:
    services = {"vpn": vpn, "worker": {"network_mode": "service:vpn"}, "more": {"network_mode": "service:worker"}}
    project = Project({"services": services}, Own.of("/var/lib/morpheus.deploy/stacks/shop"))
    return [
        one.text
        for name in ("worker", "more")
        for one in refusals.of_service(f"services.{name}", services[name], project, routed=False)
    ]


def test_the_stacks_own_needs_no_exemption_and_what_is_behind_it_does() -> None:
    """However many services stand between it and what is the host's."""
    assert asked() == []
    assert asked(network_mode="host") == [
        f"services.{name}.network_mode: host shares the host's network with the service" for name in ("worker", "more")
    ]
    assert len(asked(network_mode="container:other")) == len(asked(network_mode="service:more")) == 2
