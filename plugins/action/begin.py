# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuses a run that nobody watches, that has no host, or that leaves out what its later steps need. Contacts no host."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ansible import context
from ansible.plugins.action import ActionBase
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import run_file, watch
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.ends import Seen, file_name
from ansible_collections.morpheus.deploy.plugins.plugin_utils.stacks import plays

NOTHING = "Nothing was contacted or changed."


def no_host(group: str, groups: Mapping[str, Sequence[str]], sources: Sequence[str]) -> str:
    if groups.get(group):
        return ""
    named = " and ".join(str(source) for source in sources) or "that Ansible has by default"
    others = sorted(name for name, hosts in groups.items() if hosts and name not in ("all", "ungrouped"))
    nobody = "it has no hosts, so its path or its content may be wrong (see Ansible's warnings above)"
    has = f"it has hosts in {', '.join(others)}" if others else nobody
    return f"the inventory {named} has no host in group {group}; {has}"


# Those of playbooks and roles, and Ansible's own.
TAGS = (
    "backup",
    "baseline",
    "database",
    "edge",
    "egress",
    "engine",
    "identity",
    "logs",
    "preflight",
    "all",
    "always",
    "tagged",
    "untagged",
)


def left_out(chosen: Sequence[str], skipped: Sequence[str], known: Sequence[str], always: str) -> str:
    """What is wrong with --tags and --skip-tags; ``always``: the tag of what every other step needs, if there is one."""
    understood = f"its tags are {', '.join(known)}" if known else "this playbook has no tags"
    if skipped:
        # A tag that no task has leaves nothing out: Molecule, for one, always skips some of its own.
        needed = [tag for tag in skipped if tag in TAGS and (tag not in known or always)]
        return f"--skip-tags {','.join(needed)} leaves out what other steps need; {understood}" if needed else ""
    if "all" in chosen:
        return ""
    unknown = [tag for tag in chosen if tag not in known]
    if unknown:
        return f"--tags {','.join(unknown)} chooses nothing; {understood}"
    return f"--tags {','.join(chosen)} leaves out what it needs: add {always}" if always and always not in chosen else ""


class ActionModule(ActionBase):  # type: ignore[misc] # ansible-core has no types
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = self._task.args
        known, always = list(arguments.get("tags") or []), str(arguments.get("always_tag") or "")
        sources = task_vars.get("ansible_inventory_sources") or []
        unwatched = watch.problem()
        problems = [
            unwatched.rstrip("."),
            watch.facts_problem(),
            no_host("app", task_vars["groups"], sources),
            left_out(task_vars["ansible_run_tags"], task_vars["ansible_skip_tags"], known, always),
            *plays.refused(),
        ]
        found = [problem for problem in problems if problem]
        message = f"{'. '.join(found)}. {NOTHING}" if found else ""
        if unwatched:
            self._leave_file(str(arguments["playbook"]), message, task_vars, sources)
            message = f"VERDICT refused: {message}"
        return {"changed": False, "failed": bool(found), "msg": message}

    @staticmethod
    def _leave_file(playbook: str, message: str, task_vars: Mapping[str, Any], sources: Sequence[str]) -> None:
        """What the callback would have written, were it there."""
        check_mode = bool(context.CLIARGS.get("check"))
        environment = str(task_vars.get("stack_environment") or "")
        inventory = " -i ".join(map(str, sources))
        seen = Seen((playbook,), environment, inventory, time.time(), check_mode=check_mode, failures={message: []})
        run_file.write(environment, file_name((playbook,), check_mode=check_mode), seen.verdict(0.0))
