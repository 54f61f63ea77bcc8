"""What makes a run one of a single stack: templates and no values, the same command, and a word at its end however it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.stacks import part
from ansible_collections.morpheus.deploy.plugins.plugin_utils.stacks.described import Described
from ansible_collections.morpheus.deploy.plugins.plugin_utils.stacks.several import Several

STACK = {"source": "/shop", "release": "1", "secrets": {"web": {"KEY": "canary"}}, "services": [], "hosts": "ml", "after": []}


def test_a_stack_is_handed_on_by_templates_so_no_value_stands_in_the_command() -> None:
    assert part.variables("web", STACK, {}) == {
        "stack": {"name": "web", "services": '{{ stacks["web"]["services"] }}'},
        "stack_source": '{{ stacks["web"]["source"] }}',
        "stack_release": '{{ stacks["web"]["release"] }}',
        "stack_secrets": '{{ stacks["web"]["secrets"] }}',
    }
    assert "canary" not in json.dumps(part.variables("web", STACK, {}))


def test_what_is_typed_wins() -> None:
    assert "stack_release" not in part.variables("web", STACK, {"stack_release": "2"})


def test_the_command_is_this_one_with_one_playbook_and_more_variables() -> None:
    argv = ["/bin/ansible-playbook", "a.yml", "-i", "inventories/x", "b.yml", "--check", "-e", "stack_release=2"]
    found = part.command(argv, ["a.yml", "b.yml"], "b.yml", {"stack": {"name": "web"}})
    assert found == [
        sys.executable,
        "/bin/ansible-playbook",
        "b.yml",
        *("-i", "inventories/x", "--check", "-e", "stack_release=2"),
        *("-e", '{"stack": {"name": "web"}}'),
    ]


def several(name: str, after: dict[str, list[str]], **verdicts: bool) -> Several:
    order = ["base", "gateway", "web"]
    hosts = {"base": ["app-1", "app-2"], "gateway": ["app-1", "app-2"], "web": ["app-1"]}
    found = Described(order, list(order), after)
    told: dict[str, dict[str, Any]] = {stack: {"failed": failed} for stack, failed in verdicts.items()}
    return Several(name, "deploy.yml", ["deploy.yml"], found, dict.fromkeys(order, STACK), {}, hosts, ["app-1", "app-2"], told)


AFTER = {"web": ["gateway"], "gateway": ["base"]}


def test_a_stack_waits_for_those_that_it_comes_after_and_for_no_other() -> None:
    assert several("deploy", AFTER, base=True, gateway=True).hindered("web") == "gateway"
    assert several("deploy", AFTER, base=True).hindered("web") == ""
    assert several("deploy", {}, base=True).hindered("web") == ""
    assert several("audit", AFTER, base=True, gateway=True).hindered("web") == ""


def test_a_rollback_goes_the_other_way_round() -> None:
    back = several("rollback", AFTER, web=True)
    assert (back.turns(), back.hindered("gateway"), back.hindered("base")) == (["web", "gateway", "base"], "web", "")


def test_a_host_that_was_away_serves_again_with_the_last_stack_that_it_missed() -> None:
    one = several("deploy", AFTER)
    lease = {"token": 7, "run": "a", "kept_off": ["app-1", "app-2"], "keeper": {}}
    told = {name: one.variables(name, lease)["lease_adopted"]["kept_off"] for name in one.turns()}
    assert told == {"base": [], "gateway": ["app-2"], "web": ["app-1", "app-2"]}
    one.verdicts["base"] = {"failed": True}
    assert one.variables("web", lease)["lease_adopted"] == {"token": 7, "run": "a", "kept_off": []}


def test_only_what_changes_hosts_is_given_a_lease() -> None:
    assert "lease_adopted" not in several("audit", {}).variables("web", {})
    assert several("audit", {}).variables("web", {})["stacks_part"] == {
        "name": "web",
        "hosts": None,
        "of_environment": ["app-1", "app-2"],
    }


TELLS = """
import pathlib, signal, sys, time
def end(number, frame):
    pathlib.Path(sys.argv[1]).write_text(str(number)); sys.exit(7)
for one in (signal.SIGINT, signal.SIGTERM):
    signal.signal(one, end)
pathlib.Path(sys.argv[1] + ".ready").touch()
while True: time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_interrupts_the_run_is_handed_on_and_the_end_of_the_part_is_awaited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr(part, "_SECONDS", 0.01)
    said = tmp_path / "said"
    waits = subprocess.Popen.wait

    def interrupted(self: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        if not said.with_suffix(".ready").exists():
            ready = threading.Event()
            while not said.with_suffix(".ready").exists():
                ready.wait(0.01)
            raise KeyboardInterrupt
        return waits(self, timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        part.play([sys.executable, "-c", TELLS, str(said)], lambda: number)
    assert said.read_text() == str(int(number))
