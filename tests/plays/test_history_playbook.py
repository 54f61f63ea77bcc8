"""playbooks/history.yml: what the hosts that keep the history say, as a table and as a line of JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.plays.staged import Case, Runs, Stage, rule

NOW = time.time()


def run(seconds_ago: float, what: str, verdict: str, **more: Any) -> dict[str, Any]:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - seconds_ago))
    return {"at": at, "run": what, "what": what, "verdict": verdict, "owner": "anna@laptop", "seconds": 14.0, **more}


GOOD, BAD, BACK = run(9000, "deploy 1.0.0", "deployed"), run(7200, "deploy 1.1.0", "mixed"), run(3600, "rollback", "rolled_back")
OLD = run(40 * 86400, "deploy 0.9.0", "failed")


def kept(host: str, *runs: dict[str, Any]) -> dict[str, Any]:
    return rule("lease", {"changed": False, "holder": None, "token": 0, "history": list(runs)}, host=host, state="read")


RULES = [kept("app-1", OLD, GOOD, BAD), kept("app-2", GOOD, BAD, BACK)]
CASES = {
    "table": Case(rules=RULES),
    "json": Case(rules=RULES, options=("-e", "history_format=json", "-e", "history_days=90")),
    "one is away": Case(rules=RULES, down=("app-2",)),
    "no format": Case(rules=RULES, options=("-e", "history_format=xml")),
    "no days": Case(rules=RULES, options=("-e", "history_days=all")),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    stage = Stage(tmp_path_factory.mktemp("stage"))
    with ThreadPoolExecutor(3) as pool:
        yield Runs(lambda name: pool.submit(stage.play, name, "history", CASES[name]))


def test_the_runs_of_all_hosts_are_shown_once_with_the_figures(runs: Runs) -> None:
    done = runs["table"].result()
    assert done.code == 0, done.output
    shown = done.output.partition("\nHISTORY ")[2].splitlines()
    assert shown[0] == "of staging, 30 days"
    assert [line.split()[1:3] for line in shown[3:6]] == [["rolled_back", "14.0"], ["mixed", "14.0"], ["deployed", "14.0"]]
    assert shown[7:] == [
        "DEPLOYS          2, 0.5 a week",
        "FAILED           1 (50 %)",
        "TIME TO RESTORE  median 1.0 h, longest 1.0 h",
    ]
    assert {one["module"] for one in done.asked} == {"lease"}


@pytest.mark.deep
def test_as_json_it_is_one_line_and_the_same_as_the_file(runs: Runs) -> None:
    done = runs["json"].result()
    assert done.code == 0, done.output
    report = json.loads(done.output.splitlines()[-1])
    assert report == done.files["staging/history.json"]
    assert [one["what"] for one in report["runs"]] == ["deploy 0.9.0", "deploy 1.0.0", "deploy 1.1.0", "rollback"]
    assert (report["figures"]["deploys"], report["figures"]["failed"], report["days"]) == (3, 2, 90.0)


@pytest.mark.deep
def test_a_host_that_is_away_is_named_and_the_others_are_enough(runs: Runs) -> None:
    done = runs["one is away"].result()
    assert done.code == 0, done.output
    assert done.output.splitlines()[-1] == "app-2, which keeps it too, could not be reached"
    assert "NOT RESTORED     the deploy that ended " in done.output


@pytest.mark.parametrize(
    ("name", "said"), [("no format", "history_format: xml must be table or json"), ("no days", "history_days: all a number")]
)
@pytest.mark.deep
def test_what_cannot_be_shown_is_refused_before_any_host_is_asked(runs: Runs, name: str, said: str) -> None:
    done = runs[name].result()
    assert (done.code, list(done.asked)) == (2, []), done.output
    assert said in done.verdict
