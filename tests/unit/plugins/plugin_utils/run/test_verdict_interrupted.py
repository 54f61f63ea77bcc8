"""The word for a run that was interrupted, by what was under way on the hosts at that moment."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.summary import history_line
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.verdict import Run

HOW = "the run was interrupted by Ctrl-C\napp-2: the rollout goes on there by itself, to its end"


def run(*switched: str) -> Run:
    found = Run(started=0.0)
    for host in ("app-1", "app-2"):
        prepared: dict[str, Any] = {"release": "1.1.0", "environment": "staging", "previous": "1.0.0", "pending": True}
        found.saw("stack_release", host, prepared, failed=False)
    for host in switched:
        numbers = dict.fromkeys(("drained", "cut", "left_behind", "errors"), 0)
        result = {"release": "1.1.0", "previous": "1.0.0", "kind": "deploy", "changed": True, "steps": [], "gates": [{}]}
        found.saw("stack_rollout", host, {**result, **numbers, "seconds": {}}, failed=False)
    return found


@pytest.mark.parametrize(
    ("switched", "at_work", "word", "releases"),
    [
        pytest.param((), {}, "refused", ["1.0.0", "1.0.0"], id="nothing was switched"),
        pytest.param((), {"app-1": "stack_release"}, "refused", ["1.0.0", "1.0.0"], id="a preparation"),
        pytest.param((), {"app-1": "stack_migration"}, "refused", ["1.0.0", "1.0.0"], id="a migration"),
        pytest.param((), {"app-1": "stack_rollout"}, "mixed", ["1.0.0", "1.0.0"], id="the first rollout"),
        pytest.param(("app-1",), {"app-2": "stack_rollout"}, "mixed", ["1.1.0", "1.0.0"], id="a later rollout"),
        pytest.param(("app-1",), {}, "mixed", ["1.1.0", "1.0.0"], id="between two rollouts"),
        # Nothing is known to be wrong with what serves, and nothing was attested to be right either.
        pytest.param(("app-1", "app-2"), {"app-1": "health_gate"}, "failed", ["1.1.0", "1.1.0"], id="the last check"),
    ],
)
def test_an_interrupted_run_has_the_word_that_is_true_of_the_hosts(
    switched: tuple[str, ...], at_work: dict[str, str], word: str, releases: list[str]
) -> None:
    found = run(*switched)
    found.interrupted(HOW, at_work)
    verdict = found.verdict(1.0, check_mode=False)
    assert (verdict["verdict"], verdict["messages"], verdict["failed"]) == (word, [HOW], True)
    assert [host["release"] for host in verdict["hosts"].values()] == releases
    assert [host for host, state in verdict["hosts"].items() if state["lost"]] == [
        host for host, module in at_work.items() if module == "stack_rollout"
    ]
    assert history_line(verdict)["why"] == "the run was interrupted by Ctrl-C"


def test_a_host_that_had_failed_before_keeps_its_reason() -> None:
    found = run("app-1")
    found.lost("app-2", "stack_rollout")
    found.interrupted(HOW, {})
    assert found.verdict(1.0, check_mode=False)["messages"] == ["app-2 could not be reached", HOW]


LOOKS = {
    "database_restore": {"changed": False, "lost": [], "is_empty": False},
    "engine_packages": {"changed": True, "upgrades": ["docker.io 26.1 -> 27.0"]},
    "stack_removal": {"changed": True, "plan": ["stop shop-web-1"]},
}


@pytest.mark.parametrize(
    ("looked", "module", "word"),
    [
        pytest.param("", "database_restore", "refused", id="a look at a restore"),
        pytest.param("database_restore", "database_backup", "refused", id="the backup before a restore"),
        pytest.param("database_restore", "database_restore", "failed", id="a restore"),
        pytest.param("", "staging_data_import", "failed", id="an import"),
        pytest.param("", "engine_packages", "refused", id="a look at an engine"),
        pytest.param("engine_packages", "engine_packages", "failed", id="an upgrade of an engine"),
        pytest.param("", "stack_removal", "refused", id="a look at a stack"),
        pytest.param("stack_removal", "stack_removal", "failed", id="a removal of a stack"),
        pytest.param("", "edge_upgrade", "failed", id="an upgrade of an edge"),
    ],
)
def test_a_host_where_something_goes_on_is_not_called_untouched(looked: str, module: str, word: str) -> None:
    """``looked``: the module that has looked before."""
    found = Run(started=0.0)
    if looked:
        found.saw(looked, "app-1", LOOKS[looked], failed=False)
    found.interrupted(HOW, {"app-1": module})
    verdict = found.verdict(1.0, check_mode=False)
    assert (verdict["verdict"], verdict["messages"]) == (word, [HOW])
    assert not any(host["lost"] or host["mixed"] for host in verdict["hosts"].values())
