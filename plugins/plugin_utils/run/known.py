# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a run and of each of its hosts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.lease import fleet


@dataclass
class HostState:
    """What is known of a host: the release it serves now, and what was done to it."""

    release: str = ""
    release_id: str = ""
    previous: str = ""
    previous_id: str = ""
    # Whether a module has said what the host runs; otherwise an empty release does not mean that it runs none.
    seen: bool = False
    # Whether the release is the live one, and no replica of it runs.
    idle: bool = False
    changed: bool = False
    failed: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    drained: int = 0
    cut: int = 0
    left_behind: int = 0
    errors: int = 0
    # Service -> why it was gone for a while.
    interrupted: dict[str, str] = field(default_factory=dict)
    # Services whose replicas did not end in their time, see stack_rollout.
    killed: list[Mapping[str, Any]] = field(default_factory=list)
    gates: list[Mapping[str, Any]] = field(default_factory=list)
    mixed: bool = False
    # Whether nobody knows what it runs, because it could not be reached or did not answer.
    lost: bool = False
    # Whether it was lost while a module was at work there that goes on by itself.
    at_work: bool = False
    # Whether what was switched in this run was switched back, by the failed rollout itself or after another host's failure.
    taken_back: bool = False
    # Whether it runs the release that failed, and nothing was taken back.
    stuck: bool = False
    # Whether the stack's removal has begun there and not ended: nothing that is left of it is a release.
    removing: bool = False
    # What the run would do, or has done.
    plan: list[str] = field(default_factory=list)
    # What users asked while its rollouts were at work, one mapping for each of them.
    traffic: list[Mapping[str, Any]] = field(default_factory=list)
    # What was written or removed under the running replicas.
    live_files: list[str] = field(default_factory=list)
    # Secrets that somebody had changed there, and that are as they were again.
    put_right: list[str] = field(default_factory=list)

    def add(self, result: Mapping[str, Any]) -> None:
        """``result``: of a rollout, one of several where the first one was taken back."""
        self.gates = [*self.gates, *result["gates"]]
        self.drained += result["drained"]
        self.cut += result["cut"]
        self.left_behind = result["left_behind"]
        self.errors += result["errors"]
        self.interrupted |= {one["service"]: one["why"] for one in result.get("interrupted") or []}
        self.killed = [*self.killed, *(result.get("killed") or [])]
        self.traffic += filter(None, [result.get("traffic")])

    def as_dict(self) -> dict[str, Any]:
        return {
            "release": self.release,
            "release_id": self.release_id,
            "seen": self.seen,
            "idle": self.idle,
            "removing": self.removing,
            "changed": self.changed or bool(self.live_files or self.put_right),
            "live_files": self.live_files,
            "put_right": self.put_right,
            "failed": self.failed,
            "plan": self.plan,
            "mixed": self.mixed,
            "lost": self.lost,
            "seconds": self.seconds,
            "drained": self.drained,
            "cut": self.cut,
            "left_behind": self.left_behind,
            "errors": self.errors,
            "interrupted": self.interrupted,
            "taken_back": self.taken_back,
            "gates": [dict(gate) for gate in self.gates],
            "traffic": [dict(one) for one in self.traffic],
        }


@dataclass
class Known:
    """What is known of a run. ``inventory``: how the user named it, for the commands that are printed."""

    started: float
    environment: str = ""
    inventory: str = ""
    release: str = ""
    release_id: str = ""
    hosts: dict[str, HostState] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    # Why hosts have failed, in the order in which it was seen: what came first is the reason of what followed.
    reasons: list[str] = field(default_factory=list)
    lease: Mapping[str, Any] = field(default_factory=dict)
    is_deploy: bool = False
    # Whether a release was prepared, so that it is a deploy whose hosts are switched.
    is_prepared: bool = False
    is_rollback: bool = False
    # The plan of a rotation, and what there is to say at its end.
    rotation: Mapping[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    # What is to be said of certificates. Whatever becomes of them, the word is that of the deploy.
    certificates: list[str] = field(default_factory=list)
    # Hosts that --limit leaves out, as fleet.LeftOut describes them, and whether the database of all hosts was migrated.
    left_out: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    migrated: bool = False
    # Host -> what is known of the image for its edge.
    upgrades: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    # Host -> packages of its engine that have newer versions.
    engines: dict[str, str] = field(default_factory=dict)
    # Host -> what the removal of a stack finds there.
    removals: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    # Whether the edge of a host was replaced, its engine upgraded, or a stack removed.
    upgraded: bool = False
    # Whether a restore into the database was looked at, so that the next answer is of the restore itself.
    restores: bool = False
    # Hosts that the balancer lets serve again.
    let_in: list[str] = field(default_factory=list)
    not_let_in: bool = False
    # What a rollback was judged by; see schema.Evidence.
    ledger: Mapping[str, str] = field(default_factory=dict)
    # How many hosts the run set out with, and what --limit said.
    chosen: int = 0
    limit: str = ""

    def fills(self, module: str) -> bool:
        """Whether ``module`` puts other data into the database here, and does not only look."""
        return module in ("staging_data_import", "supabase_seeds") or (module == "database_restore" and self.restores)

    def way_on(self, word: str) -> list[str]:
        """How to go on without hosts that were lost, where that harms nobody."""
        # A rotation takes a value away from every host.
        if word != "refused" or self.rotation:
            return []
        lost = {name: state for name, state in self.hosts.items() if state.lost}
        # Another host would begin what may go on there: a migration, beside itself.
        goes_on = any(state.at_work for state in lost.values())
        return [] if goes_on else fleet.way_on(list(lost), self.chosen, self.limit)

    def learned(self, facts: Mapping[str, Any]) -> None:
        """What a task has handed over as facts."""
        self.left_out = facts.get("fleet_left_out") or self.left_out
        self.ledger = (facts.get("rollback_decision") or {}).get("ledger") or self.ledger
        self.certificates += (facts.get("certificates_outcome") or {}).get("notes") or []

    @property
    def told(self) -> dict[str, Any]:
        """What a verdict has where there is something to say of it."""
        return {"schema": dict(self.ledger)} if self.ledger else {}
