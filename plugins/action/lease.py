# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of the module lease: says who wants it, leaves a keeper behind where it was taken, and counts."""

from __future__ import annotations

import getpass
import multiprocessing
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.lease import Lease
from ansible_collections.morpheus.deploy.plugins.plugin_utils.lease import vote
from ansible_collections.morpheus.deploy.plugins.plugin_utils.lease.handover import Handover, Process
from ansible_collections.morpheus.deploy.plugins.plugin_utils.lease.keeper import FAILED, ForkedCommand, Keeper, Kept, detach
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import watch

CI_USERS = ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILD_USER")


def who(environment: Mapping[str, str]) -> str:
    """<user>@<controller>; in CI the user is the one who started the job."""
    user = next((environment[name] for name in (*CI_USERS, "SUDO_USER") if environment.get(name)), "")
    if not user:
        try:
            user = getpass.getuser()
        except (KeyError, OSError):
            # A container may run as a user that no passwd knows.
            user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def _main_process() -> int:
    """The process that lives as long as the run: the one that started this worker."""
    parent = multiprocessing.parent_process()
    return parent.pid if parent and parent.pid else os.getpid()


def counted(arguments: Mapping[str, Any], *, check_mode: bool) -> dict[str, Any]:
    """Whether the answers of hosts make the lease this run's. In check mode nobody was asked for it, and it is not."""
    listed = [{**answer} for answer in arguments.get("answers") or []]
    # Of a host that could not be reached only the loop's variable knows the name.
    named = [(str(one.get("host") or one.get(str(one.get("ansible_loop_var"))) or ""), one) for one in listed]
    answers = vote.newest(named)
    found = vote.count(str(arguments["environment"]), arguments.get("keepers") or [], arguments.get("hosts") or [], answers)
    taken = [one for one in answers.values() if one.get("granted")]
    about = next((one for one in [*taken, *answers.values()] if one.get("run")), {})
    result: dict[str, Any] = {key: about.get(key, "") for key in ("environment", "owner", "reason", "run")}
    result |= {
        "changed": False,
        "token": found.token,
        "granted_by": [*found.granted],
        "unreached": [*found.unreached],
        "again": 0,
    }
    result["taken_over"] = next((one["taken_over"] for one in taken if one.get("taken_over")), None)
    result["database"] = next((one["database"] for one in answers.values() if one.get("database")), {})
    result["kept_off"] = sorted({name for one in taken for name in one.get("kept_off") or []})
    failed = [name for name, one in answers.items() if one.get("failed")]
    if check_mode and not failed and len(found.unreached) < len(arguments.get("keepers") or []):
        return result | {"token": 0, "msg": "Check mode: the lease was not taken."}
    if found.problem and not (arguments.get("may_repeat") and found.again):
        return result | {"failed": True, "msg": found.problem, "out_of_reach": found.out_of_reach}
    return result | {"again": found.again, "msg": f"Granted by {', '.join(found.granted)}."}


class ActionModule(ActionBase):  # type: ignore[misc] # ansible-core has no types
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        # Before the module, which may wait for long: a process that has lost its parent is given another one.
        main = Process.of(_main_process())
        arguments = dict(self._task.args)
        if arguments.get("state") == "counted":
            return counted(arguments, check_mode=bool(self._task.check_mode))
        unwatched = watch.problem() if arguments.get("state", "held") == "held" else ""
        if unwatched:
            # Nobody would hand the keeper a verdict, so a good run would stand in the history as one that was killed.
            raise AnsibleActionFail(f"The lease was not asked for: {unwatched}")
        arguments["owner"] = arguments.get("owner") or who(os.environ)
        arguments["run"] = arguments.get("run") or secrets.token_hex(6)
        result: dict[str, Any] = self._execute_module("morpheus.deploy.lease", module_args=arguments, task_vars=task_vars)
        # Only this plugin may say where the keeper is: the callback writes to that path.
        result.pop("keeper", None)
        result["host"] = str(self._task.delegate_to or (task_vars or {}).get("inventory_hostname", ""))
        if result.get("taken") and not result.get("failed") and arguments.get("state", "held") == "held":
            result["keeper"] = self._leave_keeper(main, result).as_result()
        return result

    def _leave_keeper(self, main: Process, result: Mapping[str, Any]) -> Handover:
        handover = Handover.create()
        keeper = Keeper(
            Lease(result["environment"]),
            Kept(result["token"], result["owner"], result["reason"], result["run"], result["holder"]["ttl_seconds"]),
            main,
            handover,
            lambda command: ForkedCommand(lambda: self._execute(command)),
            SystemClock(),
        )

        def keep() -> None:
            # The queue to the screen ends with the run.
            Display().set_queue(_Silence())
            keeper.keep()

        try:
            return replace(handover, keeper=detach(keep))
        except OSError as exc:
            handover.remove()
            raise AnsibleActionFail(f"the lease was taken, but nothing keeps it, so it will end by itself: {exc}") from exc

    def _execute(self, command: str) -> int:
        code = self._low_level_execute_command(command).get("rc", FAILED)
        return int(code)


class _Silence:
    def send_display(self, *arguments: Any, **options: Any) -> None:
        """Show nothing."""
