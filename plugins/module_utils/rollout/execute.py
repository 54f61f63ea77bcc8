# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""The executor: does the planner's steps, one service beside the other, and takes a failed batch back.

It knows the engine, the edge and the gate only by their verbs, so its rules can be tried against a simulated host.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any, Protocol

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, GateError
from ansible_collections.morpheus.deploy.plugins.module_utils.health.gate import Clock, Condemned, Health
from ansible_collections.morpheus.deploy.plugins.module_utils.health.user_errors import Answered, Users
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.cut import Count, Cut
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.step import Action, Step
from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import DesiredService, UpdatePolicy
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica, State
from ansible_collections.morpheus.deploy.plugins.module_utils.service.routing import reached
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import explained

POLL_SECONDS = 0.05
# A little more than "timeout http-keep-alive" of the edge.
IDLE_SECONDS = 80.0
# How long requests on a failed candidate may take to end; it answers badly, so this is short.
TAKE_BACK_SECONDS = 5.0


class EngineVerbs(Protocol):
    def observe(self) -> list[Replica]:
        """Every replica of the project, with what the edge admits."""
        ...

    def start(self, service: str, total: int) -> None:
        """Start replicas in the desired configuration until the service has ``total``."""
        ...

    def stop(self, replicas: Sequence[Replica], grace_seconds: float | None) -> None:
        """``grace_seconds``: None for what each container was made with."""
        ...

    def remove(self, replicas: Sequence[Replica]) -> None: ...

    def last_words(self, replica: Replica) -> str: ...

    def ended_at(self, replica: Replica) -> float | None:
        """When a stopped replica ended, in seconds since the epoch; None when that is not known."""
        ...


class EdgeVerbs(Protocol):
    def admit(self, service: str, replicas: Sequence[Replica]) -> None: ...

    def drain(self, service: str, replicas: Sequence[Replica]) -> None: ...

    def forget(self, service: str, replicas: Sequence[Replica]) -> None: ...

    def routes(self) -> Mapping[str, str]:
        """Where the routes lead now: key -> service."""
        ...

    def route(self, routes: Mapping[str, str]) -> None:
        """Let new requests for each key go to a service (empty: to none)."""
        ...

    def busy(self, service: str, replica: Replica) -> Busy: ...

    def counts(self, service: str, replica: Replica) -> Mapping[int, Count]:
        """What ``busy`` counts, by worker of the edge, and what the replica has broken off."""
        ...

    def answered(self, service: str, names: Sequence[str]) -> dict[str, Answered]:
        """Name of a replica that has a place at the edge -> what users got from this place so far, whoever had it."""
        ...


class GateVerbs(Protocol):
    def wait(self, service: str, replicas: Sequence[Replica]) -> list[Health]: ...

    def watch(self, service: str, replicas: Sequence[Replica], seconds: float, condemned: Condemned) -> list[Health]: ...


@dataclass(frozen=True)
class Busy:
    """Sessions that a replica still holds: requests end by themselves, tunnels end when the application closes them.

    ``idle``: connections of users that hold none now, and on which the next request would come to this replica all the same.
    """

    requests: int = 0
    tunnels: int = 0
    idle: int = 0

    @property
    def total(self) -> int:
        return self.requests + self.tunnels


@dataclass
class Outcome:
    """What a rollout did. ``drained`` and ``cut`` count sessions of replicas that were stopped; ``failures`` has words.

    ``left_behind`` counts sessions that a worker from before a reload of the edge still holds, and that end with it by force.
    ``errors`` counts requests that candidates answered with 5xx between their admission and the end of their watch.
    ``interrupted``: service that was gone for a while -> why. ``admitted``: whether a candidate was given to users, for however
    short a time.
    """

    done: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    gates: list[dict[str, Any]] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    spent: dict[tuple[str, str], float] = field(default_factory=dict)
    drained: int = 0
    cut: int = 0
    errors: int = 0
    left_behind: int = 0
    interrupted: dict[str, str] = field(default_factory=dict)
    admitted: bool = False

    def spend(self, service: str, action: Action, seconds: float) -> None:
        key = (service, action.value)
        self.spent[key] = self.spent.get(key, 0.0) + seconds

    @property
    def seconds(self) -> dict[str, float]:
        """Wall seconds by kind of step; of services, which roll side by side, the one that took longest."""
        found: dict[str, float] = {}
        for (_, action), seconds in self.spent.items():
            found[action] = round(max(found.get(action, 0.0), seconds), 3)
        return found


