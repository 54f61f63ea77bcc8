"""What is a finding and what is none: each kind at its boundary, just enough and one less."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.preflight.finding import ACCEPTABLE, ERROR, WARNING, Finding, Limits
from ansible_collections.morpheus.deploy.plugins.plugin_utils.preflight.judge import findings
from hypothesis import given
from hypothesis import strategies as st

from tests.plays.staged import SHOWN
from tests.unit import certificates

NOW = 1_800_000_000.0
MB = 1_000_000
TRIED = {"engine": "26.1", "compose": "2.26", "edge": "3.0"}


def judged(limits: Limits | None = None, backup_hours: float = 0.0, **said: Any) -> list[Finding]:
    return findings({"app-1": {**SHOWN, **said}}, limits or Limits(versions=TRIED), NOW, backup_hours)


def kinds(found: list[Finding]) -> list[tuple[str, str]]:
    return [(one.level, one.check) for one in found]


def disk(**more: int) -> dict[str, Any]:
    return {"disks": [{**SHOWN["disks"][0], **more}]}


def at(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def backup(hours: float) -> dict[str, Any]:
    return {"backups": {"backup": {"at": at(NOW - hours * 3600), "name": "b"}}}


def alert(severity: str) -> dict[str, Any]:
    return {"alerts": [{"name": "Slow", "severity": severity, "host": "app-2", "since": "", "summary": "it is slow"}]}


def test_nothing_is_found_where_all_is_well() -> None:
    assert judged() == []


@given(limit=st.integers(1, 3600), more=st.sampled_from([-1, 0, 0.5, 1, 3600]), latency=st.integers(0, 60))
def test_a_clock_is_judged_by_what_is_certain(limit: int, more: float, latency: int) -> None:
    """However long the answer took, a clock that may be right is not called wrong."""
    off = limit + more
    asked, limits = NOW - latency, Limits(clock_seconds=limit, versions=TRIED)
    wanted = [(ERROR, "clock")] if more > 0 else []
    assert kinds(judged(limits, asked=asked, time=asked - off)) == wanted
    assert kinds(judged(limits, asked=asked, time=NOW + off)) == wanted
    assert judged(limits, asked=asked, time=asked + latency / 2) == []


@given(limit=st.integers(1, 100_000))
def test_disks_and_memory_are_judged_at_their_limits(limit: int) -> None:
    limits = Limits(disk_free_mb=limit, inodes_free=limit, memory_free_mb=limit, versions=TRIED)
    enough = {**disk(free=limit * MB, inodes_free=limit), "memory": {"available": limit * MB, "total": 10**12}}
    assert judged(limits, **enough) == []
    assert kinds(judged(limits, **{**enough, **disk(free=limit * MB - 1, inodes_free=limit)})) == [(ERROR, "disk")]
    assert kinds(judged(limits, **{**enough, **disk(free=limit * MB, inodes_free=limit - 1)})) == [(ERROR, "disk")]
    memory = {"available": limit * MB - 1, "total": 10**12}
    assert kinds(judged(limits, **{**enough, "memory": memory})) == [(WARNING, "memory")]


def test_a_file_system_without_a_fixed_number_of_inodes_has_enough() -> None:
    assert judged(**disk(inodes=0, inodes_free=0)) == []


@pytest.mark.parametrize("name", ["www.example.com", "acme"])
@pytest.mark.parametrize(("days", "level"), [(15.0, ""), (13.0, WARNING), (-1.0, ERROR)])
def test_a_certificate_is_told_before_its_end_and_refuses_after_it_unless_a_deploy_renews_it(
    name: str, days: float, level: str
) -> None:
    pem = certificates.make(["www.example.com"], days)[0]
    found = findings({"app-1": {**SHOWN, "certificates": {name: pem}}}, Limits(versions=TRIED), time.time())
    wanted = WARNING if level and name == "acme" else level
    assert kinds(found) == ([(wanted, "certificate")] if wanted else [])


@given(limit=st.integers(1, 1000), more=st.floats(0.01, 100))
def test_a_backup_that_is_too_old_refuses_where_the_inventory_says_so_and_is_told_elsewhere(limit: int, more: float) -> None:
    asked = Limits(backup_hours=limit, versions=TRIED)
    for limits, hours, level in ((asked, 0.0, ERROR), (None, float(limit), WARNING), (asked, 1.0, ERROR)):
        assert judged(limits, hours, **backup(limit)) == []
        assert kinds(judged(limits, hours, **backup(limit + more))) == [(level, "backup")]
        assert kinds(judged(limits, hours)) == [(level, "backup")]
    assert judged(None, 0.0, **backup(limit + more)) == []


def test_the_youngest_backup_of_all_hosts_counts() -> None:
    facts = {"app-1": {**SHOWN, **backup(30)}, "app-2": {**SHOWN, **backup(20)}}
    assert findings(facts, Limits(backup_hours=24, versions=TRIED), NOW) == []


@pytest.mark.parametrize(("severity", "level"), [("page", ERROR), ("ticket", WARNING)])
def test_an_alert_that_fires_refuses_by_its_severity(severity: str, level: str) -> None:
    found = judged(Limits(alert_severities=["page"], versions=TRIED), **alert(severity))
    assert kinds(found) == [(level, "alerts")]
    assert f"Slow on app-2 ({severity}) fires: it is slow; expected none" in found[0].text


VERSIONS = st.tuples(st.integers(0, 40), st.integers(0, 40))


@given(least=VERSIONS, seen=VERSIONS, patch=st.sampled_from(["", ".0", ".7", ".5+dfsg1", "-rc1"]))
@pytest.mark.parametrize("part", TRIED)
def test_versions_are_compared_as_numbers(part: str, least: tuple[int, int], seen: tuple[int, int], patch: str) -> None:
    limits = Limits(versions={part: f"{least[0]}.{least[1]}"})
    found = judged(limits, versions={**SHOWN["versions"], part: f"{seen[0]}.{seen[1]}{patch}"})
    assert kinds(found) == ([(WARNING, part)] if seen < least else [])


@pytest.mark.parametrize("part", TRIED)
def test_hosts_with_different_versions_are_told_once(part: str) -> None:
    other = {**SHOWN, "versions": {**SHOWN["versions"], part: "99.1"}}
    [found] = findings({"app-1": SHOWN, "app-2": other, "app-3": SHOWN}, Limits(versions=TRIED), NOW)
    assert (found.level, found.check, found.host) == (WARNING, part, "")
    assert f"{SHOWN['versions'][part]} on app-1, app-3; 99.1 on app-2" in found.text


@pytest.mark.parametrize("part", TRIED)
def test_what_gives_no_answer_refuses(part: str) -> None:
    found = judged(versions={**SHOWN["versions"], part: ""}, trouble={part: "connection refused"})
    assert kinds(found) == [(ERROR, part)]
    assert "connection refused" in found[0].text


def test_what_cannot_be_read_beside_them_is_told() -> None:
    assert kinds(judged(trouble={"alerts": "http://alerts.example/api/v2/alerts: refused"})) == [(WARNING, "alerts")]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"unreachable": True}, "could not be reached"),
        ({"failed": True, "msg": "no engine"}, "no engine"),
        ({}, "gave no answer"),
    ],
)
def test_a_host_that_says_nothing_refuses(said: Mapping[str, Any], why: str) -> None:
    [found] = findings({"app-1": said}, Limits(versions=TRIED), NOW)
    assert (found.level, found.check, found.host, found.seen) == (ERROR, "host", "app-1", why)


BAD: dict[str, Callable[[], dict[str, Any]]] = {
    "alerts": lambda: alert("page"),
    "backup": lambda: backup(99),
    "certificate": lambda: {"certificates": {"a": certificates.make(["a.example"], -1)[0]}},
    "clock": lambda: {"asked": NOW, "time": NOW + 99},
    "disk": lambda: disk(free=0),
}


@pytest.mark.parametrize("kind", ACCEPTABLE)
def test_an_error_that_is_accepted_is_told_as_such_and_no_other_one(kind: str) -> None:
    everything = {**{key: value for bad in BAD.values() for key, value in bad().items()}}
    limits = Limits(alert_severities=["page"], backup_hours=24, versions=TRIED, accept=[kind])
    facts = {"app-1": {**SHOWN, **everything}}
    # The certificate is made with the real time, and has ended at every time that comes.
    full = Finding(ERROR, "connections", "", "the database is full")
    found = findings(facts, limits, max(NOW, time.time()), of_database=[full])
    found = [one for one in found if one.check != "clock" or one.host]
    assert {one.check for one in found if one.accepted} == {kind}
    assert {one.check for one in found if one.level == ERROR} == set(ACCEPTABLE) - {kind}


def test_a_finding_says_where_what_was_seen_what_is_expected_and_what_to_do() -> None:
    [found] = judged(**disk(free=499 * MB))
    assert found.text == (
        "app-1: disk: /var/lib/docker has 499 MB free of 20,000 MB; expected 500 MB or more (preflight_disk_free_mb). See what "
        "takes the space with: docker system df; du -xsh /var/lib/docker"
    )
