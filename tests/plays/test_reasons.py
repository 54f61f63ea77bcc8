"""No run is refused without a reason: what Ansible hides, because it may hold secrets, is told as far as it holds none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import fleet
from tests.hangs import HANGS_AFTER_SECONDS
from tests.plays.played import LOCAL, play


def deploy(directory: Path, **environment: str) -> str:
    """The verdict's lines and messages, of a deploy to a host that is none."""
    command, given = fleet.command(directory)
    done = subprocess.run(
        command, cwd=directory, env=given | environment, capture_output=True, text=True, timeout=HANGS_AFTER_SECONDS, check=False
    )
    assert done.returncode == 2, done.stdout
    verdict = json.loads((directory / ".deploy" / "staging" / "verdict.json").read_text())
    assert verdict["verdict"] == "refused"
    [message] = verdict["messages"]
    assert " ".join(message.split()) in " ".join(done.stdout.partition("VERDICT refused")[2].split())
    return str(message)


def test_a_variable_that_nobody_sets_is_named_where_the_configuration_is_read(tmp_path: Path) -> None:
    fleet.write(tmp_path, hosts=1, at_once=1, release_kb=1)
    hosts = tmp_path / "hosts.yml"
    hosts.write_text(hosts.read_text().replace("name: shop", "name: '{{ vault_nosuch }}'"))
    assert deploy(tmp_path) == (
        "Nothing was contacted or changed. The configuration cannot be read: 'vault_nosuch' is undefined. Set it in the "
        "inventory or in its vault, or correct the name where it is used."
    )


def test_a_controller_without_jmespath_is_told_what_installs_it(tmp_path: Path) -> None:
    fleet.write(tmp_path, hosts=1, at_once=1, release_kb=1)
    (tmp_path / "lacking").mkdir()
    (tmp_path / "lacking" / "jmespath.py").write_text("raise ImportError\n")
    message = deploy(tmp_path, PYTHONPATH=str(tmp_path / "lacking"))
    assert f"jmespath is not installed on the controller; install it with: {sys.executable} -m pip install jmespath" in message


@pytest.mark.parametrize("hidden", ["true", "false"])
@pytest.mark.deep
def test_a_task_of_ours_that_fails_is_named_when_its_output_is_hidden(tmp_path: Path, hidden: str) -> None:
    role = tmp_path / "roles" / "preflight" / "tasks"
    role.mkdir(parents=True)
    (role / "main.yml").write_text(
        f"- name: Open a door\n  ansible.builtin.fail: {{msg: the key is broken}}\n  no_log: {hidden}\n"
    )
    (tmp_path / "play.yml").write_text("- hosts: app\n  gather_facts: false\n  roles: [preflight]\n")
    done = play(tmp_path, "play.yml", hosts={"app-1": LOCAL})
    why = done.stdout.partition("VERDICT refused")[2].splitlines()[1].strip()
    words = 'the task "preflight : Open a door" failed, and what it said is hidden (no_log)'
    assert why == (words if hidden == "true" else "the key is broken")
