"""playbooks/edge_upgrade.yml behind balancers: who is asked what, in which order, and when no further host is touched."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.plays.staged import Case, Done, Runs, Stage, rule

KEPT_OFF = rule(
    "edge_upstream", {"changed": True, "done": True, "msg": "", "names": [], "state": "off", "turn": True}, state="off"
)
TAKEN_BACK = rule("edge_upstream", {"changed": True, "done": True, "msg": "", "turn": True}, state="serving")
BEHIND = (KEPT_OFF, TAKEN_BACK)
FAILS = rule("edge_upgrade", {"failed": True, "msg": "it does not serve", "begun": True}, host="app-1")
ALONE = rule("edge_upstream", {"changed": False, "done": False, "msg": "no other host serves but app-1"}, state="off")
NOT_UP = rule("edge_upstream", {"changed": True, "done": False, "msg": "app-1 does not pass the checks"}, state="serving")

CASES = {
    "well": Case(balancers=("lb-1",), rules=BEHIND),
    "fails": Case(balancers=("lb-1",), rules=[FAILS, *BEHIND]),
    "alone": Case(balancers=("lb-1",), rules=[ALONE, TAKEN_BACK]),
    "not up": Case(balancers=("lb-1",), rules=[KEPT_OFF, NOT_UP]),
    "balancer away": Case(balancers=("lb-1",), rules=[rule("edge_upstream", "lost", state="off")]),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    stage = Stage(tmp_path_factory.mktemp("stage"))
    with ThreadPoolExecutor(3) as pool:
        yield Runs(lambda name: pool.submit(stage.play, name, "edge_upgrade", CASES[name]))


def turns(done: Done) -> list[str]:
    """What was asked of edges and balancers while they were replaced."""
    found = []
    for one in done.asked:
        if one["module"] == "edge_upstream":
            found.append(f"{one['host']}: {'+'.join(one['names'])} {one['state']}")
        if one["module"] == "edge_upgrade":
            found.append(f"{one['host']}: replaced{' drained' if one['drained'] else ''}")
    return found


def test_a_host_is_kept_off_replaced_and_taken_back_before_the_next_one_and_the_balancer_is_last(runs: Runs) -> None:
    done = runs["well"].result()
    assert done.code == 0, done.output
    assert turns(done) == [
        *("lb-1: app-1 off", "app-1: replaced drained", "lb-1: app-1 serving"),
        *("lb-1: app-2 off", "app-2: replaced drained", "lb-1: app-2 serving"),
        "lb-1: replaced",
    ]
    assert "VERDICT deployed: staging" in done.output
    assert "serve again" not in done.output


@pytest.mark.deep
def test_a_host_that_fails_is_taken_back_and_no_further_host_is_touched(runs: Runs) -> None:
    done = runs["fails"].result()
    assert done.code == 2, done.output
    assert turns(done) == ["lb-1: app-1 off", "app-1: replaced drained", "lb-1: app-1 serving"]
    assert done.files["staging/verdict.json"]["messages"] == ["app-1: it does not serve"]


@pytest.mark.deep
def test_where_no_other_host_serves_a_container_stands_in(runs: Runs) -> None:
    done = runs["alone"].result()
    assert done.code == 0, done.output
    assert turns(done)[:3] == ["lb-1: app-1 off", "app-1: replaced", "lb-1: app-1 serving"]


@pytest.mark.deep
def test_a_host_that_the_balancer_does_not_take_back_ends_the_run(runs: Runs) -> None:
    done = runs["not up"].result()
    assert done.code == 2, done.output
    assert turns(done)[-1] == "lb-1: app-1 serving"
    assert done.files["staging/verdict.json"]["verdict"] == "failed"
    assert done.files["staging/verdict.json"]["messages"] == [
        "lb-1 (balancer) does not serve by app-1 again: app-1 does not pass the checks. Mend that and run the same command "
        "again. No further host is touched."
    ]


@pytest.mark.deep
def test_a_balancer_that_is_lost_ends_the_run_after_the_host_that_stood_in_for_itself(runs: Runs) -> None:
    done = runs["balancer away"].result()
    assert (done.code, done.files["staging/verdict.json"]["verdict"]) == (2, "failed"), done.output
    assert turns(done) == ["lb-1: app-1 off", "app-1: replaced"]
    assert "  lb-1 (balancer) does not serve by app-1 again: " in done.output.partition("VERDICT")[2]
