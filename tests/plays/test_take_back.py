"""A deploy that fails between two batches of hosts: what goes back, how fast, and how the run ends. Shown by Ansible itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.plays import scripted
from tests.plays.played import ROOT
from tests.plays.scripted import Ended, failed, prepared, rolled

PLAYS = yaml.safe_load((ROOT / "playbooks" / "deploy.yml").read_text())
LEARN = "Learn which jobs have ended well on other hosts"
PREPARE = {
    "hosts": "app",
    "gather_facts": False,
    "tasks": [
        # Not on the host, so that one can be lost later than here.
        {
            "morpheus.deploy.stack_release": {"stack": "{{ stack.name }}"},
            "register": "stack_prepared",
            "delegate_to": "localhost",
        },
        next(task for play in PLAYS for task in play.get("tasks", []) if task["name"] == LEARN),
    ],
}
# The plays that switch and take back, as they stand in the playbook.
DEPLOY = [PREPARE, *(play for play in PLAYS if play["name"].startswith(("Roll out", "Take back")))]
assert len(DEPLOY) == 3, "the plays of the playbook have other names"
Deploy = Callable[..., Ended]


@pytest.fixture
def deploy(tmp_path: Path) -> Deploy:
    """Answers by host, of the rollout and then, where it is asked for it, of the way back."""

    def run(*options: str, balancers: Any = None, hosts_at_once: int = 1, lost: tuple[str, ...] = (), **hosts: Any) -> Ended:
        answers = {
            name.replace("_", "-"): {
                "stack_release": {**prepared(), **steps[0].pop("prepared", {})},
                "deploy": steps[0],
                "rollback": (*steps, rolled(back=True))[1],
            }
            for name, steps in hosts.items()
        }
        return scripted.play(tmp_path, DEPLOY, answers, *options, hosts_at_once=hosts_at_once, lost=lost, balancers=balancers)

    return run


def switched(ended: Ended, kind: str) -> list[str]:
    return sorted(line.split()[0] for line in ended.asked if line.endswith(f" {kind}"))


@pytest.mark.deep
def test_a_deploy_that_goes_well_takes_nothing_back(deploy: Deploy) -> None:
    ended = deploy(app_1=[rolled()], app_2=[rolled()], balancers={"lb-1": {}})
    assert (ended.status, ended.said[0].split()[:2]) == (0, ["VERDICT", "deployed:"])
    assert ended.asked[2:] == ["app-1 deploy", "lb-1 health_gate", "app-2 deploy", "lb-1 health_gate"]


@pytest.mark.deep
def test_the_host_that_runs_a_job_for_all_goes_first_and_alone(deploy: Deploy, tmp_path: Path) -> None:
    first = rolled(prepared={"jobs": ["setup"]})
    # They wait for each other in vain when they are in two batches.
    both: dict[str, Any] = {"meets": ["app-2", "app-3"], "patience": 20}
    ended = deploy(app_1=[first], app_2=[rolled(**both)], app_3=[rolled(**both)], hosts_at_once=2)
    assert (ended.status, ended.asked[3]) == (0, "app-1 deploy"), ended.screen
    given = {name: json.loads((tmp_path / f"{name}.deploy").read_text()) for name in ("app-1", "app-2", "app-3")}
    assert [one["runs_jobs"] for one in given.values()] == [True, False, False]


@pytest.mark.deep
def test_what_has_run_on_one_host_is_told_to_all(deploy: Deploy, tmp_path: Path) -> None:
    done = rolled(prepared={"jobs_done": ["setup"]})
    ended = deploy(app_1=[rolled()], app_2=[done], hosts_at_once=2)
    assert ended.status == 0, ended.screen
    assert [json.loads((tmp_path / f"app-{one}.deploy").read_text())["jobs_done"] for one in (1, 2)] == [["setup"]] * 2


def test_every_host_that_was_switched_goes_back_at_the_same_time_when_a_later_one_fails(deploy: Deploy) -> None:
    back = rolled(back=True, meets=["app-1", "app-2"])
    ended = deploy(app_1=[rolled(), back], app_2=[rolled(), back], app_3=[failed("as_before")], app_4=[rolled()], hosts_at_once=2)
    assert (ended.status, switched(ended, "rollback")) == (2, ["app-1", "app-2", "app-4"])
    assert ended.said == [
        "VERDICT rolled_back: staging 1.1.0 (was 1.0.0) in " + ended.said[0].rpartition(" in ")[2],
        *(f"  app-{number} runs 1.0.0" for number in range(1, 5)),
        "  the gate was not passed",
        "  This batch failed. No further host is touched.",
    ]


def test_where_nothing_was_switched_no_name_says_that_something_goes_back(deploy: Deploy) -> None:
    ended = deploy(app_1=[failed("as_before")])
    assert (ended.status, switched(ended, "rollback")) == (2, [])
    names = [name for name in re.findall(r"^(?:PLAY|TASK) \[(.+)\] \**$", ended.screen, re.MULTILINE) if " back" in name]
    assert names
    assert [name for name in names if ", if " not in name and "See which hosts" not in name] == []


@pytest.mark.deep
def test_no_more_hosts_go_back_at_once_than_are_switched_at_once(deploy: Deploy) -> None:
    """Those that meet here could only do so if the way back ran wider than the way there."""
    back = rolled(back=True, meets=["app-1", "app-2"], patience=2)
    ended = deploy(app_1=[rolled(), back], app_2=[rolled(), rolled(back=True)], app_3=[failed("as_before")])
    assert ended.status == 2
    assert "app-1 waits for others in vain" in ended.screen
    assert (ended.verdict["verdict"], ended.verdict["hosts"]["app-1"]["release"]) == ("mixed", "1.1.0")


@pytest.mark.deep
def test_batches_whose_turn_has_not_come_are_not_asked(deploy: Deploy) -> None:
    ended = deploy(app_1=[rolled()], app_2=[failed("as_before")], app_3=[rolled()], app_4=[rolled()])
    assert (ended.status, switched(ended, "deploy"), switched(ended, "rollback")) == (2, ["app-1", "app-2"], ["app-1"])
    assert ended.verdict["verdict"] == "rolled_back"


@pytest.mark.deep
def test_where_the_release_says_pause_nothing_goes_back(deploy: Deploy) -> None:
    pause: dict[str, Any] = {"failure_action": "pause"}
    ended = deploy(app_1=[rolled(**pause)], app_2=[failed("as_before", **pause)])
    assert (ended.status, switched(ended, "rollback"), ended.verdict["verdict"]) == (2, [], "mixed")


def test_a_host_that_is_lost_for_good_leaves_the_others_on_what_they_ran_before(deploy: Deploy) -> None:
    ended = deploy(app_1=[rolled()], app_2=[rolled()], app_3=[rolled()], app_4=[rolled()], hosts_at_once=2, lost=("app-4",))
    assert (ended.status, switched(ended, "rollback")) == (4, ["app-1", "app-2", "app-3"])
    assert ended.said[0].startswith("VERDICT mixed: staging 1.1.0 (was 1.0.0) in ")
    assert ended.said[1:6] == [
        "  app-1 runs 1.0.0",
        "  app-2 runs 1.0.0",
        "  app-3 runs 1.0.0",
        "  app-4 runs an unknown release (last known: 1.0.0)",
        "  app-4 could not be reached",
    ]


@pytest.mark.deep
def test_a_rollout_that_was_killed_is_taken_back_with_the_others_once_the_host_answers(deploy: Deploy) -> None:
    ended = deploy(app_1=[rolled()], app_2=[{"killed": True}])
    assert (ended.status, switched(ended, "rollback")) == (2, ["app-1", "app-2"])
    assert ended.verdict["verdict"] == "rolled_back"
    assert {name: (host["release"], host["lost"]) for name, host in ended.verdict["hosts"].items()} == {
        "app-1": ("1.0.0", False),
        "app-2": ("1.0.0", False),
    }
    assert ended.verdict["messages"][0].startswith("the rollout of app-2 ended without an answer, as a killed process does: ")


@pytest.mark.deep
def test_a_run_that_another_one_has_fenced_off_takes_nothing_back(deploy: Deploy) -> None:
    fenced = {"failed": True, "fenced": True, "msg": "this run has lost its lease"}
    ended = deploy(app_1=[rolled()], app_2=[fenced])
    assert (ended.status, switched(ended, "rollback"), ended.verdict["verdict"]) == (2, [], "mixed")


@pytest.mark.deep
def test_a_balancer_that_does_not_serve_takes_every_host_back(deploy: Deploy) -> None:
    down = {"health_gate": {"failed": True, "msg": "lb-1 was not healthy 3 times in a row within 5 s"}}
    ended = deploy(app_1=[rolled()], app_2=[rolled()], app_3=[rolled()], hosts_at_once=2, balancers={"lb-1": down})
    assert (ended.status, switched(ended, "deploy"), switched(ended, "rollback")) == (2, ["app-1", "app-2"], ["app-1", "app-2"])
    assert (ended.verdict["verdict"], ended.verdict["messages"][0]) == (
        "rolled_back",
        "lb-1 was not healthy 3 times in a row within 5 s",
    )


@pytest.mark.deep
def test_a_balancer_that_cannot_be_reached_is_named_and_every_host_goes_back(deploy: Deploy) -> None:
    ended = deploy(
        app_1=[rolled()], app_2=[rolled()], app_3=[rolled()], hosts_at_once=2, balancers={"lb-1": {"lost": True}, "lb-2": {}}
    )
    assert (ended.status, switched(ended, "deploy"), switched(ended, "rollback")) == (4, ["app-1", "app-2"], ["app-1", "app-2"])
    assert (ended.verdict["verdict"], ended.verdict["messages"][0]) == (
        "rolled_back",
        "lb-1 (balancer) could not be reached, so nobody knows whether users are served. No further host is touched.",
    )
    assert "app-1 could not be reached" not in ended.screen
    assert {name: host["lost"] for name, host in ended.verdict["hosts"].items()} == dict.fromkeys(
        ("app-1", "app-2", "app-3"), False
    )


@pytest.mark.deep
def test_a_host_that_cannot_be_taken_back_stops_no_other(deploy: Deploy) -> None:
    stays = rolled(back=True, failed=True, left="as_before", msg="this host has lost an image")
    ended = deploy(app_1=[rolled(), stays], app_2=[rolled()], app_3=[failed("as_before")], hosts_at_once=1)
    assert (ended.status, switched(ended, "rollback"), ended.verdict["verdict"]) == (2, ["app-1", "app-2"], "mixed")
    assert {name: host["release"] for name, host in ended.verdict["hosts"].items()} == {
        "app-1": "1.1.0",
        "app-2": "1.0.0",
        "app-3": "1.0.0",
    }


KEPT_OFF = json.dumps({"lease_taken": {"token": 0, "run": "", "kept_off": ["app-2", "app-9"]}})


def test_a_host_that_the_balancer_kept_off_serves_again_once_it_has_the_release_of_the_others(deploy: Deploy) -> None:
    ended = deploy("-e", KEPT_OFF, app_1=[rolled()], app_2=[rolled()], balancers={"lb-1": {}})
    assert ended.status == 0, ended.screen
    assert ended.asked[2:] == ["app-1 deploy", "lb-1 health_gate", "app-2 deploy", "lb-1 health_gate", "app-2 serving"]
    assert "  the balancer lets app-2 serve again" in ended.said


@pytest.mark.deep
def test_a_host_that_fails_is_still_kept_off(deploy: Deploy) -> None:
    ended = deploy("-e", KEPT_OFF, app_1=[rolled()], app_2=[failed("as_before")], balancers={"lb-1": {}})
    assert (ended.status, "app-2 serving" in ended.asked) == (2, False)


@pytest.mark.deep
def test_a_balancer_that_cannot_be_told_fails_no_deploy_and_is_told_by_the_next_one(tmp_path: Path) -> None:
    answers = {"stack_release": prepared(), "deploy": rolled(), "serving": {"failed": True, "msg": "no answer"}}
    ended = scripted.play(tmp_path, DEPLOY, {"app-2": answers}, "-e", KEPT_OFF, balancers={"lb-1": {}})
    assert ended.status == 0, ended.screen
    assert "  the balancer still keeps hosts off that are back: no answer. Run the same command again" in ended.said
    assert ended.verdict["let_in"] == []


ROLL_BACK = [
    {"hosts": "app", "gather_facts": False, "tasks": [{"ansible.builtin.set_fact": {"rollback_decision": {"id": "1.0.0-a"}}}]},
    yaml.safe_load((ROOT / "playbooks" / "rollback.yml").read_text())[-1],
]


@pytest.mark.parametrize("at_once", [pytest.param(1, marks=pytest.mark.deep), 2])
def test_a_rollback_that_fails_on_a_host_stops_there_and_takes_nothing_back(tmp_path: Path, at_once: int) -> None:
    stays = rolled(back=True, failed=True, left="as_before", msg="this host has lost an image")
    answers = {"app-1": rolled(back=True), "app-2": stays, "app-3": rolled(back=True)}
    hosts = {name: {"rollback": answer} for name, answer in answers.items()}
    ended = scripted.play(tmp_path, ROLL_BACK, hosts, hosts_at_once=at_once)
    assert (ended.status, switched(ended, "rollback"), switched(ended, "deploy")) == (2, ["app-1", "app-2"], [])
    assert (ended.verdict["verdict"], ended.verdict["messages"][0]) == ("mixed", "this host has lost an image")
