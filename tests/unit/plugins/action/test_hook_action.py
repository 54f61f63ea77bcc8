"""The hook before a deploy, as a task calls it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.morpheus.deploy.plugins.action.hook import ActionModule

SECRET = "a-canary-of-the-vault"
VARIABLES = {"__preflight_vault": {"variables": {"vault_key": SECRET}}}


class Action(ActionModule):
    def __init__(self, check_mode: bool = False, **arguments: Any) -> None:
        self._task = SimpleNamespace(args={"name": "before_deploy", **arguments}, check_mode=check_mode)


@pytest.fixture(autouse=True)
def _ansible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ActionBase, "run", lambda self, tmp=None, task_vars=None: {})


def test_the_program_reads_the_facts_with_the_name_of_the_hook(tmp_path: Path) -> None:
    command = ["sh", "-c", f"cat > {tmp_path}/read"]
    found = Action(command=command, facts={"release": "1.1.0", "token": 7}).run(task_vars=VARIABLES)
    assert found == {"changed": False, "failed": False, "msg": ""}
    read = json.loads((tmp_path / "read").read_text())
    assert read == {"hook": "before_deploy", "release": "1.1.0", "token": 7}


def test_one_that_refuses_is_told_without_the_secrets_of_the_vault() -> None:
    found = Action(command=["sh", "-c", f"echo {SECRET} is wrong; exit 3"], timeout_seconds=60).run(task_vars=VARIABLES)
    said = "the hook before_deploy (sh) ended with exit status 3; it said:\n*** is wrong"
    assert found == {"changed": False, "failed": True, "msg": said}


def test_a_part_of_a_secret_is_not_shown_where_what_it_says_is_cut() -> None:
    script = f"echo {SECRET}{'z' * 490}; exit 3"
    found = Action(command=["sh", "-c", script], timeout_seconds=60).run(task_vars=VARIABLES)
    assert "vault" not in found["msg"]


def test_in_check_mode_nothing_is_called(tmp_path: Path) -> None:
    found = Action(check_mode=True, command=["touch", str(tmp_path / "called")]).run(task_vars={})
    assert found["msg"] == "Check mode: the program was not called."
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [None, [], "./tell --now", [""], [7]])
def test_a_command_that_is_none_is_refused(command: Any) -> None:
    with pytest.raises(AnsibleActionFail, match="the hook before_deploy: command must be a list, the program first"):
        Action(command=command).run(task_vars={})
