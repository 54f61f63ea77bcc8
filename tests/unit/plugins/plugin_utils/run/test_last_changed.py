"""A rollback that names no stack goes back from what the last run changed, and guesses nothing."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.filter.last_changed import last_changed as asked
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.last_changed import last_changed

NAMES = ["gateway", "web", "jobs"]
CHOOSE = "choose one with -e stack_name=<name>: gateway, web, jobs"


def part(word: str, to: str = "2", kind: str = "deploy", runs: str = "2") -> dict[str, Any]:
    return {
        "verdict": word,
        "kind": kind,
        "from": "1",
        "from_id": "1-a",
        "to": to,
        "to_id": f"{to}-a",
        "hosts": {"app-1": runs},
    }


def run(at: int, what: str = "deploy x", verdict: str = "deployed", **stacks: Any) -> dict[str, Any]:
    return {"at": f"2026-01-01T12:00:0{at}Z", "run": str(at), "what": what, "verdict": verdict, "stacks": stacks}


FIRST = run(1, gateway=part("deployed"), web=part("deployed"))
RUNS = [
    pytest.param([FIRST], ["gateway", "web"], id="all of the last run"),
    pytest.param([FIRST, run(2, web=part("deployed"))], ["web"], id="of the last run alone"),
    pytest.param([FIRST, run(2, web=part("unchanged", to="1"))], ["gateway", "web"], id="a run that changed nothing"),
    pytest.param([FIRST, run(2, web=part("deployed", to="1"))], ["gateway", "web"], id="a restart"),
    pytest.param([FIRST, run(2, web=part("rolled_back", runs="1"))], ["gateway", "web"], id="taken back by itself"),
    pytest.param([FIRST, run(2, web=part("refused"), jobs={"verdict": "not_tried"})], ["gateway", "web"], id="refused"),
    pytest.param([FIRST, run(2, web=part("failed"), jobs=part("deployed"))], ["web", "jobs"], id="failed and stays"),
    pytest.param([FIRST, run(2, web=part("failed", runs="1"), jobs=part("deployed"))], ["jobs"], id="failed before a switch"),
    pytest.param([FIRST, run(2, web=part("mixed", runs="1"))], ["web"], id="mixed"),
    pytest.param([FIRST, run(2, web=part("rolled_back", kind="rollback"))], ["web"], id="a rollback goes further back"),
    pytest.param([FIRST, run(2, "upgrade the edge")], ["gateway", "web"], id="a run of the edges"),
    pytest.param([FIRST, run(2, "restart web", "interrupted")], ["gateway", "web"], id="a restart that was killed"),
]


@pytest.mark.parametrize(("runs", "names"), RUNS)
def test_what_the_last_run_changed_goes_back(runs: list[dict[str, Any]], names: list[str]) -> None:
    assert last_changed([runs, runs[:1]], NAMES) == (names, "")


NONE = [
    pytest.param([], f"no run of the history gave a stack another release; {CHOOSE}", id="no history"),
    pytest.param(
        [FIRST, run(2, "deploy web 2", "interrupted")],
        f"the last run (deploy web 2, 2026-01-01T12:00:02Z) was killed before it could say which stacks it has changed; {CHOOSE}",
        id="killed",
    ),
    pytest.param(
        [FIRST, run(2, old=part("deployed"))],
        f"the last run (deploy x, 2026-01-01T12:00:02Z) changed old, which stacks no longer has; {CHOOSE}",
        id="taken out",
    ),
]


@pytest.mark.parametrize(("runs", "problem"), NONE)
def test_where_nobody_can_say_a_person_must(runs: list[dict[str, Any]], problem: str) -> None:
    assert last_changed([runs], NAMES) == ([], problem)


def test_hosts_that_gave_no_answer_are_passed_over() -> None:
    read = {"holder": None, "history": [FIRST]}
    assert asked([{"unreachable": True}, read, {}], NAMES) == {"stacks": ["gateway", "web"], "problem": ""}
    said = "no host could say what the last run has changed; choose one with -e stack_name=<name>"
    assert asked([{"failed": True, "msg": "no"}], NAMES) == {"stacks": [], "problem": said}
