"""The role egress as Ansible runs it, up to where it would change a host."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.plays.played import LOCAL, play


@pytest.mark.deep
def test_each_host_is_told_how_all_of_them_are_reached(tmp_path: Path) -> None:
    """Once for all, whatever each of them says in the inventory; one that was not asked is there without an answer."""
    out = tmp_path / "found"
    content = {"content": "{{ egress_fleet | to_json }}", "dest": f"{out}.{{{{ inventory_hostname }}}}"}
    tasks = [
        {"ansible.builtin.import_role": {"name": "morpheus.deploy.egress", "tasks_from": "look"}},
        {"ansible.builtin.copy": content},
    ]
    playbook = tmp_path / "look.yml"
    playbook.write_text(yaml.safe_dump([{"hosts": "app", "gather_facts": False, "tasks": tasks}]))
    hosts: dict[str, dict[str, Any]] = {
        "app-1": {**LOCAL, "edge_metrics_address": "10.0.0.5:9000", "ansible_port": 2222},
        "app-2": LOCAL,
        "app-3": {"ansible_host": "203.0.113.7"},
    }
    done = play(tmp_path, playbook, "--limit", "app-1,app-2", hosts=hosts)
    assert done.returncode == 0, done.stdout
    found = json.loads(Path(f"{out}.app-2").read_text())
    assert found == json.loads(Path(f"{out}.app-1").read_text())
    assert found["hosts"] == ["app-1", "app-2", "app-3"]
    assert found["metrics"] == {"app-1": "10.0.0.5:9000", "app-2": "127.0.0.1:8405", "app-3": "127.0.0.1:8405"}
    assert found["ports"]["app-1"] == 2222
    assert found["ports"]["app-3"] == 22
    assert found["reached"]["app-3"] == "203.0.113.7"
    assert found["looked"]["app-3"] == {}
    assert {*found["looked"]["app-1"]} == {"addresses", "ssh_ports", "bridges"}