# (event, step) -> None: writes intent and outcome of each step
Record = Callable[[str, Step], None]


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
        self._guard = guard
        self._drain_seconds = drain_seconds
        self._desired = {service.name: service for service in desired}
        self._engine = engine
        self._edge = edge
        self._gate = gate
        self._clock = clock
        self._record = record

    def run(self, steps: Sequence[Step]) -> Outcome:
        """Do ``steps`` wave by wave. A failed service stops the ones beside it at their next safe point and is taken back."""
        outcome = Outcome()
        lock = Lock()
        for wave in sorted({step.wave for step in steps}):
            by_service: dict[str, list[Step]] = {}
            for step in (step for step in steps if step.wave == wave):
                by_service.setdefault(step.service, []).append(step)
            barriers = {action: _Barrier(sum(_meets(action, own) for own in by_service.values())) for action in _BARRIERS}
            rollouts = [
                _ServiceRollout(self, self._desired.get(name), own, outcome, lock, barriers) for name, own in by_service.items()
            ]
            with ThreadPoolExecutor(max(1, len(rollouts))) as pool:
                futures: list[Future[None]] = [pool.submit(rollout.run) for rollout in rollouts]
                wait(futures)
            for future in futures:
                future.result()
            if outcome.failures:
                break
        return outcome


# Services of a wave meet after their first gate, so that a failed one finds none switched; and when their first watch is over,
# before they let incumbents go, so that a failed one can let all of them serve again at once.
_BARRIERS = (Action.GATE, Action.STOP)
_LETTING_GO = (Action.AWAIT, Action.STOP)


def _meets(action: Action, steps: Sequence[Step]) -> bool:
    """Whether a service waits for the others at ``action``: it must bring candidates, and before it stops anything."""
    actions = [step.action for step in steps]
    if Action.GATE not in actions or action not in actions:
        return False
    return action is Action.GATE or actions.index(Action.GATE) < actions.index(action)


class _Barrier:
    """Where the services of a wave meet. A failed one opens it for all, so nobody waits for ever."""

    def __init__(self, parties: int) -> None:
        self._waiting = parties
        self._lock = Lock()
        self._open = Event()
        self.failed = False

    def arrive(self) -> None:
        """Wait for the others, or until one has failed."""
        with self._lock:
            self._waiting -= 1
            if self._waiting <= 0:
                self._open.set()
        self._open.wait()

    def fail(self) -> None:
        self.failed = True
        self._open.set()


