# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host's switch to a release that has been prepared on it, and back when it fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.spoken import spoken
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import served
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.admission import Edge
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host_gate import HostGate
from ansible_collections.morpheus.deploy.plugins.module_utils.host.retention import prune
from ansible_collections.morpheus.deploy.plugins.module_utils.host.stale import seen
from ansible_collections.morpheus.deploy.plugins.module_utils.host.target import Target
from ansible_collections.morpheus.deploy.plugins.module_utils.host.verbs import HostEdge, HostEngine
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.fence import Fence
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.journal import Journal
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.lineage import Kind
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.progress import Progress
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.harm import require_harmless
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.jobs import Jobs
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.rollout import Rollout
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.traffic import Traffic
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.usable import (
    pinned_images,
    require_files,
    require_images,
    require_secrets,
    restore_images,
    target_of,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.execute import Executor
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.outcome import Outcome
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.step import CHECK, EDGE, Action, Step
from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import FailureAction
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import State
from ansible_collections.morpheus.deploy.plugins.module_utils.words import said
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import explained


class HostRollout:
    """To be used while no other run is at work on the host, see exclusive.alone, which gives the ``fence``."""

    def __init__(self, host: StackHost, fence: Fence) -> None:
        self._host = host
        self._fence = fence
        self._journal = Journal(host.releases.root / "journal.jsonl", token=fence.token)
        self.traffic = Traffic.of(host.edge_paths, host.stack)
        self._progress = Progress(host.releases.root, said.masked, token=fence.token)
        # Whether anything may have been changed, were it only what the host remembers.
        self.begun = False
        # Why lines of the journal are missing.
        self._unwritten = ""

    @spoken()
    def prepare(self, release_id: str, *, restart: bool, kind: Kind = Kind.DEPLOY, look_only: bool = False) -> Rollout:
        """Plan the switch to ``release_id`` (empty: the live one); with ``restart`` every replica counts as outdated. Images that
        somebody took away come back, unless ``look_only``.
        """
        releases = self._host.releases
        lineage = releases.lineage()
        if not (release_id or lineage.live):
            raise DeployError("no release of this stack is live on this host yet; deploy one first")
        manifest = releases.read(release_id or lineage.live)
        restored = [] if look_only else restore_images(self._host, manifest, lineage.live)
        require_images(self._host, manifest)
        require_secrets(self._host, manifest)
        require_files(self._host, manifest)
        target = target_of(self._host, manifest)
        require_harmless(self._host, manifest.id, target, lineage)
        self._host.through.require(target.stack.egress)
        previous = releases.read(lineage.live) if lineage.live and releases.has(lineage.live) else None
        edge = self._host.edge(target)
        before = seen(self._host.engine, target.desired, self._host.observe(edge))
        steps = served.due(self._host, target, before, edge, time.time() if restart else None)
        damage = []
        if manifest.id == lineage.live:
            damage = self._host.damage(manifest, target, edge)
        rolling = lineage.rolling is not None
        rollout = Rollout(manifest, target, kind, previous, lineage.live, steps, before, edge.differences(), rolling, damage)
        rollout.warnings += restored
        # None of this release's: a run to it waits for them. A way back must not wait for what it leaves.
        rollout.warnings += Jobs.of(releases, self._host.one_offs).at_work_of_others(manifest.id)
        return rollout

    def execute(self, rollout: Rollout) -> None:
        """Do what ``rollout`` plans. After a failure, see ``rollout.outcome.failures`` and ``rollout.left``.

        Raises FencedError when another run has taken over: then what is left to do is that run's matter. Raises DeployError or
        OSError only as long as nothing has changed: whatever goes wrong later is told by ``rollout``.
        """
        self._begin(rollout)
        try:
            self._host.edge(rollout.target).sweep({replica.name for replica in rollout.before})
            rollout.outcome = self._run(rollout.manifest, rollout.target, rollout.steps)
            self._ask_edge(rollout)
        except (DeployError, OSError) as exc:
            rollout.outcome.failures.append(explained(exc))
        self._fence.check()
        if rollout.outcome.failures:
            self._end_badly(rollout)
        else:
            self._end_well(rollout)
        self._tidy(rollout, "look at what runs now", lambda: self._look(rollout))
        if self._unwritten:
            rollout.warnings.append(f"lines of the journal are missing: {self._unwritten}")

    def _record(self, event: str, **details: Any) -> None:
        """For people, so no rollout, and above all no way back, ends because the disk has no room for it."""
        try:
            self._journal.write(event, **details)
        except OSError as exc:
            self._unwritten = explained(exc)

    def _note(self, event: str, step: Step) -> None:
        self._record(event, step=str(step), action=step.action.value)
        self.traffic.did(event, step)
        self._progress.tell(event, step.service, action=step.action.value, text=str(step), replicas=step.replicas)

    def _begin(self, rollout: Rollout) -> None:
        self._fence.check()
        lineage = self._host.releases.lineage()
        lineage.begin(rollout.manifest.id, rollout.kind)
        self._host.releases.write_lineage(lineage)
        self.begun = True
        self._record("begin", release=rollout.manifest.id, kind=rollout.kind.value, steps=len(rollout.steps))
        self._progress.begin(release=rollout.manifest.release, kind=rollout.kind.value, steps=len(rollout.steps))

    def _look(self, rollout: Rollout) -> None:
        edge = self._host.edge(rollout.target)
        rollout.after = self._host.observe(edge)
        # A reload of the edge leaves them with a worker that ends by force.
        rollout.outcome.left_behind = edge.left_behind()

    def _tidy(self, rollout: Rollout, what: str, do: Callable[[], None]) -> None:
        """Housekeeping: its failure changes nothing about which release serves, so it is told and ends nothing."""
        try:
            do()
        except (DeployError, OSError) as exc:
            rollout.warnings.append(f"could not {what}: {explained(exc)}")

    def _ask_edge(self, rollout: Rollout) -> None:
        """The last gate: this host's own edge must answer users with the release."""
        check = rollout.target.stack.public_check
        if rollout.outcome.failures or not check:
            return
        before = time.monotonic()
        self._progress.tell("asks", EDGE, url=str(check["url"]))
        health = self._host.ask_edge(rollout.target, self._fence.check)
        rollout.outcome.spent[EDGE, CHECK] = time.monotonic() - before
        rollout.outcome.was_judged(EDGE, CHECK, [health])
        if not health.healthy:
            rollout.outcome.failures.append(
                f"this host's edge did not answer {check['url']} as it should {check['successes']} times in a row within "
                f"{check['deadline_seconds']:g} s: after {health.attempts} attempts in {health.seconds:.1f} s the last answer "
                f"was: {health.violation}."
            )

    def _end_well(self, rollout: Rollout) -> None:
        self._tidy(
            rollout,
            f"write down that release {rollout.manifest.id} is live here, which it is; deploy it again to have that written",
            lambda: self._note_live(rollout),
        )
        self._tidy(rollout, "take away what the edge no longer needs", lambda: self._contract(rollout.target))
        self._tidy(rollout, "end what stack.egress admitted", lambda: self._host.through.let(rollout.target.stack.egress))
        if rollout.kind is Kind.DEPLOY:
            # A rollback brings nothing new, and an older release does not know what has been pinned since.
            self._tidy(rollout, "remove old releases", lambda: self._prune(rollout))

    def _note_live(self, rollout: Rollout) -> None:
        lineage = self._host.releases.lineage()
        lineage.went_live(rollout.manifest.id, rollout.kind)
        self._host.releases.write_lineage(lineage)
        self._record("live", release=rollout.manifest.id)

    def _contract(self, target: Target | None) -> None:
        self._host.edge(target).contract()

    def _prune(self, rollout: Rollout) -> None:
        rollout.pruned = prune(self._host, rollout.manifest.stack.retention)
        if rollout.pruned:
            self._record("pruned", releases=rollout.pruned)

    def _end_badly(self, rollout: Rollout) -> None:
        self._progress.tell("bad", why=rollout.outcome.failures[0].partition("\n")[0])
        try:
            self._take_back(rollout)
        except (DeployError, OSError) as exc:
            rollout.outcome.failures.append(f"the host could not be taken back to what it ran: {explained(exc)}")
            rollout.left = "mixed"
        self._fence.check()
        self._tidy(rollout, f"write down that release {rollout.manifest.id} has failed here", lambda: self._note_failed(rollout))

    def _note_failed(self, rollout: Rollout) -> None:
        lineage = self._host.releases.lineage()
        why = said.masked(rollout.outcome.failures[0].splitlines()[0])
        lineage.failed(rollout.manifest.id, why, unfinished=rollout.left in ("mixed", "switched"))
        self._host.releases.write_lineage(lineage)
        self._record("failed", release=rollout.manifest.id, left=rollout.left, why=why)

    def _run(self, manifest: Manifest, target: Target, steps: Sequence[Step]) -> Outcome:
        host = self._host
        self._fence.check()
        self._activate(manifest, target)
        host.join_edge(target)
        # Replicas from before still run.
        host.through.let(target.stack.egress, beside=True)
        edge = host.edge(target)
        edge.expand()
        clock = SystemClock()
        compose = host.compose(target)
        run_job = Jobs.of(host.releases, host.one_offs, self._fence.check).runner(target.stack, manifest.id, compose)
        executor = Executor(
            target.desired,
            HostEngine(host, compose, edge, run_job, target.stack.egress, target.advice),
            HostEdge(host, edge, {service.name: service.port for service in target.desired}),
            HostGate(host, target, clock, self._fence.check, tell=self._progress.tell),
            clock,
            self._note,
            drain_seconds=target.stack.drain_seconds,
            guard=self._fence.check,
            tell=self._progress.tell,
        )
        return executor.run(steps)

    def _activate(self, manifest: Manifest, target: Target) -> None:
        self._host.releases.activate(manifest.id, target.data)
        self._host.write_override(target, manifest.id, pinned_images(self._host, manifest))

    def _take_back(self, rollout: Rollout) -> None:
        """The executor has taken the failed batch back; what finished before it is another plan: to the previous release."""
        host = self._host
        previous = rollout.previous
        if not previous:
            rollout.left = self._left(rollout, is_back=not self._running() - {replica.id for replica in rollout.before})
            if rollout.left == "as_before":
                self._contract(None)
                self._tidy(rollout, "end what stack.egress admitted", lambda: host.through.let(()))
            return
        target = target_of(host, previous, "rollback_config")
        edge = host.edge(target)
        steps = self._way_back(rollout, target, edge)
        # Where it pauses, what was switched stays; what had to go first and has no successor is brought back, because nothing
        # must go for it; and routes that are over end once every service is back.
        pauses = rollout.failure_action is FailureAction.PAUSE
        switched = {step.service for step in steps if pauses and step.action is Action.STOP}
        back = [step for step in steps if step.service not in switched and (step.service != EDGE or not switched)]
        if back:
            outcome = self._run(previous, target, back)
            rollout.outcome.add_way_back(outcome)
            steps = self._way_back(rollout, target, edge)
        is_back = _is_there(steps)
        if is_back:
            self._tidy(rollout, f"put the files of {previous.id}, which runs, back", lambda: self._activate(previous, target))
            self._tidy(rollout, "take away what the edge no longer needs", lambda: self._contract(target))
            self._tidy(rollout, "end what stack.egress admitted", lambda: host.through.let(target.stack.egress))
        rollout.left = self._left(rollout, is_back=is_back)

    def _left(self, rollout: Rollout, *, is_back: bool) -> str:
        """From what runs now, and from what users had been given: a step that was done may have been undone since."""
        if not is_back:
            edge = self._host.edge(rollout.target)
            return "switched" if _is_there(self._host.plan(rollout.target, self._host.observe(edge), edge)) else "mixed"
        worked = {
            replica.id
            for replica in rollout.before
            if replica.state is not State.DEAD and (replica.admitted or replica.service not in rollout.target.routed)
        }
        return "taken_back" if rollout.outcome.admitted or worked - self._running() else "as_before"

    def _running(self) -> set[str]:
        return {replica.id for replica in self._host.engine.observe(set()) if replica.state is not State.DEAD}

    def _way_back(self, rollout: Rollout, target: Target, edge: Edge) -> list[Step]:
        """Whatever ran before and still runs is good as it is, even where it was made from secrets that are no longer current."""
        wanted = {service.name: service.fingerprint for service in target.desired}
        # What a killed run left of the release that has failed is no better for having been there before.
        failed = {service.name: service.fingerprint for service in rollout.target.desired}
        before = {
            replica.id
            for replica in rollout.before
            if (replica.admitted or replica.service not in target.routed) and replica.fingerprint != failed.get(replica.service)
        }
        seen = [
            replace(replica, fingerprint=wanted.get(replica.service, ""), networks=None) if replica.id in before else replica
            for replica in self._host.observe(edge)
        ]
        return self._host.plan(target, seen, edge)


def _is_there(steps: Sequence[Step]) -> bool:
    """Whether all that is left to do on the way to a release is to remove what does not run."""
    return all(step.action is Action.SWEEP for step in steps)
