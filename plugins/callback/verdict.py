# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: verdict
type: notification
short_description: End every deploy in one word, on the screen and in a file
version_added: 0.1.0
description:
  - Watches the modules of this collection at work and says at the end how the run ended, in one word that is true of the
    hosts (C(deployed), C(unchanged), C(refused), C(failed), C(rolled_back), C(mixed)), with what each host runs now.
  - Hands the verdict to the keepers of the lease, which write
    it into the environment's history and give the lease back.
  - Writes the same as C(.deploy/<environment>/verdict.json) in the current directory.
  - Prints and writes what the filters P(morpheus.deploy.status_report#filter) and P(morpheus.deploy.audit_report#filter) have put
    together, too.
  - Tells whom the inventory's C(notifications) name, and calls the programs of its C(hooks).
requirements:
  - Enabled in C(ansible.cfg) by C(callbacks_enabled = morpheus.deploy.verdict)
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

import os
import time
from contextlib import suppress
from typing import Any

from ansible import context
from ansible.errors import AnsibleError
from ansible.plugins.callback import CallbackBase
from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import utc
from ansible_collections.morpheus.deploy.plugins.plugin_utils.lease.handover import Handover, finish
from ansible_collections.morpheus.deploy.plugins.plugin_utils.notify.announcer import Announcer
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import (
    answered,
    for_stacks,
    run_file,
    run_pages,
    screen,
    watch,
)
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.at_work import AtWork
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.ends import CHECKED, FAILED, Seen, file_name, goes_on
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.interruption import Interruption
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.opened import knowledge
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.verdict import Run
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.workers import keep_from_collector, prepare

PREFIX = "morpheus.deploy."
BEGIN = f"{PREFIX}begin"
# Tasks of these ask no host.
NAMES = ("assert", "debug", "fail", "include_vars", "meta", "set_fact", "validate_argument_spec")
HERE = tuple(f"ansible.builtin.{name}" for name in NAMES)
# A failure in one of these ends a run in a verdict, whoever's playbook calls them.
ROLES = ("preflight", "identity", "docker_engine", "lease", "fleet", "stack", "rollout")
# What playbooks hand over as <name>_report and <name>_report_format, to be printed at the end and written to <name>.json.
REPORTS = ("status", "config", "audit", "history", "costs", "logs", "plan")


class CallbackModule(CallbackBase):  # type: ignore[misc]
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "morpheus.deploy.verdict"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._interruption = Interruption(self._end_early)
        self._forget()
        watch.begin()

    def _forget(self) -> None:
        """One command may play several playbooks, each with an end of its own."""
        self._run = Run(started=time.time())
        self._seen = Seen(started=self._run.started)
        self._clock = time.monotonic()
        self._check_mode = False
        self._handovers: list[Handover] = []
        self._reports: dict[str, dict[str, Any]] = {}
        self._file = ""
        self._play: Any = None
        self._stacks = for_stacks.ForStacks()
        self._at_work = AtWork()
        self._announcer = Announcer()

    def v2_playbook_on_start(self, playbook: Any) -> None:
        prepare()
        self._forget()
        arguments = context.CLIARGS
        self._run.limit = str(arguments.get("subset") or "")
        self._run.inventory = " -i ".join(str(one) for one in arguments.get("inventory") or ())
        plays = playbook.get_plays()
        # Every playbook of the collection imports begin.yml and says its name there.
        names = [str(play.vars["begin_playbook"]) for play in plays if "begin_playbook" in (play.vars or {})]
        tags = [f"--tags {','.join(arguments.get('tags') or ())}", f"--skip-tags {','.join(arguments.get('skip_tags') or ())}"]
        self._seen.playbooks = tuple(dict.fromkeys(names))
        self._seen.inventory = self._run.inventory
        self._seen.check_mode = bool(arguments.get("check"))
        self._seen.tags = " ".join(one for one in tags if one.split()[1:] not in ([], ["all"]))
        self._seen.limit = str(arguments.get("subset") or "")
        if names:
            with suppress(AnsibleError):
                self._stacks.learn(playbook, names, arguments)
                self._run.inventory = self._stacks.inventory(self._run.inventory)
                self._learn_environment(playbook.get_plays()[0])
            self._begin()

    def v2_playbook_on_play_start(self, play: Any) -> None:
        keep_from_collector()
        self._play = play
        self._check_mode = bool(getattr(play, "check_mode", False)) or self._check_mode
        manager = play.get_variable_manager()
        if manager is not None:
            self._run.chosen = max(self._run.chosen, len(manager._inventory.get_hosts(play.hosts)))
        if not self._run.environment:
            # What cannot be read ends the run a moment later, in Ansible's own words.
            with suppress(AnsibleError):
                self._learn_environment(play)

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        if str(task.resolved_action or task.action) != BEGIN:
            self._seen.tasks += 1

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        self._at_work.begins(host, str(task.resolved_action or task.action).removeprefix(PREFIX), task, self._play)

    def v2_runner_on_ok(self, result: Any) -> None:
        self._keep_in_mind(result)
        self._see(result, failed=False)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._at_work.ended(result._host.get_name())

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._at_work.ended(result._host.get_name())
        self._keep_in_mind(result)
        if not ignore_errors:
            self._see(result, failed=True)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        is_unsure = self._at_work.ended(result._host.get_name())
        self._keep_in_mind(result)
        role = self._role(result)
        module = self._action(result).removeprefix(PREFIX)
        # A host that --limit leaves out is asked in passing, and so are those that keep the lease, or get a certificate.
        if role in ("fleet", "certificates") or (role == "lease" and result._task.ignore_unreachable):
            return
        # A balancer that is told of a host is named by the task that follows, where it matters; one that is asked, by the report.
        if (role, module) == ("edge", "edge_upstream") or module == "edge_upstream_info":
            return
        # The lease is taken on a host of its own, which the result of a task without a connection does not name.
        host = result._task_fields.get("delegate_to") if module == "lease" else None
        name = str(host or result._host.get_name())
        self._seen.unreachable.add(name)
        self._seen.lost = self._seen.lost or not result._task.ignore_unreachable
        self._seen.unsure |= {name} if is_unsure else set()
        at_work = "" if result._task.check_mode else module
        self._seen.lost_at[name] = at_work
        # A balancer that is asked after a batch is named by the task that follows: this host is not lost.
        if (role, module) != ("rollout", "health_gate"):
            self._run.lost(name, module, ours=role in ROLES, at_work=at_work)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        say, tags = self._display.display, list(context.CLIARGS.get("tags") or ())
        self._stacks.play_parts(self._seen, self._run, self._file, tags, self._interruption.sent_by, say)
        self._interruption.over()
        code = self._end()
        # Ansible's own is 0 when there was no host or nothing to do, and 2 for a host that was lost in a block with a rescue.
        # Only where it differs, because callbacks that come after this one do not see the end then.
        if code and not (code == FAILED and stats.failures and not stats.dark):
            raise SystemExit(code)

    def _learn_environment(self, play: Any) -> None:
        manager = play.get_variable_manager()
        if manager is not None:
            # Only names the environment of a refused run; group_vars of all are the same for every host.
            app = manager._inventory.groups.get("app")
            hosts = (app.get_hosts() if app else []) or manager._inventory.get_hosts(ignore_limits=True)
            chosen = set(manager._inventory.get_hosts(ignore_restrictions=True))
            self._seen.left_out = sorted(host.get_name() for host in (app.get_hosts() if app else []) if host not in chosen)
            for host in hosts[:1] or [None]:
                variables = manager.get_vars(play=play, host=host)
                self._run.environment = str(variables.get("stack_environment") or "")
                self._check_mode = bool(variables.get("ansible_check_mode")) or self._check_mode
        self._seen.environment = self._run.environment

    def _begin(self) -> None:
        """Replace the file of the run before, so that none is found with another one's verdict."""
        self._file = file_name(self._seen.playbooks, check_mode=self._seen.check_mode or self._check_mode)
        self._interruption.begin()
        try:
            place = self._stacks.place(self._seen.environment)
            run_file.write(place, self._file, self._seen.begun(os.getpid()), everywhere=False)
        except OSError as exc:
            self._display.warning(f"what this run has done cannot be written, and an earlier run's file may stay: {exc}")

    def _end_early(self, how: str) -> None:
        """The run ends before its end; what was told to hosts may go on there."""
        inventory, at_work = self._run.inventory, self._at_work
        lines = goes_on(at_work.modules, at_work.unsure, inventory, self._run.way_back(inventory))
        self._seen.interrupted = "\n".join([how, *lines])
        self._seen.unsure |= at_work.unsure
        self._run.interrupted(self._seen.interrupted, at_work.modules)
        # The terminal may be gone.
        with suppress(OSError):
            self._end()

    def _end(self) -> int:
        """Say and write how the run ended. The exit status that it must have; 0 leaves Ansible's own."""
        seconds = round(time.monotonic() - self._clock, 1)
        if self._run.is_deploy and not self._seen.looks:
            verdict = knowledge(self._play).result(self._run.verdict(seconds, check_mode=self._check_mode))
            verdict["playbook"] = self._seen.what
            # Only the hosts that were to be changed have a word of their own then.
            verdict["verdict"] = CHECKED if self._check_mode and not verdict["failed"] else verdict["verdict"]
            verdict = self._announcer.ended(self._stacks.with_parts(verdict), self._play, is_part=bool(self._stacks.part))
            self._print_reports()
            self._hand_over(verdict)
            path = self._write(verdict)
            screen.show(for_stacks.lines(verdict, path))
        elif self._seen.playbooks:
            self._seen.reported = bool(self._reports)
            verdict = self._stacks.with_parts(knowledge(self._play).result(self._seen.verdict(seconds)))
            verdict = self._announcer.ended(verdict, self._play, is_part=bool(self._stacks.part))
            # The report of one that only looks is its file.
            path = "" if self._reports else self._write(verdict)
            screen.show(for_stacks.lines(verdict, path) if "stacks" in verdict else self._seen.lines(verdict, path))
            self._print_reports()
        else:
            self._print_reports()
            return 0
        return self._seen.exit_status(failed=verdict["failed"])

    def _print_reports(self) -> None:
        for name, facts in self._reports.items():
            # Loaded when it is needed: a deploy has no report, and begins that much earlier.
            from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import reports

            as_json = facts.get(f"{name}_report_format") == "json"
            report = knowledge(self._play).result(facts[f"{name}_report"])
            for line in reports.write(name, report, as_json=as_json, place=self._stacks.place(report["environment"])):
                self._display.display(line)

    def _hand_over(self, verdict: dict[str, Any]) -> None:
        # Every keeper writes the same line, so that hosts agree on when it was.
        ended = {"at": utc(time.time()), **for_stacks.line(verdict)}
        if finish(self._handovers, ended) < len(self._handovers):
            self._display.warning("the lease could not be given back everywhere; there it ends by itself within a minute")

    def _write(self, verdict: dict[str, Any]) -> str:
        """Where it was written; empty when it could not be."""
        file = self._file or file_name(self._seen.playbooks, check_mode=self._check_mode)
        try:
            return str(run_pages.write(self._stacks.place(verdict["environment"]), file, verdict))
        except OSError as exc:
            self._display.warning(f"the verdict could not be written: {exc}")
            return ""

    @staticmethod
    def _action(result: Any) -> str:
        return str(result._task.resolved_action or result._task.action)

    def _see(self, result: Any, *, failed: bool) -> None:
        name = self._action(result)
        self._at_work.ended(result._host.get_name())
        self._note(name, result, failed=failed)
        facts = result._result.get("ansible_facts") or {}
        self._run.learned(facts)
        self._reports |= {name: facts for name in REPORTS if f"{name}_report" in facts}
        self._stacks.choose(facts)
        if not name.startswith(PREFIX):
            if failed:
                ours = self._role(result) in ROLES
                self._run.refused(result._host.get_name(), answered.words(result._result, result), ours=ours)
            return
        if name == BEGIN:
            return
        module = name.removeprefix(PREFIX)
        # A loop's own message says only that an item failed.
        items = result._result.get("results") or [result._result]
        for item in items:
            if not item.get("skipped"):
                bad = bool(item.get("failed")) if len(items) > 1 or item is not result._result else failed
                self._run.saw(module, answered.host(module, result, item), item, failed=bad)
                self._announcer.saw(module, item, self._play, self._seen)
                self._seen.unreachable |= set(item.get("unreached") or []) if item.get("out_of_reach") else set()
        if self._run.is_deploy and not self._file:
            # A playbook of somebody's own, which uses roles or modules of the collection.
            self._begin()

    def _note(self, name: str, result: Any, *, failed: bool) -> None:
        """For the end of a run that deploys nothing."""
        here = name in HERE or name == BEGIN
        if not here:
            self._seen.answered.add(result._host.get_name())
        self._seen.changed = self._seen.changed or bool(result._result.get("changed"))
        if failed:
            items = [item for item in result._result.get("results") or [] if item.get("failed")] or [result._result]
            for words in dict.fromkeys(answered.words(item, result) for item in items):
                self._seen.failures.setdefault(words, []).extend([] if here else [result._host.get_name()])

    def _keep_in_mind(self, result: Any) -> None:
        """The keepers that a task has left behind, also where it failed on other hosts of its loop."""
        if self._action(result) != f"{PREFIX}lease":
            return
        for item in result._result.get("results") or [result._result]:
            handover = Handover.from_result(item)
            if handover and handover not in self._handovers:
                self._handovers.append(handover)
                self._run.saw("lease", answered.host("lease", result, item), item, failed=False)

    @staticmethod
    def _role(result: Any) -> str:
        role = result._task._role
        return str(role.get_name()).removeprefix(PREFIX) if role else ""
