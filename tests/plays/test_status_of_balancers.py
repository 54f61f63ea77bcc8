"""playbooks/status.yml asks the balancers, too: whom they keep off, what ends it, and who gave no answer."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.plays.staged import Case, Runs, Stage, rule

LEFT = rule(
    "edge_upstream_info",
    {
        "changed": False,
        "kept_off": [{"name": "app-2", "turn": True, "playbook": "engine_upgrade"}],
        "problems": ["away.map is missing: type this"],
    },
    host="lb-1",
)
NOBODY = rule("edge_upstream_info", {"changed": False, "kept_off": []})
DAMAGED = rule("edge_upstream_info", {"failed": True, "msg": "HAProxy has no worker at work"}, host="lb-2")
CASES = {
    "well": Case(balancers=("lb-1",), rules=[NOBODY]),
    "left off": Case(balancers=("lb-1",), rules=[LEFT]),
    "away": Case(balancers=("lb-1", "lb-2"), rules=[LEFT, DAMAGED], down=("lb-1",)),
    # The task that asks runs on the first host.
    "first host away": Case(balancers=("lb-1",), rules=[LEFT], down=("app-1",)),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    stage = Stage(tmp_path_factory.mktemp("stage"))
    with ThreadPoolExecutor(2) as pool:
        yield Runs(lambda name: pool.submit(stage.play, name, "status", CASES[name]))


@pytest.mark.deep
def test_where_nobody_is_kept_off_there_is_nothing_to_say(runs: Runs) -> None:
    done = runs["well"].result()
    assert done.code == 0, done.output
    assert "balancer)" not in done.output
    assert done.files["staging/status.json"]["balancers_unread"] == {}


@pytest.mark.parametrize("name", ["left off", pytest.param("first host away", marks=pytest.mark.deep)])
def test_a_host_that_an_upgrade_left_off_is_named_with_the_command(runs: Runs, name: str) -> None:
    done = runs[name].result()
    assert done.code == (0 if name == "left off" else 4), done.output
    _, _, status = done.output.partition("STATUS of staging")
    said = " ".join(status.split())
    assert "app-2: lb-1 (balancer) sends nobody there: engine_upgrade.yml kept it off for its turn, and was ended before" in said
    assert "Mend it with: ansible-playbook playbooks/engine_upgrade.yml -i inventories/staging" in said
    assert "kept off" in next(line for line in status.splitlines() if line.startswith("app-2 "))
    assert "lb-1 (balancer): away.map is missing: type this" in said
    assert done.files["staging/status.json"]["balancers_damaged"] == {"lb-1": ["away.map is missing: type this"]}


@pytest.mark.deep
def test_balancers_that_cannot_be_asked_are_named_and_no_host_counts_as_lost(runs: Runs) -> None:
    done = runs["away"].result()
    assert done.code == 0, done.output
    assert done.files["staging/status.json"]["balancers_unread"] == {
        "lb-1": "could not be reached",
        "lb-2": "HAProxy has no worker at work",
    }
    assert "  lb-1 (balancer) did not say whom it keeps off: could not be reached" in done.output
