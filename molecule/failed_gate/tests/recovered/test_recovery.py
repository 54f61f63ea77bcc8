"""Failed deploys leave nothing behind that a good one would stumble over."""

from __future__ import annotations

from moments import Moment, live_release, verdict
from testinfra.host import Host
from user import ask


def test_a_good_release_goes_through() -> None:
    found = verdict()
    assert (found["verdict"], found["previous"], found["release"]) == ("deployed", "1.0.0", "1.1.0")


def test_users_get_it() -> None:
    answer = ask("/health")
    assert (answer.status, answer.version) == (200, "1.1.0")


def test_every_replica_is_healthy(moment: Moment) -> None:
    assert [one["State"]["Health"]["Status"] for one in moment.replicas("api")] == ["healthy", "healthy"]


def test_the_pointer_names_it(host: Host) -> None:
    assert live_release(host).startswith("1.1.0-")
