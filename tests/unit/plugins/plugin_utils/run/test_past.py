"""What the history tells of an environment's deploys, and how it is shown."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.filter.history_report import history_report
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import past
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.past_table import table

NOW = past.seconds_of("2026-11-26T12:00:00Z")


def run(minute: int, what: str, verdict: str, **more: Any) -> dict[str, Any]:
    """At ``minute`` of an hour of the day."""
    common = {"run": f"run-{minute}", "owner": "anna@laptop", "seconds": 14.25, "why": ""}
    return {"at": f"2026-11-26T11:{minute:02}:00Z", "what": what, "verdict": verdict, **common, **more}


GOOD = run(1, "deploy 1.0.0", "deployed")


def figures(*runs: dict[str, Any], days: float = 7) -> dict[str, Any]:
    found: dict[str, Any] = history_report({"app-1": {"history": list(runs)}}, "staging", days, NOW)["figures"]
    return found


@pytest.mark.parametrize(
    ("runs", "deploys", "failed", "restored", "still_open"),
    [
        pytest.param([], 0, 0, None, "", id="nothing"),
        pytest.param([GOOD, run(2, "deploy 1.0.0", "unchanged"), run(3, "deploy x", "refused")], 1, 0, None, "", id="well"),
        pytest.param([run(1, "deploy 2", "rolled_back", seconds=40.0)], 1, 1, 40.0, "", id="taken back, by itself"),
        pytest.param([run(1, "deploy 2", "failed"), run(4, "deploy 3", "deployed")], 2, 1, 180.0, "", id="mended by a deploy"),
        pytest.param(
            [run(1, "deploy 2", "mixed"), run(3, "rollback", "rolled_back")], 1, 1, 120.0, "", id="mended by a rollback"
        ),
        pytest.param(
            [run(1, "deploy 2", "mixed"), run(3, "rollback", "failed"), run(6, "deploy 2", "unchanged")],
            *(1, 1, 300.0, ""),
            id="a rollback that failed mends nothing",
        ),
        pytest.param([GOOD, run(8, "rollback to 0.9", "rolled_back")], 1, 1, 420.0, "", id="a good deploy that was taken back"),
        pytest.param([GOOD, run(2, "restart", "deployed"), run(8, "rollback", "rolled_back")], 1, 1, 420.0, "", id="a restart"),
        pytest.param(
            [GOOD, run(2, "deploy 2", "deployed"), run(8, "rollback", "rolled_back")],
            *(2, 1, 360.0, ""),
            id="of two deploys the last one is taken back",
        ),
        pytest.param([run(1, "deploy 2", "interrupted")], 1, 1, None, "2026-11-26T11:01:00Z", id="killed and not mended"),
        pytest.param([run(1, "restart", "failed"), run(2, "rotate key", "failed")], 0, 0, None, "", id="no deploys"),
    ],
)
def test_deploys_failures_and_the_time_to_restore_are_counted(
    runs: list[dict[str, Any]], deploys: int, failed: int, restored: float | None, still_open: str
) -> None:
    found = figures(*runs)
    assert (found["deploys"], found["per_week"], found["failed"]) == (deploys, float(deploys), failed)
    assert found["failure_rate"] == (None if not deploys else round(failed / deploys, 3))
    assert found["restore_seconds"] == (None if restored is None else {"median": restored, "longest": restored})
    assert found["open_since"] == still_open


def test_what_is_older_or_has_no_time_is_left_out() -> None:
    old = {**GOOD, "run": "old", "at": "2026-11-01T00:00:00Z"}
    found = history_report({"app-1": {"history": [old, GOOD, {"at": "yesterday"}]}}, "staging", 7, NOW)
    assert [one["run"] for one in found["runs"]] == ["run-1"]
    assert found["runs"][0]["kind"] == "deploy"


def test_hosts_that_keep_it_are_merged_and_those_that_do_not_answer_are_named() -> None:
    answers: dict[str, dict[str, Any]] = {
        "app-1": {"history": [GOOD]},
        "app-2": {"history": [GOOD]},
        "app-3": {"unreachable": True},
    }
    found = history_report(answers, "staging", 7, NOW)
    assert (len(found["runs"]), found["problem"], found["unread"]) == (1, "", {"app-3": "could not be reached"})
    nobody = history_report({"app-1": {"failed": True, "msg": "no room"}, "app-2": {"unreachable": True}}, "staging", 7, NOW)
    assert nobody["problem"] == "app-1 no room; app-2 could not be reached"
    assert table(nobody)[-1] == "The history could not be read: app-1 no room; app-2 could not be reached"


def test_the_history_is_shown_with_the_newest_run_first_and_the_figures_below() -> None:
    stacks = {"gateway": {"verdict": "deployed", "to": "2"}, "web": {"verdict": "failed"}}
    mixed = run(5, "deploy gateway 2, web 2", "mixed", why="web is sick", stacks=stacks)
    runs = [GOOD, mixed, run(9, "rollback", "rolled_back", seconds=None)]
    assert table(history_report({"app-1": {"history": runs}}, "staging", 7, NOW)) == [
        "HISTORY of staging, 7 days",
        "",
        "ENDED                 VERDICT      SECONDS  BY           WHAT",
        "2026-11-26T11:09:00Z  rolled_back  -        anna@laptop  rollback",
        "2026-11-26T11:05:00Z  mixed        14.2     anna@laptop  deploy gateway 2, web 2: web is sick",
        "                      deployed                           gateway 2",
        "                      failed                             web",
        "2026-11-26T11:01:00Z  deployed     14.2     anna@laptop  deploy 1.0.0",
        "",
        "DEPLOYS          2, 2 a week",
        "FAILED           1 (50 %)",
        "TIME TO RESTORE  median 4.0 min, longest 4.0 min",
    ]


def test_a_failure_that_nothing_has_mended_is_said() -> None:
    lines = table(history_report({"app-1": {"history": [run(1, "deploy 2", "failed")]}}, "staging", 7, NOW))
    assert lines[-1] == "NOT RESTORED     the deploy that ended 2026-11-26T11:01:00Z"
    assert table(history_report({"app-1": {"history": []}}, "staging", 7, NOW))[2] == "No run is in the history of these days."
