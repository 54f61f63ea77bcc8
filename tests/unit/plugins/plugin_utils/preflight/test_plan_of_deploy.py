"""The plan of a deploy, from what hosts said: what refuses it, and how people read it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications
from ansible_collections.morpheus.deploy.plugins.plugin_utils.preflight import finding, plan

from tests.plays.staged import SHOWN

NOW = 1_800_000_000.0
HOSTS = ("app-1", "app-2", "app-3")
PREPARED = {
    "id": "1.1.0-bb",
    "previous": "1.0.0",
    "pending": True,
    "plan": ["web: start 1 candidate"],
    "versions": ["0001", "0002"],
}
FREE: dict[str, Any] = {"lease": None, "lease_unread": {}}
HELD = {"owner": "anna@laptop", "reason": "deploy 1.0.9", "acquired": "2026-11-27T10:00:00Z", "alive": True}


def config(**more: Any) -> dict[str, Any]:
    stack = {"name": "shop", "migration": more.pop("migration", None)}
    limits = {"versions": {}, **more.pop("limits", {})}
    return {"environment": "staging", "release": "1.1.0", "stack": stack, "supabase": {}, "limits": limits, **more}


def planned(of: Any = None, prepared: Any = PREPARED, lease: Any = None, **more: Any) -> dict[str, Any]:
    hosts = dict.fromkeys(HOSTS, prepared)
    return plan.plan(of or config(), dict.fromkeys(HOSTS, SHOWN), hosts, NOW, lease=lease or FREE, keepers=HOSTS, **more)


def told(report: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["level"], one["check"]) for one in report["findings"]]


def test_a_deploy_that_nothing_speaks_against_is_ready_and_shown_batch_by_batch() -> None:
    report = planned(at_once=[1, 2])
    assert (report["verdict"], report["failed"], report["findings"]) == ("ready", False, [])
    assert report["batches"] == [["app-1"], ["app-2", "app-3"]]
    assert plan.lines(report, "plan.json") == [
        "PLAN ready: 1.1.0 of shop on staging",
        "  Batch 1, app-1, runs 1.0.0:",
        "    web: start 1 candidate",
        *[line for name in HOSTS[1:] for line in (f"  Batch 2, {name}, runs 1.0.0:", "    web: start 1 candidate")],
        "  details: plan.json",
    ]


@pytest.mark.parametrize(
    ("holder", "waits", "wanted"),
    [(HELD, 0, "error"), (HELD, 60, "warning"), ({**HELD, "alive": False}, 0, "warning")],
)
def test_a_lease_that_another_run_holds_refuses_unless_it_is_waited_for(holder: Any, waits: float, wanted: str) -> None:
    report = planned(lease={"lease": holder, "lease_unread": {}}, waits=waits)
    assert told(report) == [(wanted, "lease")]
    assert "anna@laptop: deploy 1.0.9" in report["findings"][0]["text"]


@pytest.mark.parametrize("silent", range(4))
def test_more_than_half_of_the_keepers_of_the_lease_must_answer(silent: int) -> None:
    unread = dict.fromkeys(HOSTS[:silent], "could not be reached")
    assert told(planned(lease={"lease": None, "lease_unread": unread})) == ([("error", "lease")] if 3 - silent < 2 else [])


def test_every_refusal_of_every_host_is_told_and_its_plan_stays() -> None:
    report = planned(prepared={**PREPARED, "refusals": ["no image", "no memory"], "warnings": ["old"]})
    assert told(report) == [("error", "release")] * 6 + [("warning", "release")] * 3
    assert report["hosts"]["app-1"]["plan"] == ["web: start 1 candidate"]
    assert plan.lines(report, "")[:3] == [
        "PLAN refused: 1.1.0 of shop on staging",
        "  Refuses the deploy:",
        "    - app-1: release: no image",
    ]


def test_a_host_that_cannot_prepare_the_release_refuses_in_its_own_words() -> None:
    report = planned(prepared={"failed": True, "msg": "services.web.image: was built for arm64"})
    assert told(report) == [("error", "release")] * 3
    assert "    unknown" in plan.lines(report, "")


@pytest.mark.parametrize("before", [True, False])
def test_a_host_that_is_lost_refuses_once_whenever_it_is_lost(before: bool) -> None:
    lost = {"unreachable": True}
    facts = {"app-1": lost if before else SHOWN}
    report = plan.plan(config(), facts, {"app-1": lost}, NOW, lease=FREE, keepers=())
    assert told(report) == [("error", "host" if before else "release")]
    assert report["findings"][0]["text"].startswith("app-1: ")
    assert "could not be reached" in report["findings"][0]["text"]


FILES = [{"path": f"m/{kind}.sql", "kind": kind, "effects": [f"does {kind}"]} for kind in ("additive", "locking", "destructive")]
SUPABASE = {"migration": {"engine": "supabase"}, "supabase": {"files": FILES}}


def test_migrations_are_told_with_their_class() -> None:
    said = {"applied": [one["path"] for one in FILES], "waiting": {"m/c.sql": "release 1.0.0 may need it"}, "forced": []}
    report = planned(config(**SUPABASE), migrations=said)
    assert [one["kind"] for one in report["migrations"]["pending"]] == ["additive", "locking", "destructive"]
    assert told(report) == [("warning", "migrations")] * 2
    assert report["verdict"] == "ready"
    lines = plan.lines(report, "")
    assert [line for line in lines if line.startswith("    m/add") or "waits" in line] == [
        "    m/additive.sql (additive)",
        "    m/c.sql waits: release 1.0.0 may need it",
    ]


@pytest.mark.parametrize("said", [{"failed": True, "msg": "m/a.sql: was edited"}, {"unreachable": True}])
def test_migrations_that_would_be_refused_refuse(said: dict[str, Any]) -> None:
    assert told(planned(config(**SUPABASE), migrations=said)) == [("error", "migrations")]


def migrations(*versions: str) -> list[dict[str, Any]]:
    return [{"version": version, "paths": [f"m/{version}.py"]} for version in versions]


def rows(*versions: str, state: str = "applied") -> list[dict[str, str]]:
    return [{"version": version, "name": "", "state": state} for version in versions]


@pytest.mark.parametrize(
    ("ledger", "versions", "applied", "due"),
    [
        pytest.param("s.versions", ["1", "2"], [], ["m/1.py", "m/2.py"], id="all of them"),
        pytest.param("s.versions", ["1", "2"], ["1"], ["m/2.py"], id="one"),
        pytest.param("s.versions", ["1", "2"], ["1", "2"], [], id="none"),
        pytest.param("s.versions", [], ["1"], ["?"], id="no files"),
        pytest.param("", ["1"], [], ["m/1.py"], id="no ledger"),
        pytest.param("django:public.django_migrations", ["1"], ["1"], [], id="a tool that may find more in its image"),
    ],
)
def test_of_another_tool_files_are_told_and_nobody_knows_their_class(
    ledger: str, versions: list[str], applied: list[str], due: list[str]
) -> None:
    given = config(migration={"engine": "command", "ledger": ledger}, migrations=migrations(*versions))
    report = planned(given, database={"ledger": rows(*applied)})
    assert [one["path"] for one in report["migrations"]["pending"]] == due
    assert told(report) == [("warning", "migrations")] * len(due)
    assert (f"    {plan.PACKAGES}" in plan.lines(report, "")) is ledger.startswith("django")


def test_a_migration_that_broke_off_refuses_with_the_way_out_of_its_tool() -> None:
    given = config(migration={"engine": "command", "ledger": "prisma:public._prisma_migrations"}, migrations=migrations("1_a"))
    report = planned(given, database={"ledger": rows("1_a", state="failed")})
    assert told(report) == [("error", "migrations"), ("warning", "migrations")]
    assert "npx prisma migrate resolve --rolled-back <name>" in report["findings"][0]["text"]


def test_pools_are_counted_in_a_plan_too() -> None:
    pool = {"service": "api", "size": 50, "processes": 1, "replicas": 2, "order": "start-first", "hosts": []}
    report = planned(config(pools=[pool], owner={"connections": 99}), environment_hosts=HOSTS)
    assert told(report) == [("error", "connections")]


def test_a_release_that_is_live_everywhere_migrates_nothing() -> None:
    report = planned(config(migration={"engine": "command"}), prepared={**PREPARED, "pending": False, "plan": [], "versions": []})
    assert (report["migrations"]["pending"], report["verdict"]) == ([], "ready")
    assert "    nothing to do" in plan.lines(report, "")


OPTIONS = specifications.options("preflight")


def test_limits_have_the_defaults_of_the_role() -> None:
    found, problems = finding.limits({}, OPTIONS)
    assert problems == []
    assert finding.Limits.of(found) == finding.Limits(
        versions={"engine": "26.1", "compose": "2.26", "edge": "3.0"}, alert_severities=[], accept=[]
    )
    assert {f"preflight_{name}" for name in found} == {*OPTIONS} & {f"preflight_{name}" for name in found}


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        (
            "accept",
            ["memory"],
            'preflight_accept[0]: "memory" is not one of alerts, backup, certificate, clock, connections, disk',
        ),
        ("versions", {"edge": "new"}, 'preflight_versions.edge: "new" is no version; give numbers with dots, for example "26.1"'),
        ("alertmanager_url", "alerts:9093", "preflight_alertmanager_url: must be an http or https URL without a login"),
        ("alertmanager_url", "http://a:b@alerts", "preflight_alertmanager_url: must be an http or https URL without a login"),
    ],
)
def test_limits_that_mean_nothing_are_told_with_their_path(name: str, value: Any, problem: str) -> None:
    assert finding.limits({f"preflight_{name}": value}, OPTIONS)[1] == [problem]
