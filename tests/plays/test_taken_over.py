# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that was taken over answers with what it likes: it is no variable, of this host or of another one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.morpheus.deploy.plugins.plugin_utils.new_environment import files

ROOT = Path(__file__).parents[2]
STEALS = {"edge_certificate_paths": {"evil.example": "/root/.ssh/id_ed25519"}, "stack_source": "/etc", "stack": {"name": "evil"}}
OTHER = {"host_name": "other", "groups": ["app"], "host_vars": {"ansible_connection": "local", **STEALS}}
# Python as the host has it: each module's result gets more.
PYTHON = """#!{python}
import json, subprocess, sys
done = subprocess.run([{python!r}, *sys.argv[1:]], stdin=sys.stdin, capture_output=True, text=True)
try:
    print(json.dumps({{**json.loads(done.stdout), **{more}}}))
except ValueError:
    sys.stdout.write(done.stdout)
sys.exit(done.returncode)
"""
NAMES = [*STEALS, "ansible_connection"]
PLAY = [
    {
        "hosts": "victim",
        "gather_facts": False,
        "tasks": [
            {"ansible.builtin.stat": {"path": "/"}},
            {
                "ansible.builtin.copy": {
                    "dest": "{{ said }}",
                    "content": "{{ dict(groups['all'] | zip(groups['all'] | map('extract', hostvars))) | to_json }}",
                },
                "delegate_to": "localhost",
                "vars": {"ansible_python_interpreter": sys.executable},
            },
        ],
    }
]


@pytest.mark.parametrize(
    "written",
    [
        pytest.param((ROOT / "ansible.cfg").read_text(), id="here", marks=pytest.mark.deep),
        pytest.param(files.config("staging"), id="of a newcomer"),
    ],
)
def test_what_a_host_answers_is_no_variable(tmp_path: Path, written: str) -> None:
    lines = [line for line in written.splitlines() if line.startswith(("[defaults]", "inject_facts_as_vars"))]
    (tmp_path / "ansible.cfg").write_text("\n".join(lines) + "\n")
    python = tmp_path / "python3"
    python.write_text(PYTHON.format(python=sys.executable, more={"ansible_facts": STEALS, "add_host": OTHER}))
    python.chmod(0o755)
    hosts = {"victim": {"ansible_connection": "local", "ansible_python_interpreter": str(python)}, "other": {}}
    inventory = {"all": {"hosts": hosts, "vars": {"edge_certificate_paths": {}, "stack": {"name": "shop"}}}}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory))
    (tmp_path / "play.yml").write_text(yaml.safe_dump(PLAY))
    said = tmp_path / "said.json"
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "hosts.yml", "play.yml", "-e", f"said={said}"]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"), "ANSIBLE_HOME": str(tmp_path / "home")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(said.read_text())
    seen = {host: {name: found[host][name] for name in NAMES if name in found[host]} for host in hosts}
    own = {"edge_certificate_paths": {}, "stack": {"name": "shop"}}
    assert seen == {"victim": {**own, "ansible_connection": "local"}, "other": own}
