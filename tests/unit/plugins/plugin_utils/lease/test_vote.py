from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.lease.vote import Count, count, newest

THREE = ["app-1", "app-2", "app-3"]
HELD = "The lease of production is held by ben@desk (deploy 1.1.0) since 2026-11-24T10:00:00Z, token 9."


def yes(token: int = 7) -> dict[str, Any]:
    return {"granted": True, "token": token, "seen": 0, "holder": {"owner": "anna@laptop"}}


def held(seen: int = 9) -> dict[str, Any]:
    return {"granted": False, "token": 0, "seen": seen, "holder": {"owner": "ben@desk"}, "msg": HELD}


def behind(seen: int) -> dict[str, Any]:
    return {"granted": False, "token": 0, "seen": seen, "holder": None, "msg": f"token 7 is not above {seen}"}


def knows(seen: int) -> dict[str, Any]:
    """A host that does not keep the lease."""
    return {"granted": False, "token": 0, "seen": seen, "holder": None, "msg": "This host does not keep the lease."}


GONE: dict[str, Any] = {"unreachable": True, "msg": "Connection refused"}
FOREIGN = {"failed": True, "foreign": True, "msg": "This host belongs to staging and not to production."}
QUICKER = "Another run was quicker on {}. Nothing was changed; run this again."
TOO_FEW = (
    "Too few hosts grant the lease of production: 2 of app-1, app-2, app-3 must, and only app-3 did. app-1, app-2 could not be "
    "reached. Nothing was changed. Mend what cannot be reached; or, when it is gone for good, take it out of the inventory. Then "
    "run this again."
)
NOBODY = "None of the hosts that keep the lease of production could be reached: app-1, app-2, app-3. Nothing was changed."
MEND = "Mend the way there (name, key, firewall) until ssh logs in by hand, then run this again."
LOST = "app-9 could not be reached. Nothing was changed."


def counted(keepers: list[str], answers: dict[str, dict[str, Any]], hosts: list[str] | None = None) -> Count:
    return count("production", keepers, hosts if hosts is not None else list(answers), answers)


ENOUGH = [
    pytest.param(["app-1"], {"app-1": yes()}, None, id="the only host"),
    pytest.param(THREE, {"app-1": yes(), "app-2": yes(), "app-3": yes()}, None, id="all"),
    pytest.param(THREE, {"app-1": GONE, "app-2": yes(), "app-3": yes()}, ["app-2", "app-3"], id="two of three"),
    pytest.param(THREE, {"app-1": yes(), "app-2": held(), "app-3": yes()}, ["app-1"], id="held where nothing is written"),
    pytest.param(["app-1", "app-2"], {"app-1": GONE, "app-2": yes()}, ["app-2"], id="the other one of two is dead"),
    pytest.param(["app-1"], {"app-1": yes(), "app-2": knows(6)}, None, id="a host that has seen less"),
]


@pytest.mark.parametrize(("keepers", "answers", "hosts"), ENOUGH)
def test_a_run_that_enough_hosts_chose_has_the_lease(
    keepers: list[str], answers: dict[str, dict[str, Any]], hosts: list[str] | None
) -> None:
    found = counted(keepers, answers, hosts)
    assert (found.token, found.problem, found.again) == (7, "", 0)
    assert found.granted == [name for name in keepers if answers[name].get("granted")]


REFUSED = [
    pytest.param(THREE, {"app-1": GONE, "app-2": GONE, "app-3": yes()}, ["app-3"], TOO_FEW, 0, id="one of three"),
    pytest.param(["app-1"], {"app-1": yes(), "app-9": GONE}, None, LOST, 0, id="a host of the run is lost"),
    pytest.param(
        THREE,
        dict.fromkeys(THREE, GONE),
        ["app-3"],
        f"{NOBODY} app-1, app-2, app-3: Connection refused. {MEND}",
        0,
        id="none was reached",
    ),
    pytest.param(
        THREE,
        {
            "app-1": GONE,
            "app-2": {"unreachable": True, "msg": "Task failed: Warning: a key was added.\ndeploy@10.0.0.2: Permission denied."},
            "app-3": {"unreachable": True},
        },
        [],
        f"{NOBODY} app-1: Connection refused; app-2: deploy@10.0.0.2: Permission denied. {MEND}",
        0,
        id="none was reached, each for a reason of its own",
    ),
    pytest.param(
        ["app-1"],
        {"app-1": {"failed": True, "msg": "Task failed: Missing sudo password"}},
        None,
        "app-1: Task failed: Missing sudo password. Let the user who logs in use sudo without a password there, or give it with "
        "--ask-become-pass",
        0,
        id="no sudo",
    ),
    pytest.param(["app-1", "app-2"], {"app-1": yes(), "app-2": held()}, ["app-1"], HELD, 0, id="held by one of two"),
    pytest.param(THREE, {"app-1": yes(), "app-2": held(), "app-3": held()}, None, HELD, 0, id="another run has most"),
    pytest.param(THREE, {"app-1": {"failed": True, "holder": {}, "msg": "x"}}, None, "app-1: x", 0, id="an error"),
    pytest.param(THREE, {"app-1": FOREIGN}, None, "app-1: This host belongs to staging and not to production.", 0, id="foreign"),
    pytest.param(THREE, {"app-1": yes(), "app-2": yes(), "app-3": held(9)}, None, HELD, 10, id="held for a moment"),
    pytest.param(THREE, {"app-1": yes(), "app-2": yes(), "app-3": behind(7)}, None, QUICKER.format("app-3"), 8, id="same token"),
    pytest.param(["app-1"], {"app-1": yes(), "app-9": knows(99)}, None, QUICKER.format("app-9"), 100, id="a higher fence"),
]


@pytest.mark.parametrize(("keepers", "answers", "hosts", "problem", "again"), REFUSED)
def test_a_run_without_enough_hosts_is_told_why_and_whether_to_ask_again(
    keepers: list[str], answers: dict[str, dict[str, Any]], hosts: list[str] | None, problem: str, again: int
) -> None:
    found = counted(keepers, answers, hosts)
    assert (found.token, found.problem, found.again) == (0, problem, again)


@pytest.mark.parametrize(("keepers", "most"), [(3, 2), (4, 3), (5, 3)])
def test_most_is_more_than_half(keepers: int, most: int) -> None:
    names = [f"app-{number}" for number in range(keepers)]
    answers = {name: yes() if number < most else GONE for number, name in enumerate(names)}
    assert counted(names, answers, names[:most]).token == 7
    answers[names[0]] = GONE
    assert counted(names, answers, names[1:most]).token == 0


def test_the_last_answer_of_a_host_counts_and_one_that_was_not_asked_again_keeps_the_one_before() -> None:
    answers = [("app-1", yes(7)), ("app-2", behind(8)), ("app-1", {"skipped": True}), ("app-2", yes(9)), ("app-3", {})]
    assert newest(answers) == {"app-1": yes(7), "app-2": yes(9)}
