# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a new environment into the current directory, and says what to do next. Contacts no host."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleError
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.modules.new_environment import OPTIONS
from ansible_collections.morpheus.deploy.plugins.plugin_utils.new_environment import next_steps, password_client
from ansible_collections.morpheus.deploy.plugins.plugin_utils.new_environment import project as new_environment
from ansible_collections.morpheus.deploy.plugins.plugin_utils.new_environment.asked import Asked
from ansible_collections.morpheus.deploy.plugins.plugin_utils.new_environment.project import NewEnvironment

NOTHING = "Nothing was written or changed."


class ActionModule(ActionBase):  # type: ignore[misc] # ansible-core has no types
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _, given = self.validate_argument_spec(OPTIONS)
        asked = Asked(**{**given, "hosts": [host.strip() for host in given["hosts"]]})
        root = Path.cwd()
        try:
            environment = NewEnvironment(root, asked, lambda path: self._opened(root, path), encrypted, os.environ)
        except DeployError as exc:
            return {"failed": True, "msg": f"{exc}\n{NOTHING}"}
        try:
            if not self._task.check_mode:
                environment.write()
        except DeployError as exc:
            return {"failed": True, "msg": f"{exc}\nSome files are written. The same command writes the others."}
        for line in next_steps.said(environment, check_mode=self._task.check_mode):
            Display().display(line)
        written = [file.path for file in environment.files]
        return {"changed": bool(written), "written": written, "left": environment.left, "open": environment.open_ends()}

    def _opened(self, root: Path, path: Path) -> Mapping[str, Any] | None:
        """With the passwords that ansible.cfg names, and with that of the vault's own environment."""
        name = path.parents[1].name
        own = password_client.known(name, os.environ, password_client.from_keyring, root / new_environment.PASSWORDS)
        secrets = [*(self._loader._vault.secrets or []), *([(name, VaultSecret(own.encode()))] if own else [])]
        try:
            return new_environment.variables(VaultLib(secrets).decrypt(path.read_bytes()).decode())
        except (AnsibleError, OSError, UnicodeDecodeError, yaml.YAMLError):
            return None


def encrypted(text: str, vault_id: str, password: str) -> str:
    found: bytes = VaultLib().encrypt(text, VaultSecret(password.encode()), vault_id)
    return found.decode()
