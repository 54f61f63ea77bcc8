"""The status of an environment, put together from what hosts say."""

from __future__ import annotations

from typing import Any

from ansible_collections.morpheus.deploy.plugins.filter.status_report import status_report


def test_where_nobody_knows_what_runs_is_told_and_why() -> None:
    """The playbook fails for these: a table that cannot say what a host runs must not end green."""
    hosts: dict[str, dict[str, Any]] = {
        "app-1": {"live": "1.0-a", "release": "1.0", "drift": [], "mend": ["type this"], "invocation": "not wanted"},
        "app-2": {"failed": True, "msg": "the Docker engine of this host does not answer"},
    }
    found = status_report(hosts, {"app-1": {"holder": None}}, "staging")
    assert found["unknown"] == ["app-2"]
    assert found["hosts"] == {
        "app-1": {"live": "1.0-a", "release": "1.0", "drift": [], "mend": ["type this"]},
        "app-2": {"msg": "the Docker engine of this host does not answer"},
    }


def test_a_host_that_runs_nothing_yet_is_known() -> None:
    assert status_report({"app-1": {"live": ""}}, {}, "staging")["unknown"] == []
