# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls a program on the controller before something is changed. What it says is masked: it may know the run's secrets."""

from __future__ import annotations

import json
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.morpheus.deploy.plugins.plugin_utils.notify import programs
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.opened import known

SECONDS = 60.0


class ActionModule(ActionBase):  # type: ignore[misc] # ansible-core has no types
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        if self._task.check_mode:
            return {"changed": False, "msg": "Check mode: the program was not called."}
        given = self._task.args
        name, seconds = str(given["name"]), float(given.get("timeout_seconds") or SECONDS)
        command = given.get("command")
        if not isinstance(command, list) or not command or not all(isinstance(word, str) and word for word in command[:1]):
            raise AnsibleActionFail(f"the hook {name}: command must be a list, the program first. Nothing was called.")
        line = json.dumps({"hook": name, **(given.get("facts") or {})}, default=str)
        hook = {"command": command, "timeout_seconds": seconds}
        secrets = known(task_vars or {})
        problem = programs.called(name, hook, line, secrets, programs.ends_with_this_process)
        return {"changed": False, "failed": bool(problem), "msg": secrets.masked(problem)}
