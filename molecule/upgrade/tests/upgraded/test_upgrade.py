"""A second release: what changed is replaced, what did not change is not touched."""

from __future__ import annotations

import pytest
from moments import EDGE, Moment, live_release, recall, verdict
from testinfra.host import Host
from user import ask


def test_the_verdict_says_what_was_deployed() -> None:
    found = verdict()
    assert (found["verdict"], found["previous"], found["release"]) == ("deployed", "1.0.0", "1.1.0")
    assert found["cut"] == 0


def test_users_get_the_new_release() -> None:
    answer = ask("/health")
    assert (answer.status, answer.version) == (200, "1.1.0")


@pytest.mark.parametrize(("service", "count"), [("api", 2), ("web", 1)])
def test_every_replica_of_a_changed_service_is_new(moment: Moment, service: str, count: int) -> None:
    found = moment.replicas(service)
    before = {replica["Id"] for replica in recall("deployed").replicas(service)}
    assert len(found) == count
    assert before.isdisjoint(replica["Id"] for replica in found)


@pytest.mark.parametrize("name", ["morpheus-ml-1", "edge-haproxy-1"])
def test_what_did_not_change_runs_on(moment: Moment, name: str) -> None:
    assert moment.started[name] == recall("deployed").started[name]


def test_nothing_of_the_old_release_is_left_running(moment: Moment) -> None:
    assert len(moment.containers) == len(recall("deployed").containers)


def test_the_pointer_has_moved_and_the_old_release_is_kept(host: Host, moment: Moment) -> None:
    assert live_release(host).startswith("1.1.0-")
    kept = {path.split("/")[-2].split("-")[0] for path in moment.files if path.endswith("/manifest.json")}
    assert kept == {"1.0.0", "1.1.0"}


def test_the_edge_names_the_new_replicas_and_no_other(host: Host, moment: Moment) -> None:
    text = host.file(f"{EDGE}/conf/stacks/morpheus.cfg").content_string
    named = {word.split(":")[0] for word in text.split() if word.startswith("morpheus-")}
    assert named == {one["Name"].lstrip("/") for service in ("api", "web") for one in moment.replicas(service)}