class _ServiceRollout:
    """One service's steps, in order, with the candidates of the batch that is under way."""

    def __init__(
        self,
        executor: Executor,
        desired: DesiredService | None,
        steps: Sequence[Step],
        outcome: Outcome,
        lock: Lock,
        barriers: Mapping[Action, _Barrier],
    ) -> None:
        self._x = executor
        self._desired = desired
        self._service = steps[0].service
        self._steps = steps
        self._outcome = outcome
        self._lock = lock
        self._barriers = barriers
        self._to_meet = {action for action in barriers if _meets(action, steps)}
        self._batch = -1
        # Whether an incumbent of this batch has been told to stop, whether its candidates have been found well, and whether they
        # are to be watched.
        self._ending = self._healthy = self._watched = False
        self._started: list[Replica] = []
        self._reused: list[Replica] = []
        self._drained: list[Replica] = []
        self._drained_at = 0.0
        # Routes that this batch has changed -> where they led before.
        self._routed: dict[str, str] = {}
        self._users = Users(
            lambda names: executor._edge.answered(self._service, names),
            desired.policy.max_failure_ratio if desired else UpdatePolicy.max_failure_ratio,
        )

    def run(self) -> None:
        handlers: Mapping[Action, Callable[[Step], None]] = {
            Action.SWEEP: self._remove,
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
            Action.PAUSE: lambda step: self._x._clock.sleep(step.seconds),
        }
        try:
            for step in self._steps:
                if step.batch != self._batch:
                    self._begin_batch(step.batch)
                self._stop_here_if_a_neighbour_failed(step.action)
                self._x._guard()
                self._x._record("intent", step)
                before = self._x._clock.now()
                handlers[step.action](step)
                self._x._record("done", step)
                with self._lock:
                    self._outcome.spend(self._service, step.action, self._x._clock.now() - before)
                    self._outcome.done.append(str(step))
        except _NeighbourFailedError:
            self._take_back()
        except (DeployError, OSError) as exc:
            self._open_barriers()
            self._x._record("failed", step)
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
        if action in (Action.START, Action.ADMIT, *_LETTING_GO):
            self._give_way()
        # Once the first incumbent of a batch has been told to stop, the batch is carried to its end.
        self._ending = self._ending or action is Action.STOP

    def _meet(self, action: Action) -> None:
        if action in self._to_meet:
            self._to_meet.remove(action)
            self._barriers[action].arrive()

    def _give_way(self) -> None:
        if any(barrier.failed for barrier in self._barriers.values()) and not self._ending:
            raise _NeighbourFailedError

    def _begin_batch(self, number: int) -> None:
        self._batch = number
        self._ending = self._healthy = False
        self._started, self._reused, self._drained, self._routed = [], [], [], {}
        own = [step for step in self._steps if step.batch == number]
        self._watched = any(step.action is Action.WATCH for step in own)
        if self._watched:
            self._users.look_at_incumbents([name for step in own if step.action is Action.DRAIN for name in step.replicas])

    def _candidates(self) -> list[Replica]:
        return [*self._reused, *self._started]

    def _start(self, step: Step) -> None:
        before = self._own()
        known = {replica.id for replica in before}
        try:
            self._x._engine.start(self._service, len(before) + step.count)
        finally:
            # Also when Compose failed half-way: what it left behind must be found to be taken back.
            self._started = [replica for replica in self._own() if replica.id not in known]
        if len(self._started) != step.count:
            raise DeployError(
                f'service "{self._service}": {step.count} candidates were to start, {len(self._started)} did. '
                "Is something else changing the containers of this project?"
            )
        with self._lock:
            self._outcome.started += [replica.name for replica in self._started]

    def _pass_gate(self, step: Step) -> None:
        self._reused = self._named(step.replicas)
        results = self._x._gate.wait(self._service, self._candidates())
        self._judge(results, "did not pass its gate")
        self._healthy = True
        self._meet(Action.GATE)
        self._give_way()

    def _admit(self, step: Step) -> None:
        candidates = self._candidates()
        # First, because an edge that breaks off half-way may have let some of them in.
        self._outcome.admitted = True
        self._x._edge.admit(self._service, candidates)
        if self._watched:
            self._users.look_at_candidates([replica.name for replica in candidates])

    def _route(self, step: Step) -> None:
        before = self._x._edge.routes()
        # First, so that a change that breaks off half-way can be taken back.
        self._routed |= {key: before.get(key, "") for key in step.routes}
        services = {Action.ROUTE: self._service, Action.UNROUTE: ""}
        self._x._edge.route({key: services.get(step.action, reached(before, key)) for key in step.routes})

    def _watch(self, step: Step) -> None:
        results = self._x._gate.watch(self._service, self._candidates(), step.seconds, self._users.condemn)
        self._judge(results, f"failed within {step.seconds:g} s after it was admitted")
        complaint = self._users.complaint()
        if complaint:
            self._healthy = False
            raise GateError(
                f'service "{self._service}" failed within {step.seconds:g} s after it was admitted: {complaint}',
                self._users.worst(),
            )
        self._count_errors()

    def _count_errors(self) -> None:
        """To be called at the end of the watch of a batch, while its candidates still hold their slots."""
        bad = self._users.end()
        with self._lock:
            self._outcome.errors += bad

    def _judge(self, results: Sequence[Health], failed: str) -> None:
        with self._lock:
            self._outcome.gates += [{"service": self._service, **health.as_dict()} for health in results]
        bad = [health for health in results if not health.healthy]
        if not bad:
            return
        self._healthy = False
        worst = min(bad, key=lambda health: health.cut_short)
        raise GateError(
            f'service "{self._service}": {worst.name} {failed}: after {worst.attempts} attempts in {worst.seconds:.1f} s '
            f"the last answer of {worst.url} was: {worst.violation}.",
            worst.name,
        )

    def _with_last_words(self, failure: DeployError | OSError) -> str:
        name = failure.candidate if isinstance(failure, GateError) else ""
        words = next((self._x._engine.last_words(replica) for replica in self._candidates() if replica.name == name), "")
        reason = explained(failure)
        return f"{reason}\nThe last log lines of {name}:\n{words}" if words else reason

    def _drain(self, step: Step) -> None:
        # Only what served may serve again: a replica that a crashed run left behind has perhaps never passed a gate.
        self._drained = [replica for replica in self._named(step.replicas) if replica.admitted and not replica.cut_off]
        self._x._edge.drain(self._service, self._named(step.replicas))
        # Not before: while the edge was busy with a neighbour, requests still came in.
        self._drained_at = self._x._clock.now()

    def _await(self, step: Step) -> None:
        """Until no request is left on the drained replicas, seen twice: one could be on its way between two looks."""
        self._let_end(self._named(step.replicas), step.seconds - (self._x._clock.now() - self._drained_at))

    def _let_end(self, replicas: Sequence[Replica], seconds: float) -> None:
        """Wait until ``replicas`` hold no request, or ``seconds`` have passed, and count the sessions that ended meanwhile.

        Idle connections are waited for as long as the edge keeps them: their requests have not even begun.
        """
        start = self._x._clock.now()
        deadline, patience = start + seconds, start + max(seconds, IDLE_SECONDS)
        most = left = 0
        quiet = 0
        while quiet < 2:
            self._x._guard()
            busy = [self._x._edge.busy(self._service, replica) for replica in replicas]
            left = sum(one.total for one in busy)
            most = max(most, left)
            idle = any(one.idle for one in busy)
            quiet = 0 if idle or any(one.requests for one in busy) else quiet + 1
            if self._x._clock.now() >= (patience if idle else deadline):
                break
            if quiet < 2:
                self._x._clock.sleep(POLL_SECONDS)
        with self._lock:
            self._outcome.drained += most - left

    def _stop(self, step: Step) -> None:
        """Stop with the grace period, and count what is cut."""
        if step.interrupts:
            with self._lock:
                self._outcome.interrupted[self._service] = step.interrupts
        self._stop_and_count(self._named(step.replicas), self._grace_seconds(), watched=bool(self._drained))

    def _grace_seconds(self) -> float | None:
        """None where the service is not in the release any more: its containers know their own."""
        return self._desired.stop_grace_seconds if self._desired else None

    def _stop_and_count(self, replicas: Sequence[Replica], grace: float | None, *, watched: bool) -> None:
        by_name = {replica.name: replica for replica in replicas}
        cut = Cut(
            lambda name: self._x._edge.counts(self._service, by_name[name]),
            list(by_name),
            lambda name: self._x._engine.ended_at(by_name[name]),
        )
        with cut if watched else nullcontext():
            self._x._engine.stop(replicas, grace)
        with self._lock:
            self._outcome.cut += cut.total

    def _remove(self, step: Step) -> None:
        replicas = self._named(step.replicas)
        self._x._engine.remove(replicas)
        self._x._edge.forget(self._service, replicas)
        with self._lock:
            self._outcome.removed += [replica.name for replica in replicas]

    def _take_back(self, failure: DeployError | OSError | None = None) -> None:
        """Candidates of the batch under way go, its incumbents serve again; finished batches are another plan's matter.

        ``failure`` is why, unless a neighbour failed. Users first: words are looked for once the incumbents serve.
        """
        self._x._guard()
        said = str(failure or "")
        trouble = ""
        try:
            self._let_incumbents_serve()
            said = self._with_last_words(failure) if failure else ""
            self._remove_candidates()
        except (DeployError, OSError) as exc:
            trouble = f'service "{self._service}" could not be taken back: {explained(exc)}'
        with self._lock:
            self._outcome.failures += [text for text in (said, trouble) if text]

    def _let_incumbents_serve(self) -> None:
        # Routes first: incumbents may not know what has come to their service.
        if self._routed and not self._keeps_candidates:
            self._x._edge.route(self._routed)
        alive = {replica.id for replica in self._own() if replica.state is State.RUNNING}
        self._x._edge.admit(self._service, [replica for replica in self._drained if replica.id in alive])
        if not self._keeps_candidates:
            self._x._edge.drain(self._service, self._candidates())

    @property
    def _keeps_candidates(self) -> bool:
        """Whether their incumbents have been told to stop, so that these serve. What is left to do is in the next plan."""
        return self._healthy and self._ending

    def _remove_candidates(self) -> None:
        candidates = [replica for replica in self._own() if replica.id in {one.id for one in self._candidates()}]
        if not candidates or self._keeps_candidates:
            return
        # One that answers badly is not given long; one that only gives way to a neighbour ends what it has begun.
        seconds = self._x._drain_seconds if self._healthy else TAKE_BACK_SECONDS
        grace = self._grace_seconds() if self._healthy else TAKE_BACK_SECONDS
        self._let_end(candidates, seconds)
        self._count_errors()
        self._stop_and_count(candidates, grace, watched=True)
        self._x._engine.remove(candidates)
        self._x._edge.forget(self._service, candidates)

    def _own(self) -> list[Replica]:
        return [replica for replica in self._x._engine.observe() if replica.service == self._service]

    def _named(self, names: Sequence[str]) -> list[Replica]:
        return [replica for replica in self._own() if replica.name in names]


class _NeighbourFailedError(Exception):
    """Another service of the wave failed: this one stops where it can be taken back."""
