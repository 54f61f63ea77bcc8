# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of the module stack_rollout: hands on what the host tells of it while it is at work.

Only where the callback ``live`` shows it, and the rollout neither knows nor needs it.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from ansible.plugins.action.normal import ActionModule as NormalAction
from ansible.utils.display import Display
from ansible_collections.morpheus.deploy.plugins.plugin_utils.live import channel, follow


class ActionModule(NormalAction):  # type: ignore[misc] # ansible-core has no types
    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        variables = task_vars or {}
        host = str(variables.get("inventory_hostname", ""))
        watched = channel.is_watched() and not self._task.check_mode
        following = follow.following(
            str(self._task.args.get("stack", "")),
            str(self._templar.template(follow.python_of(variables))) if watched else "",
            len(variables.get("ansible_play_batch") or ()),
            self._read,
            lambda event: channel.send(host, event),
        )
        with following if watched else nullcontext():
            result: dict[str, Any] = super().run(tmp, task_vars)
        return result

    def _read(self, command: str) -> tuple[int, str]:
        # In a process of its own, whose words nobody may wait for: a process that is killed would keep the queue to the screen.
        Display().set_queue(_Silence())
        done = self._low_level_execute_command(command)
        return int(done.get("rc", 1)), str(done.get("stdout", ""))


class _Silence:
    def send_display(self, *arguments: Any, **options: Any) -> None:
        """Show nothing."""
