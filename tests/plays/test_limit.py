"""What playbooks do when hosts are missing, shown by Ansible itself: --limit leaves hosts out, and a host is lost on the way."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.plays import played
from tests.plays.played import LOCAL, OUT_OF_REACH, ROOT, Done

PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))

Play = Callable[..., Done]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Runs a playbook against three hosts; ``lost`` cannot be reached."""

    def run(playbook: str | Path, *options: str, lost: tuple[str, ...] = ()) -> Done:
        hosts = {name: OUT_OF_REACH if name in lost else LOCAL for name in ("app-1", "app-2", "app-3")}
        return played.play(tmp_path, playbook, *options, hosts=hosts)

    return run


GUARD = """
- hosts: app
  gather_facts: false
  tasks:
    - ansible.builtin.ping:
- hosts: app
  gather_facts: false
  serial: 1
  any_errors_fatal: true
  tasks:
    - ansible.builtin.import_role:
        name: morpheus.deploy.fleet
        tasks_from: every_host
      vars:
        fleet_otherwise: Nothing was revoked.
        fleet_forbids_limit: {forbids_limit}
    - ansible.builtin.debug:
        msg: on {{{{ inventory_hostname }}}} it went on
"""
WHOLE = "Run it again for every host, without --limit; mend what was lost, or take out of the inventory what is gone for good."
MEND = "Mend it, or go on without it: the same command with --limit '{}'."
MEND_CHOSEN = MEND.format("app-2,app-3,!app-3")
LOST = "was lost (it could not be reached, or a task failed on it)"
GUARDS = [
    pytest.param(True, "", (), "", id="every host", marks=pytest.mark.deep),
    pytest.param(False, "app-2", (), "", id="a canary", marks=pytest.mark.deep),
    pytest.param(True, "app-2", (), f"app-1 is left out by --limit; app-3 is left out by --limit. {WHOLE}", id="limit"),
    # A host that an earlier play has lost is still counted by later ones, also when they go on host by host.
    pytest.param(False, "", ("app-3",), f"app-3 {LOST}. {MEND.format('!app-3')}", id="one was lost", marks=pytest.mark.deep),
    pytest.param(False, "app-2,app-3", ("app-3",), f"app-3 {LOST}. {MEND_CHOSEN}", id="one of the chosen was lost"),
    pytest.param(False, "app-2", ("app-3",), "", id="only one that is left out is out of reach", marks=pytest.mark.deep),
]


@pytest.mark.parametrize(("forbids_limit", "limit", "lost", "words"), GUARDS)
def test_a_play_goes_on_only_with_every_host_that_it_needs(
    play: Play, tmp_path: Path, forbids_limit: bool, limit: str, lost: tuple[str, ...], words: str
) -> None:
    (tmp_path / "guard.yml").write_text(GUARD.format(forbids_limit=str(forbids_limit).lower()))
    run = play("guard.yml", *(["--limit", limit] if limit else []), lost=lost)
    went_on = re.findall(r"on (app-\d) it went on", run.stdout)
    if words:
        assert went_on == []
        assert words.replace(". ", ". Nothing was revoked. ", 1) in run.stdout
        assert run.returncode != 0
    else:
        assert went_on == (limit.split(",") if limit else ["app-1", "app-2", "app-3"])


@pytest.mark.deep
def test_a_run_whose_hosts_are_all_out_of_reach_says_so(play: Play, tmp_path: Path) -> None:
    run = play(ROOT / "playbooks" / "restart.yml", lost=("app-1", "app-2", "app-3"))
    assert run.returncode == 4, run.stdout
    verdict = json.loads((tmp_path / ".deploy" / "staging" / "verdict.json").read_text())
    said = "None of the hosts that keep the lease of staging could be reached: app-1, app-2, app-3. Nothing was changed."
    [message] = verdict["messages"]
    assert (verdict["verdict"], message.startswith(f"{said} app-1, app-2, app-3: ")) == ("refused", True), message
    assert "Connection refused. Mend the way there" in message


@pytest.mark.deep
def test_a_rotation_with_limit_is_refused_before_anything_else(play: Play, tmp_path: Path) -> None:
    run = play(ROOT / "playbooks" / "rotate_secrets.yml", "-e", "secret=ml", "--limit", "app-2")
    assert run.returncode == 2
    assert re.findall(r"^TASK \[(.*)\]", run.stdout, re.MULTILINE) == [
        "Refuse a run that cannot do anything",
        "morpheus.deploy.fleet : Refuse to go on without every host",
    ]
    assert "app-1 is left out by --limit; app-3 is left out by --limit. A value is taken away from every host" in run.stdout
    verdict = json.loads((tmp_path / ".deploy" / "staging" / "verdict.json").read_text())
    assert verdict["verdict"] == "refused"


ASK = """
- hosts: app
  gather_facts: false
  any_errors_fatal: true
  roles:
    - role: morpheus.deploy.fleet
  tasks:
    - ansible.builtin.debug:
        msg: "{{ inventory_hostname }} knows {{ fleet_left_out | default('of nobody') }}"
"""


def test_a_host_left_out_that_cannot_be_asked_stops_nothing_and_is_named(play: Play, tmp_path: Path) -> None:
    (tmp_path / "ask.yml").write_text(ASK)
    run = play("ask.yml", "--limit", "app-2,app-3", lost=("app-1",))
    assert run.returncode == 0, run.stdout
    assert len(re.findall(r"app-[23] knows {'app-1': .*'problem': 'it could not be reached'", run.stdout)) == 2
    # The two that are in the play can be reached.
    assert "was lost" not in run.stdout
    assert "could not be reached\n" not in run.stdout.partition("VERDICT")[2]


READ = """
- hosts: app
  gather_facts: false
  tasks:
    - ansible.builtin.shell: >-
        echo '{"live": "1.0.0-aa", "live_release": "1.0.0", "rolling": {}, "schema": {"head": "0001", "compatible_since": ""}}'
      register: said
    - ansible.builtin.set_fact:
        info: "{{ said.stdout | from_json }}"
    - ansible.builtin.debug:
        msg: "{{ {'app-9': info} | morpheus.deploy.left_out }}"
"""


@pytest.mark.deep
def test_what_a_host_answered_is_read_as_ansible_keeps_it(play: Play, tmp_path: Path) -> None:
    (tmp_path / "read.yml").write_text(READ)
    run = play("read.yml", "--limit", "app-1")
    assert run.returncode == 0, run.stdout
    assert '"release": "1.0.0"' in run.stdout
    assert '"head": "0001"' in run.stdout


@pytest.mark.deep
def test_without_limit_nobody_is_asked(play: Play, tmp_path: Path) -> None:
    (tmp_path / "ask.yml").write_text(ASK)
    run = play("ask.yml", lost=("app-1",))
    assert run.returncode == 0, run.stdout
    assert run.stdout.count("knows of nobody") == 3


def mentions(node: Any) -> list[str]:
    """Every text in a playbook."""
    if isinstance(node, dict):
        return [text for value in node.values() for text in mentions(value)]
    if isinstance(node, list):
        return [text for value in node for text in mentions(value)]
    return [node] if isinstance(node, str) else []


@pytest.mark.parametrize("path", PLAYBOOKS, ids=[path.stem for path in PLAYBOOKS])
def test_no_playbook_counts_hosts_by_itself(path: Path) -> None:
    """--limit shrinks ansible_play_hosts and ansible_play_hosts_all alike: one place knows, the role fleet."""
    counting = re.compile(r"ansible_play_hosts\w* \| length")
    assert [text for text in mentions(yaml.safe_load(path.read_text())) if counting.search(text)] == []
