from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible.plugins.action.normal import ActionModule as NormalAction
from ansible_collections.morpheus.deploy.plugins.action import stack_release as action

GIVEN = {"release": "1.0.0", "stack": {"name": "shop"}, "files": {"b": "eA==", "a": "eQ=="}, "secrets": {"api.env": "KEY=1"}}
NAMES = {"release": "1.0.0", "stack": {"name": "shop"}, "files": ["a", "b"], "secrets": ["api.env"]}


class Module:
    """The module on the host: what it was given, and what it answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[Mapping[str, Any]] = []
        self.error: Exception | None = None

        def run(plugin: Any, tmp: Any, task_vars: Any) -> dict[str, Any]:
            self.seen.append(plugin._task.args)
            if self.error:
                raise self.error
            return {"changed": True, "invocation": {"module_args": dict(plugin._task.args)}}

        monkeypatch.setattr(NormalAction, "run", run)


class Action(action.ActionModule):
    def __init__(self, **arguments: Any) -> None:
        self._task = SimpleNamespace(args=arguments)


def test_the_module_gets_the_files_and_nobody_is_told_more_than_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    module = Module(monkeypatch)
    plugin = Action(**GIVEN)
    assert plugin.run() == {"changed": True, "invocation": {"module_args": NAMES}}
    assert plugin._task.args == NAMES
    # As "until" does.
    plugin.run()
    assert module.seen == [GIVEN, GIVEN]


def test_an_attempt_that_breaks_off_leaves_no_files_behind_either(monkeypatch: pytest.MonkeyPatch) -> None:
    module = Module(monkeypatch)
    module.error = AnsibleActionFail("out of reach")
    plugin = Action(**GIVEN)
    with pytest.raises(AnsibleActionFail):
        plugin.run()
    assert plugin._task.args == NAMES
