# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first rollout of a stack on a host where a Compose project of its name runs already, and something else serves its users.

The project's containers are replicas of an unknown release: the usual plan replaces each of them once. What is different is the
order. What serves users now is not stopped before the edge can take its place: first the candidates of every service that the
edge is to serve, all of them, with their gates; then the ports; then the rest. So when a candidate is bad, or the edge does not
answer, users are served by what served them before. A service that has to stop first is brought back by the project's own
Compose files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.adoption.found import Origin, origin
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import served
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.handover import Handover
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.compose_command import Compose
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.host.target import Target
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.fence import Fence
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.lineage import Kind
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.rollout import Rollout
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.switch import HostRollout
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.outcome import Outcome
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.step import EDGE, Action, Step
from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import Order
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica, State
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import explained

# What takes a container away that serves users until the edge does.
_ENDS = (Action.DRAIN, Action.AWAIT, Action.STOP, Action.REMOVE, Action.PAUSE)


@dataclass(frozen=True)
class Before:
    """A service of the project as it ran: ``count`` containers, made from ``origin``."""

    origin: Origin
    count: int


def at_once(target: Target) -> Target:
    """All candidates of a service that the edge is to serve come in one batch: its containers from before stay beside them."""
    beside = [
        replace(one, policy=replace(one.policy, parallelism=0, delay_seconds=0.0)) if _stays(target, one.name) else one
        for one in target.desired
    ]
    return replace(target, desired=beside)


def first(steps: Sequence[Step], target: Target) -> list[Step]:
    """Of a plan: what is done before the ports come over. Afterwards the rest is planned anew."""
    wanted = {one.name for one in target.desired} | {EDGE}
    return [
        step
        for step in steps
        if step.service in wanted
        and step.action is not Action.UNROUTE
        and not (step.action in _ENDS and _stays(target, step.service))
    ]


def _stays(target: Target, name: str) -> bool:
    """Whether containers of the service go on beside its candidates."""
    return any(one.name == name and one.routed and one.policy.order is Order.START_FIRST for one in target.desired)


