from __future__ import annotations

import calendar
import time
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.status_table import WIDTH, age, table

NOW = calendar.timegm(time.strptime("2026-01-02T12:00:00Z", "%Y-%m-%dT%H:%M:%SZ"))


def host(**more: Any) -> dict[str, Any]:
    services = [{"name": "api", "wanted": 2, "running": 2, "healthy": 2}]
    found = {"live": "1.1.0-a", "release": "1.1.0", "since": "2026-01-02T09:00:00Z", "rolling": "", "edge": "up"}
    return {**found, "services": services, "drift": [], **more}


def report(**more: Any) -> dict[str, Any]:
    run = {"at": "2026-01-02T09:00:00Z", "verdict": "deployed", "what": "deploy 1.1.0", "owner": "anna@laptop", "seconds": 17.24}
    return {"environment": "staging", "hosts": {"app-1": host()}, "lease": None, "runs": [run], **more}


def test_a_quiet_environment_is_said_in_a_few_lines() -> None:
    assert table(report(), NOW) == [
        "STATUS of staging",
        "",
        "HOST   RELEASE  AGE  EDGE  DRIFT  HEALTHY/WANTED",
        "app-1  1.1.0    3 h  up    none   api 2/2",
        "",
        "LEASE  free",
        "",
        "LAST RUNS             VERDICT   WHAT          BY           SECONDS",
        "2026-01-02T09:00:00Z  deployed  deploy 1.1.0  anna@laptop  17.2",
    ]


def test_drift_and_an_unfinished_rollout_are_said_below_the_table() -> None:
    lines = table(report(hosts={"app-1": host(drift=["shop-api-9 was started by hand"], rolling="1.2.0-b")}), NOW)
    assert "app-1  1.1.0    3 h  up    1      api 2/2" in lines
    assert "  app-1: a rollout to 1.2.0-b has begun and not ended" in lines
    assert "  app-1: shop-api-9 was started by hand" in lines


def test_the_commands_that_mend_are_said_once_and_whole() -> None:
    mend = ["ansible-playbook deploy.yml -i inventories/staging -e stack_release=1.1.0 -e a_long_option=" + "x" * 60]
    broken = host(drift=["shop-api-1 is not on the network edge"], mend=mend)
    lines = table(report(hosts={"app-1": broken, "app-2": broken}), NOW)
    assert [line for line in lines if "Mend" in line] == [f"  Mend it with: {mend[0]}"]


def test_several_commands_are_numbered_and_the_edge_comes_first() -> None:
    deploy, edge = "ansible-playbook deploy.yml -i inventories/staging", "ansible-playbook playbooks/provision.yml --tags edge"
    lines = table(report(hosts={"app-1": host(drift=["replicas are gone"], mend=[deploy, edge])}), NOW)
    begin = lines.index("  Mend it with these, in this order:")
    assert lines[begin + 1 : begin + 3] == [f"    1. {edge}", f"    2. {deploy}"]


def test_a_host_that_could_not_be_asked_is_not_said_to_run_anything() -> None:
    lines = table(report(hosts={"app-1": {"msg": "Failed to connect"}}), NOW)
    assert "app-1  ?        -    ?     ?      could not be asked" in lines
    assert "  app-1: Failed to connect" in lines


HOLDER = {"owner": "ben@desk", "reason": "deploy 1.2.0", "acquired": "2026-01-02T11:59:00Z", "token": 7, "beat_seconds": 25.4}


@pytest.mark.parametrize(
    ("alive", "line"),
    [
        (True, "LEASE  ben@desk: deploy 1.2.0, since 2026-01-02T11:59:00Z, token 7"),
        (False, "LEASE  expired: ben@desk (deploy 1.2.0) gave no sign of life for 25 s"),
    ],
)
def test_the_lease_names_its_holder(alive: bool, line: str) -> None:
    assert line in table(report(lease={**HOLDER, "alive": alive}), NOW)


def test_a_lease_that_could_not_be_read_is_not_called_free() -> None:
    lines = table(report(lease_problem="connection refused", runs=[]), NOW)
    assert lines[-3:] == ["LEASE  ? (it could not be read: connection refused)", "", "The history could not be read."]


def test_a_host_that_keeps_the_lease_and_could_not_be_asked_is_named() -> None:
    lines = table(report(lease_unread={"app-1": "could not be reached"}), NOW)
    assert "LEASE  free" in lines
    assert "       app-1, which keeps it too, could not be reached" in lines


def test_what_a_host_serves_when_it_comes_back_is_said() -> None:
    assert "  app-1: when it comes back it serves 1.0.0" in table(
        report(hosts={"app-1": {"away": "when it comes back it serves 1.0.0"}}), NOW
    )


def test_whatever_is_long_stays_within_the_width() -> None:
    services = [{"name": f"service-{number}", "wanted": 10, "running": 10, "healthy": 9} for number in range(12)]
    long = host(release="1.2.0-" + "x" * 60, services=services, drift=["y" * 20 + " " + "z" * 90])
    run = {"at": "2026-01-02T09:00:00Z", "verdict": "deployed", "what": "w" * 80, "owner": "o" * 80, "seconds": 1}
    lines = table(report(hosts={"h" * 60: long}, runs=[run], lease={**HOLDER, "alive": True, "reason": "r" * 300}), NOW)
    assert max(map(len, lines)) <= WIDTH


@pytest.mark.parametrize(
    ("at", "text"),
    [("2026-01-02T11:59:48Z", "12 s"), ("2026-01-02T11:15:00Z", "45 min"), ("2025-12-30T12:00:00Z", "3 d"), ("", "-")],
)
def test_an_age_is_told_in_its_largest_unit(at: str, text: str) -> None:
    assert age(at, NOW) == text


@pytest.mark.parametrize(
    ("owner", "line"),
    [
        ("production", "  app-1: belongs to production and not to staging"),
        ("", "  app-1: belongs to no environment and not to staging"),
    ],
)
def test_a_host_of_another_environment_is_named(owner: str, line: str) -> None:
    assert line in table(report(hosts={"app-1": host(environment=owner)}), NOW)


def test_a_host_of_the_environment_is_not_worth_a_line() -> None:
    assert table(report(hosts={"app-1": host(environment="staging")}), NOW) == table(report(), NOW)


def test_a_host_that_a_balancer_keeps_off_is_not_said_to_be_up() -> None:
    command = "ansible-playbook playbooks/edge_upgrade.yml -i inventories/staging"
    lines = table(report(hosts={"app-1": host(kept_off=["lb-1 (balancer) sends nobody there"], mend=[command])}), NOW)
    assert "app-1  1.1.0    3 h  kept off  none   api 2/2" in lines
    assert "  app-1: lb-1 (balancer) sends nobody there" in lines
    assert f"  Mend it with: {command}" in lines
    down = table(report(hosts={"app-1": host(kept_off=["lb-1 (balancer) sends nobody there"], edge="down")}), NOW)
    assert "app-1  1.1.0    3 h  down  none   api 2/2" in down


def test_a_balancer_that_could_not_be_asked_is_named() -> None:
    lines = table(report(balancers_unread={"lb-1": "could not be reached"}), NOW)
    assert "  lb-1 (balancer) did not say whom it keeps off: could not be reached" in lines


def test_damaged_files_of_a_balancer_are_named_with_what_mends_them() -> None:
    lines = table(report(balancers_damaged={"lb-1": ["away.map does not say that app-2 is kept off: type this"]}), NOW)
    assert "  lb-1 (balancer): away.map does not say that app-2 is kept off: type this" in lines
