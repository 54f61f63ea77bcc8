from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.away import sentences

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
