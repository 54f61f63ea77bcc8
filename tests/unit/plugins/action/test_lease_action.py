from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.morpheus.deploy.plugins.action import lease as action
from ansible_collections.morpheus.deploy.plugins.plugin_utils.lease import handover
from ansible_collections.morpheus.deploy.plugins.plugin_utils.lease.handover import Process
from ansible_collections.morpheus.deploy.plugins.plugin_utils.lease.who import who
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import watch

TAKEN = {
    "changed": False,
    "environment": "production",
    "token": 7,
    "taken": True,
    "owner": "anna@laptop",
    "reason": "deploy 1.2.0",
    "run": "run-a",
    "holder": {"ttl_seconds": 20.0},
}


class Action(action.ActionModule):
    """With a module that answers ``result`` and a connection that writes down what it is to run."""

    def __init__(self, result: dict[str, Any], log: Path, **arguments: Any) -> None:
        self._task = SimpleNamespace(args=arguments, delegate_to="app-1", check_mode=False)
        self.result = result
        self.log = log
        self.called: dict[str, Any] = {}

    def _execute_module(self, module_name: str, module_args: dict[str, Any], task_vars: Any) -> dict[str, Any]:
        assert module_name == "morpheus.deploy.lease"
        self.called = module_args
        return dict(self.result)

    def _low_level_execute_command(self, cmd: str, **options: Any) -> dict[str, Any]:
        with self.log.open("a") as stream:
            stream.write(cmd + "\n")
        return {"rc": 0}


@pytest.fixture(autouse=True)
def _ansible(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ActionBase, "run", lambda self, tmp=None, task_vars=None: {})
    monkeypatch.setattr(watch, "_begun", True)
    # Only a worker of ansible's has a queue to the screen.
    monkeypatch.setattr(Display, "set_queue", lambda self, queue: None)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_no_lease_is_asked_for_by_a_run_whose_end_nobody_would_hand_to_the_keeper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_begun", False)
    task = Action(TAKEN, tmp_path / "log", environment="production")
    with pytest.raises(AnsibleActionFail) as refused:
        task.run()
    assert refused.value.message == f"The lease was not asked for: {watch.problem()}"
    assert task.called == {}
    read = Action({"token": 0}, tmp_path / "log", environment="production", state="read")
    read.run()
    assert read.called["state"] == "read"


def keepers(tmp_path: Path) -> list[Path]:
    return list(tmp_path.glob("morpheus.deploy.lease.*"))


def test_what_the_task_leaves_out_is_filled_in(tmp_path: Path) -> None:
    task = Action({"token": 0}, tmp_path / "log", environment="production")
    task.run()
    assert task.called["environment"] == "production"
    assert task.called["owner"] == who(os.environ)
    assert len(task.called["run"]) == 12


def test_what_the_task_says_is_kept(tmp_path: Path) -> None:
    task = Action({"token": 0}, tmp_path / "log", environment="production", owner="robot", run="job 5")
    task.run()
    assert task.called == {"environment": "production", "owner": "robot", "run": "job 5"}


@pytest.mark.parametrize(
    ("result", "arguments"),
    [
        ({"failed": True, "msg": "held by another"}, {}),
        (TAKEN | {"failed": True}, {}),
        ({"token": 0}, {}),
        (TAKEN | {"taken": False}, {}),
        (TAKEN, {"state": "read"}),
        ({"unreachable": True}, {}),
    ],
    ids=["refused", "failed later", "check mode", "had before", "only read", "out of reach"],
)
def test_what_was_not_taken_is_not_kept(tmp_path: Path, result: dict[str, Any], arguments: dict[str, Any]) -> None:
    forged = {"keeper": {"pid": 1, "handover": "/etc"}}
    assert Action(result | forged, tmp_path / "log", environment="production", **arguments).run() == result | {"host": "app-1"}
    assert keepers(tmp_path) == []


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_lease_that_was_taken_has_a_keeper_that_runs_its_commands_on_the_lease_host(tmp_path: Path) -> None:
    log = tmp_path / "log"
    result = Action(TAKEN, log, environment="production").run()
    keeper = handover.Handover.from_result(result)
    assert keeper
    process = Process.of(keeper.keeper)
    assert process.runs()
    assert keepers(tmp_path) == [keeper.directory]
    assert handover.finish([keeper], {"verdict": "deployed"}, seconds=20) == 1
    assert not process.runs()
    assert "rm -f beat.7" in log.read_text()
    assert keepers(tmp_path) == []


def test_a_run_whose_main_process_went_while_it_waited_gives_the_lease_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its worker has another parent then, which lives for ever."""
    gone = os.fork()
    if gone == 0:
        os._exit(0)
    os.waitpid(gone, 0)
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: SimpleNamespace(pid=gone))
    log = tmp_path / "log"
    Action(TAKEN, log, environment="production").run()
    until(lambda: keepers(tmp_path) == [])
    assert "[ -e beat.7 ]" in log.read_text()


def test_a_keeper_that_cannot_be_started_fails_the_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(body: object) -> int:
        raise OSError("no more processes")

    monkeypatch.setattr(action, "detach", fails)
    with pytest.raises(AnsibleActionFail, match="nothing keeps it, so it will end by itself: no more processes"):
        Action(TAKEN, tmp_path / "log", environment="production").run()
    assert keepers(tmp_path) == []


def answer(host: str, **more: Any) -> dict[str, Any]:
    return TAKEN | {"host": host, "granted": True, "seen": 0, "database": {}, "taken_over": None} | more


GONE = {"unreachable": True, "ansible_loop_var": "__lease_host", "__lease_host": "app-1", "msg": "no route to host"}
COUNTED = {"state": "counted", "environment": "production", "keepers": ["app-1", "app-2", "app-3"], "hosts": ["app-2", "app-3"]}


def test_what_hosts_answered_is_counted_on_the_controller_and_put_together(tmp_path: Path) -> None:
    over = {"token": 6, "owner": "ben@desk", "why": "no sign of life for 21 s"}
    asked = {"versions": ["0001"]}
    answers = [GONE, answer("app-2", database=asked, kept_off=["app-1"]), {}, {"skipped": True}, answer("app-3", taken_over=over)]
    task = Action({}, tmp_path / "log", **COUNTED, answers=answers)
    assert task.run() == {
        "changed": False,
        "environment": "production",
        "owner": "anna@laptop",
        "reason": "deploy 1.2.0",
        "run": "run-a",
        "token": 7,
        "again": 0,
        "granted_by": ["app-2", "app-3"],
        "unreached": ["app-1"],
        "taken_over": over,
        "kept_off": ["app-1"],
        "database": asked,
        "msg": "Granted by app-2, app-3.",
    }
    assert task.called == {}


def test_too_few_hosts_are_a_failure_unless_it_is_worth_to_ask_again(tmp_path: Path) -> None:
    behind = {"host": "app-3", "granted": False, "token": 0, "seen": 9, "holder": None, "msg": "token 7 is not above 9"}
    answers = [GONE, answer("app-2"), behind]
    refused = Action({}, tmp_path / "log", **COUNTED, answers=answers).run()
    assert (refused["failed"], refused["token"]) == (True, 0)
    assert refused["msg"] == "Another run was quicker on app-3. Nothing was changed; run this again."
    again = Action({}, tmp_path / "log", **COUNTED, answers=answers, may_repeat=True).run()
    assert ("failed" in again, again["again"], again["token"]) == (False, 10, 0)
