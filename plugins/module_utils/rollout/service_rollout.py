# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One service's steps, done in order, and taken back when one fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, GateError
from ansible_collections.morpheus.deploy.plugins.module_utils.health.seen import Health
from ansible_collections.morpheus.deploy.plugins.module_utils.health.user_errors import Users
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout import ending
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.barrier import Barrier, meets
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.batch import Batch
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.outcome import Outcome
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.step import Action, Step
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.verbs import Means
from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import DesiredService, UpdatePolicy
from ansible_collections.morpheus.deploy.plugins.module_utils.service.killed import Killed, as_dict, sentence
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica, State
from ansible_collections.morpheus.deploy.plugins.module_utils.service.routing import reached
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import explained

# How long requests on a failed candidate may take to end; it answers badly, so this is short.
TAKE_BACK_SECONDS = 5.0
_LETTING_GO = (Action.AWAIT, Action.STOP)


class ServiceRollout:
    """One service's steps, in order, with the candidates of the batch that is under way."""

    def __init__(
        self,
        means: Means,
        desired: DesiredService | None,
        steps: Sequence[Step],
        outcome: Outcome,
        barriers: Mapping[Action, Barrier],
    ) -> None:
        self._means = means
        self._desired = desired
        self._service = steps[0].service
        self._steps = steps
        self._outcome = outcome
        self._barriers = barriers
        self._to_meet = {action for action in barriers if meets(action, steps)}
        self._batch = Batch()
        # Whether no replica of it was there before this one.
        self._first = False
        self._users = Users(
            lambda names: means.edge.answered(self._service, names),
            desired.policy.max_failure_ratio if desired else UpdatePolicy.max_failure_ratio,
        )

    def run(self) -> None:
        handlers: Mapping[Action, Callable[[Step], None]] = {
            Action.SWEEP: self._remove,
            Action.RUN: lambda step: self._means.engine.run_job(self._service),
            Action.START: self._start,
            Action.GATE: self._pass_gate,
            Action.ADMIT: self._admit,
            Action.PIN: self._route,
            Action.ROUTE: self._route,
            Action.UNROUTE: self._route,
            Action.DRAIN: self._drain,
            Action.WATCH: self._watch,
            Action.AWAIT: self._await,
            Action.STOP: self._stop,
            Action.REMOVE: self._remove,
            Action.PAUSE: lambda step: self._means.clock.sleep(step.seconds),
        }
        try:
            for step in self._steps:
                if step.batch != self._batch.number:
                    self._begin_batch(step.batch)
                self._stop_here_if_a_neighbour_failed(step.action)
                self._means.guard()
                self._means.record("intent", step)
                before = self._means.clock.now()
                handlers[step.action](step)
                self._means.record("done", step)
                self._outcome.did(step, self._means.clock.now() - before)
        except _NeighbourFailedError:
            self._take_back()
        except (DeployError, OSError) as exc:
            self._open_barriers()
            self._means.record("failed", step)
            self._take_back(exc)
        except BaseException:
            # What nobody foresaw must not leave the other services waiting for this one.
            self._open_barriers()
            raise

    def _open_barriers(self) -> None:
        for barrier in self._barriers.values():
            barrier.fail()

    def _stop_here_if_a_neighbour_failed(self, action: Action) -> None:
        if action in _LETTING_GO:
            self._meet(Action.STOP)
        if action in (Action.RUN, Action.START, Action.ADMIT, *_LETTING_GO):
            self._give_way()
        # Once the first incumbent of a batch has been told to stop, the batch is carried to its end.
        self._batch.ending = self._batch.ending or action is Action.STOP

    def _meet(self, action: Action) -> None:
        if action in self._to_meet:
            self._to_meet.remove(action)
            self._barriers[action].arrive()

    def _give_way(self) -> None:
        if any(barrier.failed for barrier in self._barriers.values()) and not self._batch.ending:
            raise _NeighbourFailedError

    def _begin_batch(self, number: int) -> None:
        own = [step for step in self._steps if step.batch == number]
        self._batch = Batch(number, watched=any(step.action is Action.WATCH for step in own))
        if self._batch.watched:
            self._users.look_at_incumbents([name for step in own if step.action is Action.DRAIN for name in step.replicas])

    def _start(self, step: Step) -> None:
        before = self._own()
        # What has data stops before its successor starts, and is not seen here any more.
        self._first = not before and not any(one.action in (Action.STOP, Action.SWEEP) for one in self._steps)
        known = {replica.id for replica in before}
        try:
            self._means.engine.start(self._service, len(before) + step.count)
        finally:
            # Also when Compose failed half-way: what it left behind must be found to be taken back.
            self._batch.started = [replica for replica in self._own() if replica.id not in known]
        if len(self._batch.started) != step.count:
            raise DeployError(
                f'service "{self._service}": {step.count} candidates were to start, {len(self._batch.started)} did. '
                "Is something else changing the containers of this project?"
            )
        self._outcome.has_started(self._batch.started)
        self._means.tell("started", self._service, replicas=[replica.name for replica in self._batch.started])

    def _pass_gate(self, step: Step) -> None:
        self._batch.reused = self._named(step.replicas)
        results = self._means.gate.wait(self._service, self._batch.candidates)
        self._judge(step, results, "did not pass its gate")
        self._batch.healthy = True
        self._meet(Action.GATE)
        self._give_way()

    def _admit(self, step: Step) -> None:
        candidates = self._batch.candidates
        # First, because an edge that breaks off half-way may have let some of them in.
        self._outcome.admitted = True
        self._means.edge.admit(self._service, candidates)
        if self._batch.watched:
            self._users.look_at_candidates([replica.name for replica in candidates])

    def _route(self, step: Step) -> None:
        before = self._means.edge.routes()
        # First, so that a change that breaks off half-way can be taken back.
        self._batch.routed |= {key: before.get(key, "") for key in step.routes}
        leads = dict(zip(step.routes, step.leads, strict=True)) if step.leads else {}
        services = {Action.ROUTE: self._service, Action.UNROUTE: ""}
        self._means.edge.route(
            {key: leads[key] if leads else services.get(step.action, reached(before, key)) for key in step.routes}
        )

    def _watch(self, step: Step) -> None:
        results = self._means.gate.watch(self._service, self._batch.candidates, step.seconds, self._condemn)
        self._judge(step, results, f"failed within {step.seconds:g} s after it was admitted")
        complaint = self._users.complaint()
        if complaint:
            self._batch.healthy = False
            raise GateError(
                f'service "{self._service}" failed within {step.seconds:g} s after it was admitted: {complaint}',
                self._users.worst(),
            )
        self._count_errors()

    def _condemn(self) -> bool:
        condemned = self._users.condemn()
        seen = self._users.seen
        self._means.tell("users", self._service, requests=seen.total, errors=seen.bad)
        return condemned

    def _count_errors(self) -> None:
        """To be called at the end of the watch of a batch, while its candidates still hold their slots."""
        self._outcome.count(errors=self._users.end())

    def _judge(self, step: Step, results: Sequence[Health], failed: str) -> None:
        self._outcome.was_judged(self._service, step.action.value, results)
        for health in results:
            said = {"attempts": health.attempts, "healthy": health.healthy, "last": health.violation}
            self._means.tell("judged", self._service, replica=health.name, **said)
        bad = [health for health in results if not health.healthy]
        if not bad:
            return
        self._batch.healthy = False
        worst = min(bad, key=lambda health: health.cut_short)
        raise GateError(
            f'service "{self._service}": {worst.name} {failed}: after {worst.attempts} attempts in {worst.seconds:.1f} s '
            f"the last answer of {worst.url} was: {worst.violation}.",
            worst.name,
        )

    def _with_last_words(self, failure: DeployError | OSError) -> str:
        name = failure.candidate if isinstance(failure, GateError) else ""
        words = next((self._means.engine.last_words(replica) for replica in self._batch.candidates if replica.name == name), "")
        reason = explained(failure)
        told = f"{reason}\nThe last log lines of {name}:\n{words}" if words else reason
        advice = self._means.engine.advice(self._service, told, first=self._first) if name else ""
        return f"{told}\n{advice}" if advice else told

    def _drain(self, step: Step) -> None:
        # Only what served may serve again: a replica that a crashed run left behind has perhaps never passed a gate.
        self._batch.drained = [replica for replica in self._named(step.replicas) if replica.admitted and not replica.cut_off]
        self._means.edge.drain(self._service, self._named(step.replicas))
        # Not before: while the edge was busy with a neighbour, requests still came in.
        self._batch.drained_at = self._means.clock.now()

    def _await(self, step: Step) -> None:
        """Until no request is left on the drained replicas, seen twice: one could be on its way between two looks."""
        seconds = step.seconds - (self._means.clock.now() - self._batch.drained_at)
        self._let_end(self._named(step.replicas), seconds)

    def _let_end(self, replicas: Sequence[Replica], seconds: float) -> None:
        self._outcome.count(drained=ending.let_end(self._means, self._service, replicas, seconds))

    def _stop(self, step: Step) -> None:
        """Stop with the grace period, and count what is cut."""
        if step.interrupts:
            self._outcome.was_interrupted(self._service, step.interrupts)
        self._tell(self._stop_and_count(self._named(step.replicas), self._grace_seconds(), watched=bool(self._batch.drained)))

    def _grace_seconds(self) -> float | None:
        """None where the service is not in the release any more: its containers know their own."""
        return self._desired.stop_grace_seconds if self._desired else None

    def _stop_and_count(self, replicas: Sequence[Replica], grace: float | None, *, watched: bool) -> list[Killed]:
        cut, killed = ending.stop(self._means, self._service, replicas, grace, watched=watched)
        self._outcome.count(cut=cut)
        return killed

    def _tell(self, killed: Sequence[Killed]) -> None:
        if killed and self._outcome.was_killed(self._service, killed):
            self._means.tell("killed", self._service, text=sentence(**as_dict(self._service, killed)))

    def _remove(self, step: Step) -> None:
        replicas = self._named(step.replicas)
        self._means.engine.remove(replicas)
        self._means.edge.forget(self._service, replicas)
        self._outcome.has_removed(replicas)

    def _take_back(self, failure: DeployError | OSError | None = None) -> None:
        """Candidates of the batch under way go, its incumbents serve again; finished batches are another plan's matter.

        ``failure`` is why, unless a neighbour failed. Users first: words are looked for once the incumbents serve.
        """
        self._means.guard()
        said = str(failure or "")
        trouble = ""
        try:
            self._let_incumbents_serve()
            said = self._with_last_words(failure) if failure else ""
            self._remove_candidates()
        except (DeployError, OSError) as exc:
            trouble = f'service "{self._service}" could not be taken back: {explained(exc)}'
        self._outcome.failed(said, trouble)

    def _let_incumbents_serve(self) -> None:
        # Routes first: incumbents may not know what has come to their service.
        if self._batch.routed and not self._batch.keeps_candidates:
            self._means.edge.route(self._batch.routed)
        alive = {replica.id for replica in self._own() if replica.state is State.RUNNING}
        self._means.edge.admit(self._service, [replica for replica in self._batch.drained if replica.id in alive])
        if not self._batch.keeps_candidates:
            self._means.edge.drain(self._service, self._batch.candidates)

    def _remove_candidates(self) -> None:
        candidates = [replica for replica in self._own() if replica.id in {one.id for one in self._batch.candidates}]
        if not candidates or self._batch.keeps_candidates:
            return
        # One that answers badly is not given long; one that only gives way to a neighbour ends what it has begun.
        seconds = self._means.drain_seconds if self._batch.healthy else TAKE_BACK_SECONDS
        grace = self._grace_seconds() if self._batch.healthy else TAKE_BACK_SECONDS
        if not self._desired or self._desired.routed or any(replica.port for replica in candidates):
            self._let_end(candidates, seconds)
        self._count_errors()
        killed = self._stop_and_count(candidates, grace, watched=True)
        self._tell(killed if self._batch.healthy else [])
        self._means.engine.remove(candidates)
        self._means.edge.forget(self._service, candidates)

    def _own(self) -> list[Replica]:
        return [replica for replica in self._means.engine.observe() if replica.service == self._service]

    def _named(self, names: Sequence[str]) -> list[Replica]:
        return [replica for replica in self._own() if replica.name in names]


class _NeighbourFailedError(Exception):
    """Another service of the wave failed: this one stops where it can be taken back."""
