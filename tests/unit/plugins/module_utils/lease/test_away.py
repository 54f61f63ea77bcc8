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
