"""The containers of a first deploy."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import cis_containers
from ansible_collections.morpheus.deploy.plugins.module_utils.facts.cis_controls import LOW
from moments import Moment, live_release
from testinfra.host import Host

SERVICES = {"api": 2, "web": 1, "ml": 1}


@pytest.fixture(params=SERVICES)
def own(request: pytest.FixtureRequest, moment: Moment) -> list[dict[str, Any]]:
    """The replicas of one service after the other."""
    found = moment.replicas(request.param)
    assert len(found) == SERVICES[request.param]
    return found


def test_every_replica_is_healthy(own: list[dict[str, Any]]) -> None:
    assert {replica["State"]["Health"]["Status"] for replica in own} == {"healthy"}


def test_replicas_of_a_service_carry_the_same_fingerprint(own: list[dict[str, Any]]) -> None:
    [fingerprint] = {replica["Config"]["Labels"]["morpheus.deploy.fingerprint"] for replica in own}
    assert fingerprint


def test_every_replica_names_its_release(host: Host, own: list[dict[str, Any]]) -> None:
    assert {replica["Config"]["Labels"]["morpheus.deploy.release"] for replica in own} == {live_release(host)}


def test_every_replica_runs_an_image_by_its_content(own: list[dict[str, Any]]) -> None:
    assert all(replica["Image"].startswith("sha256:") for replica in own)
    assert not any(replica["Config"]["Image"].endswith(":latest") for replica in own)


def test_no_replica_can_gain_rights(own: list[dict[str, Any]]) -> None:
    for replica in own:
        assert replica["HostConfig"]["CapDrop"] == ["ALL"]
        assert replica["HostConfig"]["SecurityOpt"] == ["no-new-privileges:true"]
        assert not replica["HostConfig"]["Privileged"]


def test_no_replica_has_a_high_or_medium_finding_of_the_benchmark(own: list[dict[str, Any]]) -> None:
    found = [finding for replica in own for finding in cis_containers.container_findings(replica) if finding.level != LOW]
    assert found == []


def test_no_replica_can_change_its_own_files(own: list[dict[str, Any]]) -> None:
    assert all(replica["HostConfig"]["ReadonlyRootfs"] for replica in own)


def test_logs_are_rotated_as_compose_says(own: list[dict[str, Any]]) -> None:
    for replica in own:
        assert replica["HostConfig"]["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}


def test_no_replica_is_reached_past_the_edge(own: list[dict[str, Any]]) -> None:
    assert not any(replica["HostConfig"]["PortBindings"] for replica in own)


def test_nothing_else_runs(moment: Moment) -> None:
    assert len(moment.containers) == sum(SERVICES.values()) + len(moment.replicas("haproxy", project="edge"))
