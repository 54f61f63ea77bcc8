# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The executor: does the planner's steps, one service beside the other, and takes a failed batch back.

It knows the engine, the edge and the gate only by their verbs, so its rules can be tried against a simulated host.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import Clock
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.barrier import BARRIERS, Barrier, meets
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.outcome import Outcome
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.service_rollout import ServiceRollout
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.step import Step
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.verbs import (
    EdgeVerbs,
    EngineVerbs,
    GateVerbs,
    Means,
    Record,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import DesiredService


class Executor:
    def __init__(
        self,
        desired: Sequence[DesiredService],
        engine: EngineVerbs,
        edge: EdgeVerbs,
        gate: GateVerbs,
        clock: Clock,
        record: Record = lambda event, step: None,
        drain_seconds: float = 30.0,
        guard: Callable[[], None] = lambda: None,
    ) -> None:
        """``guard`` raises FencedError once another run has taken over: then nothing more is done, and nothing taken back."""
        self._desired = {service.name: service for service in desired}
        self._means = Means(engine, edge, gate, clock, record, guard, drain_seconds)

    def run(self, steps: Sequence[Step]) -> Outcome:
        """Do ``steps`` wave by wave. A failed service stops the ones beside it at their next safe point and is taken back."""
        outcome = Outcome()
        for wave in sorted({step.wave for step in steps}):
            by_service: dict[str, list[Step]] = {}
            for step in (step for step in steps if step.wave == wave):
                by_service.setdefault(step.service, []).append(step)
            barriers = {action: Barrier(sum(meets(action, own) for own in by_service.values())) for action in BARRIERS}
            rollouts = [
                ServiceRollout(self._means, self._desired.get(name), own, outcome, barriers) for name, own in by_service.items()
            ]
            with ThreadPoolExecutor(max(1, len(rollouts))) as pool:
                futures: list[Future[None]] = [pool.submit(rollout.run) for rollout in rollouts]
                wait(futures)
            for future in futures:
                future.result()
            if outcome.failures:
                break
        return outcome
