"""The plan of a deploy and what refuses it, by Ansible with stand-ins for hosts: all at once, and nothing is changed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.plays.staged import SHOWN, WELL, Case, Done, Stage, rule
from tests.plays.test_several_stacks import STACKS, inventory

BUSY = [{"name": "ErrorBudget", "severity": "page", "host": "app-2", "since": "", "summary": "5 % of requests fail"}]
BAD = {
    **SHOWN,
    "asked": 2_000_000_000.0,
    "time": 1_000_000_000.0,
    "disks": [{**SHOWN["disks"][0], "free": 1_000_000}],
    "alerts": BUSY,
    "trouble": {"edge": "HAProxy does not answer"},
    "versions": {**SHOWN["versions"], "edge": ""},
}
SEEN_BAD = [rule("preflight_info", BAD, host="app-2")]
[READY] = [one["answer"] for one in WELL if one["module"] == "stack_release"]
NO_IMAGE = rule("stack_release", {**READY, "refusals": ["no image shop/web:1.1.0"]}, host="app-1")
PAGES = ("-e", json.dumps({"preflight_alert_severities": ["page"]}))
WRITE = ("stack_rollout", "stack_migration", "edge_upstream", "hook")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(tmp_path_factory.mktemp("stage"))


def checks(done: Done, level: str = "error", file: str = "staging/plan.json") -> list[tuple[str, str]]:
    return sorted((one["host"], one["check"]) for one in done.files[file]["findings"] if one["level"] == level)


def changed_nothing(done: Done) -> None:
    assert [one for one in done.asked if one["module"] in WRITE] == []
    assert {one.get("state") for one in done.asked if one["module"] == "lease"} <= {"read"}


def test_a_plan_says_all_that_speaks_against_a_deploy_and_what_it_would_do(stage: Stage) -> None:
    done = stage.play("bad", "plan", Case(PAGES, rules=[*SEEN_BAD, NO_IMAGE]))
    assert done.code == 2, done.output
    wanted = [("app-1", "release"), ("app-2", "alerts"), ("app-2", "clock"), ("app-2", "disk"), ("app-2", "edge")]
    assert checks(done) == wanted
    report = done.files["staging/plan.json"]
    assert (report["verdict"], report["failed"], report["batches"]) == ("refused", True, [["app-1"], ["app-2"]])
    assert report["hosts"]["app-1"]["plan"] == ["web: start 1 candidate"]
    assert "VERDICT failed: staging plan" in done.output
    assert "\nPLAN refused: 1.1.0 of shop on staging\n  Refuses the deploy:\n" in done.output
    assert "    - app-2: edge: HAProxy gave no answer: HAProxy does not answer; expected an answer\n" in done.output
    changed_nothing(done)


@pytest.mark.deep
def test_a_plan_is_one_line_of_json_for_programs(stage: Stage) -> None:
    done = stage.play("json", "plan", Case(("-e", "plan_format=json")))
    assert done.code == 0, done.output
    [line] = [line for line in done.output.splitlines() if line.startswith('{"batches"')]
    assert json.loads(line) == done.files["staging/plan.json"]


@pytest.mark.deep
def test_a_deploy_is_refused_for_the_same_errors_in_one_message_before_anything_is_changed(stage: Stage) -> None:
    done = stage.play("refused", "deploy", Case(PAGES, rules=SEEN_BAD))
    assert done.code == 2, done.output
    verdict = done.files["staging/verdict.json"]
    [message] = verdict["messages"]
    assert verdict["verdict"] == "refused"
    first, *rest = message.splitlines()
    assert first == "Nothing was changed. What speaks against the deploy:"
    assert [line.split(": ")[1] for line in rest] == ["clock", "disk", "edge", "alerts"]
    assert {one["module"] for one in done.asked} == {"lease", "preflight_info"}


@pytest.mark.deep
def test_a_deploy_goes_on_where_the_monitoring_is_dead_and_says_that_nobody_could_be_asked(stage: Stage) -> None:
    dead = {**SHOWN, "alerts": None, "trouble": {"alerts": "http://172.18.0.7:9093/api/v2/alerts: connection refused"}}
    done = stage.play("dead", "deploy", Case(PAGES, rules=[rule("preflight_info", dead, host="app-2")]))
    assert (done.code, done.files["staging/verdict.json"]["verdict"]) == (0, "deployed"), done.output
    assert "http://172.18.0.7:9093/api/v2/alerts: connection refused" in done.output
    assert "stack_rollout" in {one["module"] for one in done.asked}


@pytest.mark.parametrize(("accept", "code"), [(["alerts"], 0), (["disk"], 2)])
@pytest.mark.deep
def test_what_is_accepted_does_not_refuse(stage: Stage, accept: list[str], code: int) -> None:
    alerts: dict[str, Any] = {**SHOWN, "alerts": BUSY}
    options = (*PAGES, "-e", json.dumps({"preflight_accept": accept}))
    done = stage.play(f"accepts {accept[0]}", "plan", Case(options, rules=[rule("preflight_info", alerts, host="app-2")]))
    assert (done.code, checks(done), checks(done, "warning")) == (
        code,
        [("app-2", "alerts")] if code else [],
        [] if code else [("app-2", "alerts")],
    )


@pytest.mark.deep
def test_several_stacks_have_a_plan_each_and_one_file_with_all(stage: Stage) -> None:
    rules = [rule("stack_release", {**READY, "refusals": ["no image"]}, host="app-1")]
    done = stage.play(
        "several", "plan", Case(rules=rules, files=inventory({name: STACKS[name] for name in ("extra", "gateway")}))
    )
    assert done.code == 2, done.output
    whole = done.files["staging/plan.json"]["stacks"]
    assert {name: one["plan"]["verdict"] for name, one in whole.items()} == {"extra": "refused", "gateway": "refused"}
    assert checks(done, file="staging/gateway/plan.json") == [("app-1", "release")]
    changed_nothing(done)


@pytest.mark.deep
def test_what_is_wrong_with_any_of_several_stacks_is_told_before_any_host_is_asked(stage: Stage) -> None:
    wrong = {name: {**STACKS["extra"], "drain_seconds": "soon"} for name in ("extra", "gateway")}
    done = stage.play("wrong", "plan", Case(("-e", json.dumps({"preflight_accept": ["all"]})), files=inventory(wrong)))
    assert (done.code, done.asked) == (2, [])
    for path in ("stacks.extra.drain_seconds", "stacks.gateway.drain_seconds", "preflight_accept[0]"):
        assert f"  - {path}: " in done.output
