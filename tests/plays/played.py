"""Playbooks of the collection against hosts of which none is real."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.plays import warm

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
# By pipelining, as the project's own ansible.cfg says: a module is one process instead of five.
PIPELINING = {"ansible_pipelining": True}
LOCAL = {**PIPELINING, "ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ansible_become": False}
# No port is listened on there, so SSH is refused at once.
OUT_OF_REACH = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9}

Done = subprocess.CompletedProcess[str]


def play(directory: Path, playbook: str | Path, *options: str, hosts: Mapping[str, Mapping[str, Any]], path: str = "") -> Done:
    """``hosts``: those of the group app; ``path``: a directory whose programs come first."""
    variables = {"stack_environment": "staging", "stack": {"name": "shop"}}
    # The project's own names files of its vaults, which are found from its root only.
    (directory / "ansible.cfg").write_text(
        f"[defaults]\ncollections_path = {ROOT / 'collections'}\ncallbacks_enabled = morpheus.deploy.verdict\n"
        "inject_facts_as_vars = false\ninternal_poll_interval = 0.005\n"
    )
    (directory / "hosts.yml").write_text(
        yaml.safe_dump({"app": {"hosts": {name: dict(host) for name, host in hosts.items()}, "vars": variables}})
    )
    own = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}".lstrip(":"), "ANSIBLE_NOCOLOR": "1"}
    return warm.run([str(playbook), "-i", "hosts.yml", *options], cwd=directory, env=own)
