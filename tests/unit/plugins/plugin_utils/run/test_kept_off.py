"""Why a balancer sends nobody to a host, and the command that ends it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.kept_off import REASONS, AtBalancers, at_balancers

PLAYBOOKS = Path(__file__).parents[5] / "playbooks"
HOSTS: dict[str, dict[str, Any]] = {name: {"live": "1.1.0-a", "release": "1.1.0"} for name in ("app-1", "app-2")}
NOBODY = "lb-1 (balancer) sends nobody there"
AWAY = {"kept_off": ["app-1"], "left_out": {"app-1": "unknown"}}


def off(name: str = "app-1", playbook: str = "", *, turn: bool = False) -> dict[str, Any]:
    return {"kept_off": [{"name": name, "turn": turn, "playbook": playbook}]}


def said(found: dict[str, Any], runs: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, AtBalancers]:
    return at_balancers(more.get("hosts", HOSTS), {"lb-1": found}, runs or [], more.get("holder"), "production")


@pytest.mark.parametrize("playbook", ["edge_upgrade", "engine_upgrade"])
def test_what_a_killed_upgrade_has_left_off_is_ended_by_the_same_playbook(playbook: str) -> None:
    assert said(off(playbook=playbook, turn=True)) == {
        "app-1": AtBalancers(
            [f"{NOBODY}: {playbook}.yml kept it off for its turn, and was ended before it let it in again"],
            [f"ansible-playbook playbooks/{playbook}.yml -i inventories/production"],
        )
    }


def test_a_turn_that_nobody_noted_is_ended_by_a_playbook_that_lets_in_whom_others_have_left_off() -> None:
    assert said(off(turn=True))["app-1"].mend == ["ansible-playbook playbooks/edge_upgrade.yml -i inventories/production"]


@pytest.mark.parametrize(
    ("reason", "alive", "at_work"),
    [
        ("upgrade the engine", True, True),
        ("upgrade the engine", False, False),
        ("upgrade the edge", True, False),
        ("deploy 1.2.0", True, False),
    ],
)
def test_while_the_playbook_is_at_work_there_is_nothing_to_mend(reason: str, alive: bool, at_work: bool) -> None:
    found = said(off(playbook="engine_upgrade", turn=True), holder={"reason": reason, "alive": alive})["app-1"]
    assert (found.sentences == [f"{NOBODY} while engine_upgrade.yml works on it"]) == at_work
    assert (found.mend == []) == at_work


@pytest.mark.parametrize("playbook", sorted(REASONS))
def test_the_reasons_are_those_that_the_playbooks_give(playbook: str) -> None:
    plays = yaml.safe_load((PLAYBOOKS / f"{playbook}.yml").read_text())
    reasons = [role["lease_reason"] for play in plays for role in play.get("roles", []) if "lease_reason" in role]
    assert reasons == [REASONS[playbook]]


def test_a_host_that_was_away_is_let_in_by_a_deploy_of_what_the_others_have() -> None:
    hosts = {**HOSTS, "app-1": {"live": "1.0.0-a", "release": "1.0.0"}}
    assert said(off(), [AWAY], hosts=hosts) == {
        "app-1": AtBalancers(
            [f"{NOBODY}, because it was away while others got another release: a deploy lets it in"],
            ["ansible-playbook deploy.yml -i inventories/production -e stack_release=1.1.0"],
        )
    }


def test_where_the_others_differ_a_person_names_the_release() -> None:
    hosts = {**HOSTS, "app-3": {"live": "1.2.0-a", "release": "1.2.0"}}
    assert said(off(), [AWAY], hosts=hosts)["app-1"].mend == [
        "ansible-playbook deploy.yml -i inventories/production -e stack_release=<release>"
    ]


def test_a_host_that_is_away_now_is_told_of_once() -> None:
    """What it serves when it comes back says that the balancer sends nobody there."""
    gone = {**HOSTS, "app-1": {"unreachable": True}}
    assert said(off(), [AWAY], hosts=gone) == {}
    assert list(said(off(turn=True, playbook="edge_upgrade"), [AWAY], hosts=gone)) == ["app-1"]


def test_what_no_run_has_done_is_ended_by_hand_as_it_was_done() -> None:
    assert said(off(), [AWAY, {"let_in": ["app-1"]}])["app-1"] == AtBalancers(
        [f"{NOBODY}, and no run of the history says why: somebody did it by hand"],
        [
            "ansible lb-1 -i inventories/production -b -m morpheus.deploy.edge_upstream "
            """-a '{"names": ["app-1"], "state": "serving"}'"""
        ],
    )


def test_two_balancers_are_named_each_and_the_command_once() -> None:
    left = off(playbook="edge_upgrade", turn=True)
    found = at_balancers(HOSTS, {"lb-2": left, "lb-1": left}, [], None, "production")["app-1"]
    assert [one.split()[0] for one in found.sentences] == ["lb-1", "lb-2"]
    assert len(found.mend) == 1


def test_hosts_that_the_environment_does_not_have_any_more_are_not_told_of() -> None:
    assert said(off("app-9", turn=True)) == {}
