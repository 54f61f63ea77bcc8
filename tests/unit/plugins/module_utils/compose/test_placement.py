"""What Compose says of where a service runs is honoured or refused, and never passed over."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import placement

REFUSED = [
    pytest.param(
        {"placement": {"constraints": ["node.hostname == app-1"]}},
        "services.beat.deploy.placement.constraints: node.hostname == app-1 is for Swarm alone; remove it, and in the "
        "inventory write "
        "stack.services: [{name: beat, hosts: app-1}]",
        id="a host by a constraint",
    ),
    pytest.param(
        {"placement": {"constraints": ["node.role == manager", "node.labels.disk == ssd"]}},
        "services.beat.deploy.placement.constraints: node.role == manager; node.labels.disk == ssd is for Swarm alone; "
        "remove it, and "
        "in the inventory write stack.services: [{name: beat, hosts: <host or group>}]",
        id="hosts by constraints",
    ),
    pytest.param(
        {"placement": {"preferences": [{"spread": "node.labels.zone"}]}},
        "services.beat.deploy.placement.preferences: is for Swarm alone; every host runs all replicas, so remove it",
        id="a preference",
    ),
    pytest.param(
        {"placement": {"max_replicas_per_node": 1}, "replicas": 3},
        "services.beat.deploy.placement.max_replicas_per_node: 1, and every host runs all 3 replicas; set deploy.replicas to 1",
        id="more replicas than a host may have",
    ),
    pytest.param(
        {"mode": "replicated-job"},
        'services.beat.deploy.mode: "replicated-job" is a mode of Swarm alone; remove it, write restart: "no" beside it, and '
        "in the "
        "inventory stack.jobs: {beat: {hosts: one}}",
        id="a job of Swarm",
    ),
    pytest.param(
        {"mode": "global-job"},
        'services.beat.deploy.mode: "global-job" is a mode of Swarm alone; remove it, write restart: "no" beside it, and in the '
        "inventory stack.jobs: {beat: {hosts: each}}",
        id="a job of Swarm on each host",
    ),
    pytest.param(
        {"mode": "global", "replicas": 2},
        "services.beat.deploy.replicas: 2 are wanted, and mode: global is one on each host; remove one of the two",
        id="two on each host",
    ),
    pytest.param(
        {"mode": "everywhere"},
        'services.beat.deploy.mode: "everywhere" is not one of replicated, global',
        id="a mode that is none",
    ),
]


@pytest.mark.parametrize(("deploy", "problem"), REFUSED)
def test_what_is_refused(deploy: dict[str, Any], problem: str) -> None:
    assert placement.problems("beat", {"deploy": deploy}) == [problem]


@pytest.mark.parametrize(
    "deploy",
    [
        {},
        {"mode": "replicated", "replicas": 3},
        {"mode": "global"},
        {"mode": "global", "replicas": 1},
        {"mode": "${MODE}"},
        {"placement": {}},
        {"placement": {"constraints": [], "max_replicas_per_node": 2}, "replicas": 2},
    ],
    ids=str,
)
def test_what_is_honoured(deploy: dict[str, Any]) -> None:
    assert placement.problems("beat", {"deploy": deploy}) == []
