# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""One host's switch to a release that has been prepared on it, and back when it fails."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.execute import Executor, Outcome
from ansible_collections.morpheus.deploy.plugins.module_utils.files import private
from ansible_collections.morpheus.deploy.plugins.module_utils.gate import SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.host import (
    HostEdge,
    HostEngine,
    HostGate,
    StackHost,
    Target,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.journal import Journal
from ansible_collections.morpheus.deploy.plugins.module_utils.plan import (
    Action,
    FailureAction,
    Replica,
    Step,
    plan,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.prepare import images_of, pinned_images, require_images
from ansible_collections.morpheus.deploy.plugins.module_utils.release import Manifest


@dataclass
class Rollout:
    """What is to be done on this host, and, after ``execute``, what was done."""

    manifest: Manifest
    target: Target
    previous: Manifest | None
    steps: list[Step]
    before: list[Replica]
    edge_files: list[str]
    outcome: Outcome = field(default_factory=Outcome)
    after: list[Replica] = field(default_factory=list)
    # Where a failed rollout left this host: "as_before" (nothing was switched), "taken_back" (what was switched serves the old
    # release again) or "mixed". Empty after a good one.
    left: str = ""

    @property
    def changed(self) -> bool:
        switches = self.previous is None or self.previous.id != self.manifest.id
        return bool(self.steps or self.edge_files) or switches


class HostRollout:
    def __init__(self, host: StackHost) -> None:
        self._host = host
        self._journal = Journal(host.releases.root / "journal.jsonl")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep every other rollout of this stack off this host. The kernel gives the lock back however the holder ends."""
        path = self._host.releases.root / "rollout.lock"
        with open(path, "a", opener=private) as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DeployError(
                    f"another rollout of {self._host.stack} is at work on this host; wait for its end and run this again"
                ) from None
            yield

    def prepare(self, release_id: str, *, restart: bool) -> Rollout:
        """Plan the switch to ``release_id`` (empty: the live one); with ``restart`` every replica counts as outdated."""
        releases = self._host.releases
        live = releases.live()
        if not (release_id or live):
            raise DeployError("no release of this stack is live on this host yet; deploy one first")
        manifest = releases.read(release_id or live)
        require_images(self._host, manifest)
        target = self._target(manifest)
        previous = releases.read(live) if live and releases.has(live) else None
        edge = self._host.edge(target, self._old_routes(target, previous))
        before = self._host.observe(edge)
        steps = self._plan(target, before, time.time() if restart else None)
        return Rollout(manifest, target, previous, steps, before, edge.differences())

    def execute(self, rollout: Rollout) -> None:
        """Do what ``rollout`` plans. After a failure, see ``rollout.outcome.failures`` and ``rollout.left``."""
        host = self._host
        edge = host.edge(rollout.target, self._old_routes(rollout.target, rollout.previous))
        self._journal.write("begin", release=rollout.manifest.id, steps=len(rollout.steps))
        try:
            edge.sweep({replica.name for replica in rollout.before})
            rollout.outcome = self._run(rollout.manifest, rollout.target, rollout.previous, rollout.steps)
        except DeployError as exc:
            rollout.outcome.failures.append(str(exc))
        if rollout.outcome.failures:
            try:
                self._take_back(rollout)
            except DeployError as exc:
                rollout.outcome.failures.append(f"the host could not be taken back to what it ran: {exc}")
                rollout.left = "mixed"
            self._journal.write("failed", release=rollout.manifest.id, left=rollout.left)
        else:
            # The routes of services that have gone go with them.
            host.edge(rollout.target).prepare()
            host.releases.set_live(rollout.manifest.id)
            self._journal.write("live", release=rollout.manifest.id)
        rollout.after = host.observe(host.edge(rollout.target))

    def _run(self, manifest: Manifest, target: Target, previous: Manifest | None, steps: Sequence[Step]) -> Outcome:
        host = self._host
        host.releases.activate(manifest.id)
        host.write_override(target, manifest.id, pinned_images(manifest))
        edge = host.edge(target, self._old_routes(target, previous))
        edge.prepare()
        clock = SystemClock()
        executor = Executor(
            target.desired,
            HostEngine(host, host.compose(target), edge),
            HostEdge(host, edge),
            HostGate(host, target, clock),
            clock,
            lambda event, step: self._journal.write(event, step=str(step), action=step.action.value),
            drain_seconds=target.stack["drain_seconds"],
        )
        return executor.run(steps)

    def _take_back(self, rollout: Rollout) -> None:
        """The executor has taken the failed batch back; what finished before it is another plan: to the previous release."""
        host = self._host
        previous = rollout.previous
        if not previous:
            now = {replica.id for replica in host.engine.observe(set())}
            rollout.left = "mixed" if now - {replica.id for replica in rollout.before} else "as_before"
            return
        target = self._target(previous, "rollback_config")
        edge = host.edge(target, self._old_routes(target, rollout.manifest))
        steps = self._way_back(rollout, target, host.observe(edge))
        wants = any(service.policy.failure_action is FailureAction.ROLLBACK for service in rollout.target.desired)
        if steps and wants:
            outcome = self._run(previous, target, rollout.manifest, steps)
            rollout.outcome.failures += outcome.failures
            rollout.outcome.cut += outcome.cut
            steps = self._way_back(rollout, target, host.observe(edge))
        elif not steps:
            host.releases.activate(previous.id)
            host.write_override(target, previous.id, pinned_images(previous))
            host.edge(target).prepare()
        switched = any(action == Action.ADMIT.value for _, action in rollout.outcome.spent)
        rollout.left = "mixed" if steps else "taken_back" if switched else "as_before"

    def _way_back(self, rollout: Rollout, target: Target, observed: list[Replica]) -> list[Step]:
        """Whatever ran before and still runs is good as it is, even where it was made from secrets that are no longer current."""
        wanted = {service.name: service.fingerprint for service in target.desired}
        before = {replica.id for replica in rollout.before if replica.admitted or replica.service not in rollout.target.routed}
        seen = [
            replace(replica, fingerprint=wanted.get(replica.service, "")) if replica.id in before else replica
            for replica in observed
        ]
        return self._plan(target, seen, None)

    def _target(self, manifest: Manifest, section: str = "update_config") -> Target:
        workspace = self._host.releases.workspace(manifest.id)
        return self._host.target(manifest, workspace, images=images_of(manifest), section=section)

    def _plan(self, target: Target, observed: list[Replica], replace_created_before: float | None) -> list[Step]:
        drain = float(target.stack["drain_seconds"])
        return plan(target.desired, observed, drain_seconds=drain, replace_created_before=replace_created_before)

    def _old_routes(self, target: Target, other: Manifest | None) -> list[Any]:
        """Routes of ``other`` whose services the target no longer has."""
        if not other:
            return []
        names = {service.name for service in target.desired}
        old = replace(target, stack=other.stack).routes
        return [route for route in old if route.service not in names]
