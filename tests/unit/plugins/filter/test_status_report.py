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


def test_a_host_that_a_balancer_keeps_off_is_told_with_what_ends_it() -> None:
    hosts = {name: {"live": "1.0-a", "release": "1.0", "mend": ["type this"]} for name in ("app-1", "app-2")}
    left = {"kept_off": [{"name": "app-2", "turn": True, "playbook": "engine_upgrade"}]}
    silent: dict[str, Any] = {"lb-2": {"unreachable": True}, "lb-3": {"failed": True, "msg": "it has no map"}}
    found = status_report(hosts, {}, "staging", {"lb-1": left, **silent})
    assert "kept_off" not in found["hosts"]["app-1"]
    assert found["hosts"]["app-2"]["kept_off"] == [
        "lb-1 (balancer) sends nobody there: engine_upgrade.yml kept it off for its turn, and was ended before it let it in again"
    ]
    command = "ansible-playbook playbooks/engine_upgrade.yml -i inventories/staging"
    assert found["hosts"]["app-2"]["mend"] == ["type this", command]
    assert found["balancers_unread"] == {"lb-2": "could not be reached", "lb-3": "it has no map"}


def test_a_balancer_whose_files_were_damaged_is_told_and_one_of_an_older_version_is_not_asked_for_them() -> None:
    said: dict[str, dict[str, Any]] = {
        "lb-1": {"kept_off": [], "problems": ["away.map is missing"]},
        "lb-2": {"kept_off": []},
        "lb-3": {"kept_off": [], "problems": []},
    }
    assert status_report({}, {}, "staging", said)["balancers_damaged"] == {"lb-1": ["away.map is missing"]}
