"""Balancers are told which hosts have a route before one loses it and after one has got it; shown by the plays of a deploy."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from tests.plays import scripted
from tests.plays.scripted import Ended, failed, prepared, rolled
from tests.plays.test_take_back import DEPLOY, PLAYS, PREPARE

SEE = "See which hosts balancers have to be told of"
ASK = next(task for play in PLAYS for task in play.get("tasks", []) if task["name"] == SEE)
TASKS: Any = PREPARE["tasks"]
TOLD = [{**PREPARE, "any_errors_fatal": True, "tasks": [*TASKS, ASK]}, *DEPLOY[1:]]
HOME, REPORTS = "shop.example/", "shop.example/reports/"
KNOWS: dict[str, Any] = {"upstreams": ["app-1", "app-2"], "knows_placed": True, "placed": {}, "kept_off": [], "problems": []}
Deploy = Callable[..., Ended]


def routes(now: str, wanted: str) -> dict[str, Any]:
    """Whether the host has reports: "yes", or "no"."""
    return {
        "now": [HOME, REPORTS] if now == "yes" else [HOME],
        "wanted": {HOME: {"here": True, "guarded": False}, REPORTS: {"here": wanted == "yes", "guarded": False}},
    }


@pytest.fixture
def deploy(tmp_path: Path) -> Deploy:
    """``hosts``: by name, its routes and what its rollout answers, and perhaps its way back. ``has_it``: those that have the
    release already.
    """

    def run(
        *options: str,
        knows: Any = KNOWS,
        told: Any = None,
        lost: bool = False,
        has_it: Collection[str] = (),
        hosts_at_once: int = 1,
        **hosts: Any,
    ) -> Ended:
        answers = {
            name.replace("_", "-"): {
                "stack_release": {**prepared(), "routes": routes(*given[:2]), "pending": name not in has_it},
                "deploy": (*given[2:], rolled())[0],
                "rollback": (*given[3:], rolled(back=True))[0],
            }
            for name, given in hosts.items()
        }
        balancer = {"edge_upstream_info": knows, "edge_placed": told or {}, "lost": lost}
        return scripted.play(tmp_path, TOLD, answers, *options, hosts_at_once=hosts_at_once, balancers={"lb-1": balancer})

    return run


def asked(ended: Ended) -> list[str]:
    return [line for line in ended.asked if line.split()[1] in ("told", "deploy", "rollback")]


def told(reports: str, home: str = "app-1+app-2") -> str:
    found = f'"{HOME}": "{home}"' + (f', "{REPORTS}": "{reports}"' if reports else "")
    return f"lb-1 told {{{found}}}"


def test_a_host_is_asked_no_more_before_it_loses_a_route_and_not_before_it_has_one(deploy: Deploy) -> None:
    ended = deploy(app_1=("yes", "no"), app_2=("yes", "yes"))
    assert ended.status == 0, ended.screen
    assert asked(ended) == [f"{told('app-2')} and waits", "app-1 deploy", "app-2 deploy"]


@pytest.mark.deep
def test_one_that_gets_a_route_is_asked_after_its_batch(deploy: Deploy) -> None:
    knows = {**KNOWS, "placed": {"app-1": {REPORTS: {"hosts": ["app-2"]}, HOME: {"hosts": ["app-1", "app-2"]}}}}
    ended = deploy(knows=knows, app_1=("no", "yes"), app_2=("yes", "yes"))
    # When all have it, there is nothing to remember.
    assert asked(ended) == [f"{told('app-2')} and waits", "app-1 deploy", "lb-1 told {}", "app-2 deploy"]


@pytest.mark.deep
def test_a_new_route_below_one_of_all_hosts_is_asked_of_its_host_before_others_change(deploy: Deploy) -> None:
    ended = deploy(app_1=("no", "no"), app_2=("no", "yes"))
    assert asked(ended) == [f"{told('app-2')} and waits", "app-1 deploy", "app-2 deploy"]


def test_where_a_host_of_the_batch_has_the_release_already_another_one_tells_what_the_batch_has_brought(deploy: Deploy) -> None:
    """As when a run was killed between two hosts of a batch, and the same command is given again."""
    knows = {**KNOWS, "placed": {"app-1": {REPORTS: {"hosts": ["app-1"]}, HOME: {"hosts": ["app-1", "app-2"]}}}}
    ended = deploy(knows=knows, has_it=["app_1"], hosts_at_once=2, app_1=("yes", "yes"), app_2=("no", "yes"))
    assert (ended.status, ended.verdict["verdict"]) == (0, "deployed"), ended.screen
    assert asked(ended) == [f"{told('app-1')} and waits", "app-2 deploy", "lb-1 told {}"]
    assert "lb-1 health_gate" in ended.asked


@pytest.mark.deep
def test_a_route_that_would_be_without_a_host_for_a_moment_is_refused(deploy: Deploy) -> None:
    ended = deploy(app_1=("no", "yes"), app_2=("yes", "no"))
    assert "reports/ is on app-2 and would be on app-1 alone" in " ".join(ended.screen.split())
    assert asked(ended) == []


@pytest.mark.deep
def test_what_the_release_brought_is_asked_for_no_more_before_it_is_taken_back(deploy: Deploy) -> None:
    ended = deploy(app_1=("no", "yes"), app_2=("yes", "yes", failed("as_before")), app_3=("no", "no"))
    everybody = "app-1+app-2+app-3"
    assert asked(ended) == [
        f"{told('app-2', everybody)} and waits",
        "app-1 deploy",
        told("app-1+app-2", everybody),
        "app-2 deploy",
        f"{told('app-2', everybody)} and waits",
        "app-1 rollback",
        f"{told('app-2', everybody)} and waits",
    ]
    assert ended.verdict["verdict"] == "rolled_back"


@pytest.mark.deep
def test_nobody_is_told_where_everything_runs_everywhere(deploy: Deploy) -> None:
    ended = deploy(app_1=("no", "yes"), app_2=("no", "yes"))
    assert (ended.status, asked(ended)) == (0, ["app-1 deploy", "app-2 deploy"])


@pytest.mark.deep
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"lost": True}, "lb-1 (balancer) could not be asked whom it asks for routes"),
        ({"knows": {**KNOWS, "knows_placed": False}}, "run playbooks/provision.yml --tags edge for this inventory"),
        ({"knows": {**KNOWS, "upstreams": ["blue", "green"]}}, "edge_upstreams of lb-1 names none of app-2"),
        ({"told": {"failed": True, "msg": "HAProxy rejects it"}}, "could not be told which hosts have which routes"),
    ],
    ids=["lost", "of an older version", "hosts of other names", "rejected"],
)
def test_no_host_changes_when_a_balancer_cannot_follow(deploy: Deploy, given: dict[str, Any], said: str) -> None:
    ended = deploy(app_1=("yes", "no"), app_2=("yes", "yes"), **given)
    assert ended.status != 0
    assert said in " ".join(ended.screen.split())
    assert not [line for line in ended.asked if line.endswith(("deploy", "rollback"))]
    assert ended.verdict["verdict"] == "refused"


@pytest.mark.deep
def test_in_check_mode_nobody_is_told(deploy: Deploy) -> None:
    ended = deploy("--check", app_1=("yes", "no"), app_2=("yes", "yes"))
    assert [line for line in ended.asked if " told " in line] == []
