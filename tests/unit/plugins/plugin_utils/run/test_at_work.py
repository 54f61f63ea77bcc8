"""Whom an interrupted run may have left with something switched: told from the options as they are when a task begins."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import trust_as_template
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.at_work import AtWork

HOST = SimpleNamespace(get_name=lambda: "app-1")


def begun(module: str, options: dict[str, Any], *, check_mode: bool = False, **variables: Any) -> AtWork:
    manager = SimpleNamespace(get_vars=lambda **unused: variables)
    play = SimpleNamespace(get_variable_manager=lambda: manager)
    task = SimpleNamespace(args=options, check_mode=check_mode, get_loader=DataLoader)
    found = AtWork()
    found.begins(HOST, module, task, play)
    return found


MODE = {"mode": trust_as_template("{{ mode | default(omit, true) }}"), "stack": trust_as_template("{{ unknown }}")}


@pytest.mark.parametrize(
    ("module", "options", "more", "unsure"),
    [
        pytest.param("ml_mode", MODE, {"mode": "off"}, True, id="a switch"),
        pytest.param("ml_mode", MODE, {}, False, id="a look"),
        pytest.param("ml_mode", MODE, {"mode": "off", "check_mode": True}, False, id="check mode"),
        pytest.param("edge_maintenance", {"state": "on"}, {}, True, id="as it is written"),
        pytest.param("edge_maintenance", {"state": trust_as_template("{{ unknown }}")}, {}, False, id="what fails at once"),
        pytest.param("stack_rollout", {"state": "on"}, {}, False, id="what says itself what goes on"),
    ],
)
def test_who_may_have_switched_something(module: str, options: dict[str, Any], more: dict[str, Any], unsure: bool) -> None:
    found = begun(module, options, **more)
    assert (found.modules, found.unsure) == ({"app-1": module}, {"app-1"} if unsure else set())
    assert found.ended("app-1") is unsure
    assert (found.modules, found.unsure, found.ended("app-1")) == ({}, set(), False)
