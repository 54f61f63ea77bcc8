# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run in an inventory with several stacks: what it plays for all of them, and its part for each, one after the other."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.stacks import part, plays
from ansible_collections.morpheus.deploy.plugins.plugin_utils.stacks.described import APP, Described, described, wrong_name

# What of the lease a part is given.
_LEASE = ("token", "run", "owner", "reason", "environment")
# Way back: what stands on others goes before them.
_BACKWARDS = ("rollback",)


@dataclass
class Several:
    """``name``: of the playbook; ``path``: as it was typed. ``verdicts``: stack -> how its part ended."""

    name: str
    path: str
    playbooks: Sequence[str]
    found: Described
    stacks: Mapping[str, Any]
    given: Mapping[str, Any]
    # Those of the hosts of the run on which each stack runs.
    hosts: Mapping[str, Sequence[str]]
    # All of the environment, whatever --limit says and wherever a stack runs.
    of_environment: Sequence[str]
    verdicts: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def has_parts(self) -> bool:
        return self.is_leased or self.name in plays.UNLEASED

    @property
    def is_leased(self) -> bool:
        return self.name in plays.LEASED

    @property
    def is_backwards(self) -> bool:
        return self.name in _BACKWARDS

    def choose(self, names: Sequence[str]) -> None:
        """Of what was chosen only these, as a rollback does."""
        self.found.chosen = [name for name in self.found.order if name in names]

    def turns(self) -> list[str]:
        return [*reversed(self.found.chosen)] if self.is_backwards else list(self.found.chosen)

    def hindered(self, name: str) -> str:
        """The stack whose failure keeps this one from its turn; empty when none does, as where nothing is switched."""
        if not self.is_leased:
            return ""
        after = self.found.after
        failed = [other for other, verdict in self.verdicts.items() if verdict["failed"]]
        if self.is_backwards:
            return next((other for other in failed if name in after.get(other, [])), "")
        return next((other for other in after.get(name, []) if other in failed), "")

    def variables(self, name: str, lease: Mapping[str, Any]) -> dict[str, Any]:
        found = part.variables(name, self.stacks[name], self.given)
        own: dict[str, Any] = {"name": name, "hosts": self.found.hosts.get(name), part.OF_ENVIRONMENT: self.of_environment}
        adopted: dict[str, Any] = {key: lease.get(key) for key in _LEASE if key in lease}
        adopted["kept_off"] = self._let_in_with(name, lease.get("kept_off") or [])
        return {**found, part.PART: own, **({"lease_adopted": adopted} if self.is_leased else {})}

    def play(self, name: str, lease: Mapping[str, Any], ended_by: Callable[[], int]) -> int:
        command = part.command(sys.argv, self.playbooks, self.path, self.variables(name, lease))
        return part.play(command, ended_by)

    def _let_in_with(self, name: str, kept_off: Sequence[str]) -> list[str]:
        """Hosts that the balancer keeps off serve again with the last stack that they have missed, and only if none failed."""
        if any(verdict["failed"] for verdict in self.verdicts.values()):
            return []
        rest = self.turns()[self.turns().index(name) + 1 :]
        return [host for host in kept_off if not any(host in self.hosts.get(other, ()) for other in rest)]


def part_of(playbook: Any) -> str:
    """The stack whose part this run is; empty when it is none."""
    plays_of_it = playbook.get_plays()
    given = plays_of_it[0].get_variable_manager().extra_vars if plays_of_it else {}
    return str((given.get(part.PART) or {}).get("name") or "")


def begin(playbook: Any, names: Sequence[str], playbooks: Sequence[str]) -> Several | None:
    """See whether this run is for several stacks; then replace what ``playbook`` plays, or say what is wrong with them.

    ``names``: playbooks of the collection in it. ``playbooks``: all that this command plays, as they were typed.
    """
    plays.refuse([])
    manager = playbook.get_plays()[0].get_variable_manager()
    inventory, given = manager._inventory, manager.extra_vars
    if part.PART in given:
        if given[part.PART].get("hosts") is not None:
            plays.keep_hosts(inventory, APP, given[part.PART]["hosts"])
        return None
    first = next((host for host in inventory.get_hosts(APP, ignore_limits=True)), None)
    variables = manager.get_vars(host=first) if first else {}
    ours = [name for name in names if name in (*plays.LEASED, *plays.UNLEASED, *plays.AT_ONCE)]
    if not ours:
        return None
    if "stacks" not in variables:
        wrong = wrong_name(given, variables.get("stack"))
        plays.refuse([wrong] if wrong else [])
        return None
    path = str(playbook._file_name)
    groups = {name: [host.get_name() for host in group.get_hosts()] for name, group in inventory.groups.items()}
    found = described(variables["stacks"], groups, given, variables, ours[0])
    if len(names) > 1:
        found.problems.append(f"{path} plays {', '.join(names)}; in an inventory with several stacks play them one by one")
    plays.refuse(found.problems)
    if found.problems:
        return None
    every = [host.get_name() for host in inventory.get_hosts(APP)]
    hosts = {name: [host for host in every if host in found.hosts.get(name, every)] for name in found.order}
    plays.replace(playbook, ours[0], {"several_chosen": found.chosen, "several_hosts": found.hosts})
    return Several(ours[0], path, playbooks, found, variables["stacks"], given, hosts, groups[APP])
