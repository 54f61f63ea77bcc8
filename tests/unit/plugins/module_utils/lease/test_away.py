from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.away import kept_off, sentences

GONE: dict[str, Any] = {"unreachable": True}


def serves(release: str) -> dict[str, Any]:
    return {"live": f"{release}-1", "release": release}


RUNS: list[dict[str, Any]] = [
    {"hosts": {"app-1": "1.0.0", "app-2": "1.0.0"}},
    {"verdict": "vanished"},
    {"hosts": {"app-2": "1.1.0"}, "left_out": {"app-1": "unknown"}},
]
BACK = "when it comes back it serves "
BEHIND = "when it comes back it serves 1.0.0, and the others serve 1.1.0: deploy again then, without --limit"


@pytest.mark.parametrize(
    ("hosts", "runs", "said"),
    [
        ({"app-1": GONE, "app-2": serves("1.1.0")}, RUNS, {"app-1": BEHIND}),
        ({"app-1": GONE, "app-2": serves("1.0.0")}, RUNS, {"app-1": BACK + "1.0.0"}),
        (
            {"app-1": GONE, "app-2": GONE},
            RUNS,
            {"app-1": BACK + "1.0.0", "app-2": BACK + "1.1.0"},
        ),
        ({"app-1": GONE}, [{"left_out": {"app-1": "1.2.0"}}], {"app-1": BACK + "1.2.0"}),
        ({"app-1": GONE}, [], {}),
        ({"app-1": serves("1.0.0")}, RUNS, {}),
    ],
    ids=["behind", "not behind", "all are gone", "left out before", "nobody knows", "it answers"],
)
def test_what_a_host_serves_when_it_comes_back(hosts: dict[str, Any], runs: list[dict[str, Any]], said: dict[str, str]) -> None:
    assert sentences(hosts, runs) == said


OFF = {"kept_off": ["app-1"], "left_out": {"app-1": "unknown"}}


@pytest.mark.parametrize(
    ("runs", "names"),
    [
        ([], []),
        ([OFF], ["app-1"]),
        ([OFF, {"hosts": {"app-2": "1.1.0"}}, {"kept_off": ["app-3"]}], ["app-1", "app-3"]),
        ([OFF, {"let_in": ["app-1"]}], []),
        ([OFF, {"let_in": ["app-1"]}, OFF], ["app-1"]),
    ],
)
def test_a_host_is_kept_off_until_it_was_let_in(runs: list[dict[str, Any]], names: list[str]) -> None:
    assert kept_off(runs) == names


def test_a_host_that_the_balancer_keeps_off_is_not_said_to_serve() -> None:
    said = sentences({"app-1": GONE, "app-2": serves("1.1.0")}, [*RUNS, OFF])["app-1"]
    assert said == "when it comes back it has 1.0.0, and the balancer sends nobody there until a deploy brings it along"


@pytest.mark.parametrize("line", [{"kept_off": 3}, {"let_in": "app-1"}, {"hosts": ["app-1"]}, {"left_out": 3, "hosts": "app-1"}])
def test_a_line_of_the_history_that_is_written_otherwise_keeps_nobody_from_the_lease(line: dict[str, Any]) -> None:
    """A newer version may have written it, or a hand. The module reads it when it takes the lease."""
    before = {"hosts": {"app-1": "1.0.0"}, "kept_off": ["app-1"]}
    assert kept_off([before, line]) == ["app-1"]
    assert sentences({"app-1": GONE}, [{**before, "kept_off": []}, line]) == {"app-1": "when it comes back it serves 1.0.0"}
