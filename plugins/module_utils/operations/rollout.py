# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout on one host: what is to be done, and what was done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.host.target import Target
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.lineage import Kind
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.outcome import Outcome
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.step import EDGE, Action, Step
from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import FailureAction
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica


@dataclass
class Rollout:
    """What is to be done on this host, and, after ``execute``, what was done."""

    manifest: Manifest
    target: Target
    kind: Kind
    previous: Manifest | None
    # Id of what was live, also where its manifest cannot be read.
    was: str
    steps: list[Step]
    before: list[Replica]
    edge_files: list[str]
    # Whether an earlier rollout on this host was killed, so that its end is still to be written down.
    resumes: bool = False
    # Files of the live release that are not as they should be, a sentence each.
    damage: list[str] = field(default_factory=list)
    outcome: Outcome = field(default_factory=Outcome)
    after: list[Replica] = field(default_factory=list)
    # Where a failed rollout left this host: "as_before" (nothing was switched), "taken_back" (what was switched serves the old
    # release again), "switched" (the release that failed runs, and nothing else) or "mixed". Empty after a good one.
    left: str = ""
    pruned: list[str] = field(default_factory=list)
    # What users asked meanwhile, see Traffic.as_dict.
    traffic: dict[str, Any] = field(default_factory=dict)
    # What went wrong that does not change which release serves.
    warnings: list[str] = field(default_factory=list)

    @property
    def switches(self) -> bool:
        """Whether another release than before is live afterwards."""
        return self.was != self.manifest.id

    @property
    def changed(self) -> bool:
        return bool(self.steps or self.edge_files or self.damage) or self.switches or self.resumes

    @property
    def failure_action(self) -> FailureAction:
        wants = any(service.policy.failure_action is FailureAction.ROLLBACK for service in self.target.desired)
        return FailureAction.ROLLBACK if wants else FailureAction.PAUSE

    @property
    def lasting(self) -> list[str]:
        """What the release did here before it failed and was taken back, which nothing undoes, in words."""
        if self.left not in ("as_before", "taken_back"):
            return []
        did = sorted(self.outcome.spent)
        jobs = [f"its job {name} has run" for name, action in did if action == Action.RUN.value]
        # A candidate with a route has no requests before all of its batch have passed their gate.
        alone = [name for name, action in did if action == Action.GATE.value and name not in {*self.target.routed, EDGE}]
        return [*jobs, *(f"its {name} was at work for a while" for name in alone)]
