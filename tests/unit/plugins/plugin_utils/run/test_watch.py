from __future__ import annotations

from pathlib import Path

import pytest
from ansible import constants
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import watch

NOT_LOADED = "the callback morpheus.deploy.verdict is not loaded, so this run could not say how it ended. "


@pytest.fixture(autouse=True)
def _nobody_watches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_begun", False)
    monkeypatch.setattr(constants, "CALLBACKS_ENABLED", [])
    monkeypatch.setattr(constants, "CONFIG_FILE", None)
    monkeypatch.delenv(watch.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)


def test_nothing_is_said_when_the_callback_watches() -> None:
    watch.begin()
    assert watch.problem() == ""


@pytest.mark.parametrize(("config", "where"), [(None, ""), ("/shop/ansible.cfg", "in /shop/ansible.cfg, ")])
def test_hosts_may_set_no_variables(monkeypatch: pytest.MonkeyPatch, config: str | None, where: str) -> None:
    monkeypatch.setattr(constants, "CONFIG_FILE", config)
    monkeypatch.setattr(constants, "INJECT_FACTS_AS_VARS", True)
    watch.begin()
    assert watch.facts_problem() == (
        "what hosts answer would take the place of variables of the inventory (inject_facts_as_vars): "
        f"{where}below [defaults] write inject_facts_as_vars = false"
    )
    monkeypatch.setattr(constants, "INJECT_FACTS_AS_VARS", False)
    assert watch.facts_problem() == ""


def test_where_no_configuration_was_read_one_mend_is_for_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "INJECT_FACTS_AS_VARS", True)
    assert watch.problem()
    assert watch.facts_problem() == ""
    monkeypatch.setattr(constants, "CONFIG_FILE", "/shop/ansible.cfg")
    assert watch.facts_problem()


def test_without_a_configuration() -> None:
    assert watch.problem() == (
        f"{NOT_LOADED}No ansible.cfg was read: run it from the project's directory, or set ANSIBLE_CONFIG, or "
        "ANSIBLE_CALLBACKS_ENABLED=morpheus.deploy.verdict."
    )


def test_with_one_that_ansible_ignores(tmp_path: Path) -> None:
    (tmp_path / "ansible.cfg").touch()
    assert watch.problem() == (
        f"{NOT_LOADED}Ansible ignores {tmp_path}/ansible.cfg because everybody may write {tmp_path}: chmod o-w {tmp_path}."
    )


def test_with_one_that_does_not_enable_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "CONFIG_FILE", "/etc/ansible/ansible.cfg")
    assert watch.problem() == (
        f"{NOT_LOADED}/etc/ansible/ansible.cfg does not enable it: below [defaults] write "
        "callbacks_enabled = morpheus.deploy.verdict."
    )


def test_with_a_variable_that_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "CONFIG_FILE", "/etc/ansible/ansible.cfg")
    monkeypatch.setenv(watch.VARIABLE, "ansible.posix.timer")
    assert watch.problem() == (
        f"{NOT_LOADED}ANSIBLE_CALLBACKS_ENABLED=ansible.posix.timer takes the place of what ansible.cfg enables: "
        "add morpheus.deploy.verdict to it, or unset it."
    )


def test_enabled_and_not_loadable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "CALLBACKS_ENABLED", [watch.NAME])
    assert watch.problem() == f"{NOT_LOADED}It is enabled, and Ansible could not load it: see its warning above."
