# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
from __future__ import annotations

DOCUMENTATION = r"""
name: verdict
type: notification
short_description: End every deploy in one word, on the screen and in a file
version_added: 0.1.0
description:
  - Watches the modules of this collection at work and says at the end how the run ended, in one word that is true of the
    hosts (C(deployed), C(unchanged), C(refused), C(failed), C(rolled_back), C(mixed)), with what each host runs now.
  - Hands the verdict to the keeper of the lease, which writes
    it into the environment's history and gives the lease back.
  - Writes the same as C(.deploy/<environment>/verdict.json) in the current directory.
  - Prints and writes what the filters P(morpheus.deploy.status_report#filter) and P(morpheus.deploy.audit_report#filter) have put
    together, too.
requirements:
  - Enabled in C(ansible.cfg) by C(callbacks_enabled = morpheus.deploy.verdict)
author:
  - The morpheus.deploy maintainers
"""

import gc
import json
import time
from pathlib import Path
from typing import Any

from ansible import context
from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import filter_loader, test_loader
from ansible_collections.morpheus.deploy.plugins.module_utils.handover import Handover
from ansible_collections.morpheus.deploy.plugins.module_utils.verdict import Run, history_line, summary

PREFIX = "morpheus.deploy."
# A failure in one of these ends a run in a verdict, whoever's playbook calls them.
ROLES = ("preflight", "identity", "docker_engine", "lease", "fleet", "stack", "rollout")
# What playbooks hand over as <name>_report and <name>_report_format, to be printed at the end and written to <name>.json.
REPORTS = ("status", "config", "audit")


# One of each kind that has a loader of its own: with the first one Ansible loads all that lie beside it.
JINJA_PLUGINS = (
    (filter_loader, "ansible.builtin.b64encode"),
    (filter_loader, f"{PREFIX}env_file"),
    (test_loader, "ansible.builtin.version"),
)


def _load_jinja_plugins() -> None:
    """Load what templates need. Every worker is a fork of this process and would else do it again, for each task."""
    for loader, name in JINJA_PLUGINS:
        loader.get(name)


def _keep_from_collector() -> None:
    """Let the garbage collector of no worker look at what is here already: it all stays, and looking copies its memory."""
    gc.freeze()


class CallbackModule(CallbackBase):  # type: ignore[misc]
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "morpheus.deploy.verdict"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._run = Run(started=time.time())
        self._clock = time.monotonic()
        self._check_mode = False
        self._handover: Handover | None = None
        self._reports: dict[str, dict[str, Any]] = {}

    def v2_playbook_on_start(self, playbook: Any) -> None:
        _load_jinja_plugins()
        inventories = context.CLIARGS.get("inventory") or ()
        self._run.inventory = " -i ".join(str(one) for one in inventories)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        _keep_from_collector()
        self._check_mode = bool(getattr(play, "check_mode", False)) or self._check_mode
        if self._run.environment:
            return
        manager = play.get_variable_manager()
        if manager is not None:
            # Only names the environment of a refused run; group_vars of all are the same for every host.
            for host in manager._inventory.get_hosts()[:1]:
                variables = manager.get_vars(play=play, host=host)
                self._run.environment = str(variables.get("stack_environment") or "")
                self._check_mode = bool(variables.get("ansible_check_mode"))

    def v2_runner_on_ok(self, result: Any) -> None:
        self._see(result, failed=False)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            self._see(result, failed=True)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        # A host that --limit leaves out is asked in passing. It is none of the run's, and its answer comes as a fact.
        role = self._role(result)
        module = self._action(result).removeprefix(PREFIX)
        # A balancer that is asked after a batch is named by the task that follows: this host is not lost.
        if role != "fleet" and (role, module) != ("rollout", "health_gate"):
            # The lease is taken on a host of its own, which the result of a task without a connection does not name.
            host = result._task_fields.get("delegate_to") if module == "lease" else None
            self._run.lost(str(host or result._host.get_name()), module, ours=role in ROLES)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        for name, facts in self._reports.items():
            # Loaded when it is needed: a deploy has no report, and begins that much earlier.
            from ansible_collections.morpheus.deploy.plugins.plugin_utils import reports

            as_json = facts.get(f"{name}_report_format") == "json"
            for line in reports.write(name, facts[f"{name}_report"], as_json=as_json):
                self._display.display(line)
        if not self._run.is_deploy:
            return
        seconds = round(time.monotonic() - self._clock, 1)
        verdict = self._run.verdict(seconds, check_mode=self._check_mode)
        if self._handover and not self._handover.finish(history_line(verdict)):
            self._display.warning("the lease could not be given back; it ends by itself within a minute")
        if not self._check_mode:
            path = Path(".deploy") / (self._run.environment or "unknown") / "verdict.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(verdict, indent=2, sort_keys=True) + "\n")
            verdict["path"] = str(path)
        for line in summary(verdict):
            self._display.display(line)

    @staticmethod
    def _action(result: Any) -> str:
        return str(result._task.resolved_action or result._task.action)

    def _see(self, result: Any, *, failed: bool) -> None:
        name = self._action(result)
        facts = result._result.get("ansible_facts") or {}
        self._run.left_out = facts.get("fleet_left_out") or self._run.left_out
        self._reports |= {name: facts for name in REPORTS if f"{name}_report" in facts}
        if not name.startswith(PREFIX):
            if failed:
                ours = self._role(result) in ROLES
                self._run.refused(result._host.get_name(), self._words(result), ours=ours)
            return
        module = name.removeprefix(PREFIX)
        if module == "lease" and not failed:
            self._handover = self._handover or Handover.from_result(result._result)
        # A loop's own message says only that an item failed.
        items = result._result.get("results") or [result._result]
        for item in items:
            if not item.get("skipped"):
                bad = bool(item.get("failed")) if len(items) > 1 or item is not result._result else failed
                self._run.saw(module, self._host(module, result, item), item, failed=bad)

    @staticmethod
    def _words(result: Any) -> str:
        """Why a task failed. Of one whose output is hidden (no_log), at least which one it was."""
        hidden = f"the task '{result._task.get_name()}' failed, and its output is hidden; the error above says why"
        return str(result._result.get("msg") or hidden)

    @staticmethod
    def _role(result: Any) -> str:
        role = result._task._role
        return str(role.get_name()).removeprefix(PREFIX) if role else ""

    @staticmethod
    def _host(module: str, result: Any, item: dict[str, Any]) -> str:
        """The host that the item speaks of: the one that has the lease is not the one of the task."""
        if module == "lease":
            return str((item.get("_ansible_delegated_vars") or {}).get("ansible_delegated_host") or result._host.get_name())
        return str(result._host.get_name())