class HostAdoption(HostRollout):
    """HostRollout for ``handover``; the same as ever where a release of the stack is live and the edge has its ports."""

    def __init__(
        self,
        host: StackHost,
        fence: Fence,
        handover: Handover,
        ask: Callable[[Target], str] | None = None,
        compose: Callable[[str, Path, Sequence[Path], Sequence[Path]], Compose] = Compose,
    ) -> None:
        """``ask``: why the edge does not serve users of a target, empty when it does."""
        super().__init__(host, fence)
        self._handover = handover
        self._ask = ask or self._why_not
        self._own_compose = compose
        self._adopts = False
        # Whether users are served by the edge: from then on nothing goes back.
        self._is_over = False
        self._before: dict[str, Before] = {}

    def prepare(self, release_id: str, *, restart: bool, kind: Kind = Kind.DEPLOY, look_only: bool = False) -> Rollout:
        rollout = super().prepare(release_id, restart=restart, kind=kind, look_only=look_only)
        self._adopts = not rollout.was
        self._is_over = not self._handover.due
        if not self._adopts:
            return rollout
        self._before = self._what_ran(rollout.before)
        if not self._is_over:
            rollout.target = at_once(rollout.target)
            rollout.steps = self._host.plan(rollout.target, _as_serving(rollout), self._host.edge(rollout.target))
        return rollout

    def _run(self, manifest: Manifest, target: Target, steps: Sequence[Step]) -> Outcome:
        if not self._adopts or self._is_over:
            return super()._run(manifest, target, steps)
        outcome = super()._run(manifest, target, first(steps, target))
        if outcome.failures:
            return outcome
        try:
            self._take_ports(target, outcome)
        except (DeployError, OSError) as exc:
            outcome.failures.append(explained(exc))
            return outcome
        self._is_over = True
        edge = self._host.edge(target)
        return added(outcome, super()._run(manifest, target, self._host.plan(target, self._host.observe(edge), edge)))

    def _take_ports(self, target: Target, outcome: Outcome) -> None:
        self._fence.check()
        begun = time.monotonic()
        holders = self._handover.take(lambda: self._ask(target))
        seconds = time.monotonic() - begun
        outcome.spent[EDGE, "take over"] = seconds
        outcome.done.append(f"{EDGE}: take the ports over" + (f" from {', '.join(holders)}" if holders else ""))
        if holders:
            outcome.was_interrupted(EDGE, f"its ports came over from {', '.join(holders)}")

    def _why_not(self, target: Target) -> str:
        if target.stack.public_check:
            health = self._host.ask_edge(target, self._fence.check)
            return "" if health.healthy else f"{health.url}: {health.violation}"
        asked = served.ask(self._host.users(target))
        return "; ".join(f"{url}: {why}" for url, why in asked.items() if why)

    def _take_back(self, rollout: Rollout) -> None:
        if not self._adopts:
            super()._take_back(rollout)
            return
        if self._is_over:
            # Users are served by candidates, perhaps.
            for name in self._ended():
                self._bring_back(name, rollout)
            super()._take_back(rollout)
            return
        back = [Step(Action.STOP, one.service, replicas=(one.name,)) for one in self._beside(rollout)]
        back += [replace(step, action=Action.REMOVE) for step in back]
        if back:
            outcome = super()._run(rollout.manifest, rollout.target, back)
            rollout.outcome.failures += outcome.failures
        brought = [self._bring_back(name, rollout) for name in self._ended()]
        ours = [one for one in self._host.engine.observe(set()) if one.fingerprint and one.state is not State.DEAD]
        if ours or self._ended():
            rollout.left = "mixed"
            return
        rollout.left = "taken_back" if brought else "as_before"
        self._contract(None)
        self._tidy(rollout, "end what stack.egress admitted", lambda: self._host.through.let(()))

    def _beside(self, rollout: Rollout) -> list[Replica]:
        """Candidates of services whose containers from before still run."""
        known = {one.id for one in rollout.before}
        running = [one for one in self._host.engine.observe(set()) if one.state is not State.DEAD]
        services = {one.service for one in running if one.id in known and one.service in self._before}
        return [one for one in running if one.id not in known and one.service in services]

    def _ended(self) -> list[str]:
        """Services that ran and of which nothing runs now."""
        running = {one.service for one in self._host.engine.observe(set()) if one.state is not State.DEAD}
        return sorted(self._before.keys() - running)

    def _bring_back(self, name: str, rollout: Rollout) -> bool:
        before = self._before[name]
        directory, files = before.origin.directory, [Path(one) for one in before.origin.files]
        command = " ".join(
            ["docker compose", f"-p {self._host.stack}", *(f"-f {file}" for file in files), f"up -d --no-deps {name}"]
        )
        try:
            env_files = [Path(one) for one in before.origin.env_files]
            self._own_compose(self._host.stack, Path(directory or "/"), files, env_files).scale_up(name, before.count)
        except (DeployError, OSError) as exc:
            rollout.outcome.failures.append(
                f"{name} had to stop first and could not be brought back as it ran ({explained(exc)}). Its data are where they "
                f"were. On this host, in {directory or 'the directory of the project'}: {command}"
            )
            return False
        return True

    def _what_ran(self, replicas: Sequence[Replica]) -> dict[str, Before]:
        found: dict[str, Before] = {}
        for one in replicas:
            if one.state is not State.DEAD and not one.fingerprint:
                details: Mapping[str, Any] = self._host.engine.inspected(one) or {}
                labels = (details.get("Config") or {}).get("Labels") or {}
                count = found[one.service].count if one.service in found else 0
                found[one.service] = Before(origin(labels), count + 1)
        return found


def _as_serving(rollout: Rollout) -> list[Replica]:
    """What something else than the edge sends users to counts as serving: whoever ends it interrupts them."""
    routed = rollout.target.routed
    return [
        replace(one, admitted=True) if one.service in routed and not one.fingerprint and one.state is State.RUNNING else one
        for one in rollout.before
    ]


def added(one: Outcome, other: Outcome) -> Outcome:
    """What both did, one after the other."""
    one.done += other.done
    one.failures += other.failures
    one.gates += other.gates
    one.started += other.started
    one.removed += other.removed
    for key, seconds in other.spent.items():
        one.spent[key] = one.spent.get(key, 0.0) + seconds
    one.count(drained=other.drained, cut=other.cut, errors=other.errors)
    one.interrupted |= other.interrupted
    one.admitted = one.admitted or other.admitted
    return one
