# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the keepers of the lease and the balancers say of an environment as a whole, whatever stacks it has. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.lease import history
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import kept_off, supabase_status
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.kept_off import AtBalancers

Said = Mapping[str, Mapping[str, Any]]
# What is shown of a host, of what it says.
KEYS = (
    *("environment", "live", "release", "since", "rolling", "edge", "services", "drift", "dependencies", "pins", "mend", "msg"),
    "versions",
)
_RUNS = 5


@dataclass(frozen=True)
class EnvironmentStatus:
    """``runs``: all of the history, oldest first; ``unread``: why hosts that keep the lease did not say who has it; ``asked``:
    balancers that answered; ``silent``: why others did not; ``supabase``: of the Supabase project, empty without one.
    """

    environment: str
    holder: Mapping[str, Any] | None
    runs: Sequence[Mapping[str, Any]]
    is_read: bool
    unread: Mapping[str, str]
    asked: Said
    silent: Mapping[str, str]
    supabase: Mapping[str, Any]

    @classmethod
    def of(
        cls, leases: Said, environment: str, balancers: Said | None, supabase: Mapping[str, Any] | None = None
    ) -> EnvironmentStatus:
        read = {name: lease for name, lease in leases.items() if "holder" in lease and not lease.get("failed")}
        asked = {name: found for name, found in (balancers or {}).items() if "kept_off" in found}
        return cls(
            environment,
            _holder([lease["holder"] for lease in read.values() if lease["holder"]]),
            history.merged(lease.get("history") or [] for lease in read.values()),
            bool(read),
            {name: _why(lease) for name, lease in leases.items() if name not in read},
            asked,
            {name: _why(found) for name, found in (balancers or {}).items() if name not in asked},
            supabase_status.told(supabase or {}),
        )

    def kept_off(self, hosts: Said) -> Mapping[str, AtBalancers]:
        return kept_off.at_balancers(hosts, self.asked, self.runs, self.holder, self.environment)

    def report(self) -> dict[str, Any]:
        """``lease_unread``: why hosts that keep the lease did not say who has it, by host; ``balancers_unread`` likewise.
        ``balancers_damaged``: what is wrong with their files.
        """
        # Nobody knows whether a lease is free that could not be read.
        problem = "" if self.is_read else "; ".join(f"{name} {why}" for name, why in self.unread.items())
        return {
            "environment": self.environment,
            "lease": self.holder,
            "lease_problem": problem,
            "lease_unread": self.unread,
            "balancers_unread": self.silent,
            "balancers_damaged": {name: list(found["problems"]) for name, found in self.asked.items() if found.get("problems")},
            "supabase": self.supabase,
            "runs": self.runs[-_RUNS:],
        }


def shown(host: Mapping[str, Any]) -> dict[str, Any]:
    return {key: host[key] for key in KEYS if key in host}


def unknown(hosts: Said) -> set[str]:
    """Where nobody knows what runs."""
    return {name for name, host in hosts.items() if "live" not in host}


def _holder(holders: list[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Of several the one that lives, and of those the one that most hosts name."""
    runs = [holder["run"] for holder in holders]
    return max(holders, key=lambda holder: (holder["alive"], runs.count(holder["run"])), default=None)


def _why(said: Mapping[str, Any]) -> str:
    return "could not be reached" if said.get("unreachable") else str(said.get("msg") or "gave no answer")
