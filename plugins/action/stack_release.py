# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of the module stack_release: what a release ships stays out of what is told of the task.

Ansible sends a task's arguments and its result from the worker to the main process, which keeps those of all hosts until the last
one has ended: with the files of the release in both, two copies of it for each host.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.plugins.action.normal import ActionModule as NormalAction

_CONTENTS = ("files", "live_files", "secrets", "secret_files", "registries")


class ActionModule(NormalAction):  # type: ignore[misc] # ansible-core has no types
    # What the task was given. A task that is tried again comes here again.
    _given: Mapping[str, Any] | None = None

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        self._given = self._given or self._task.args
        self._task.args = self._given
        try:
            result: dict[str, Any] = super().run(tmp, task_vars)
        finally:
            self._task.args = names_only(self._given)
        invocation = result.get("invocation") or {}
        if invocation.get("module_args"):
            result["invocation"] = {**invocation, "module_args": names_only(invocation["module_args"])}
        return result


def names_only(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """``arguments`` with the names of files in the place of their contents."""
    return {
        name: sorted(value) if name in _CONTENTS and isinstance(value, Mapping) else value for name, value in arguments.items()
    }
