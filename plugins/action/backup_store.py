# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of the module backup_store: a bucket is asked from here."""

from __future__ import annotations

import time
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.plugin_utils.backup import s3


class ActionModule(ActionBase):  # type: ignore[misc] # ansible-core has no types
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if not arguments.get("s3"):
            found: dict[str, Any] = self._execute_module(
                "morpheus.deploy.backup_store", module_args=arguments, task_vars=task_vars
            )
            return found
        try:
            return s3.act(arguments, time.time(), check_mode=bool(self._task.check_mode))
        except DeployError as exc:
            raise AnsibleActionFail(str(exc)) from None
