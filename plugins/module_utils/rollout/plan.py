# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner: from what should run and what does run, the steps that lead from one to the other. Pure.

Nothing is remembered between runs: after a crash the next plan starts from what is observed then, so it plans the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.reasons import outlives, why
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.step import EDGE, Action, Step
from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import DesiredService, Order, trouble
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica, State
from ansible_collections.morpheus.deploy.plugins.module_utils.service.routing import Routing, service_at


def plan(
    desired: Sequence[DesiredService],
    observed: Sequence[Replica],
    *,
    drain_seconds: float = 30.0,
    replace_created_before: float | None = None,
    routing: Routing | None = None,
) -> list[Step]:
    """The steps that make ``observed`` into ``desired``; empty when nothing is to do.

    Replicas created before ``replace_created_before`` (seconds since the epoch) count as outdated whatever they run: a
    restart. A route goes to its new service when the first candidates of that are admitted. When every service runs as it
    should, routes end that nobody wants any more, and only then the replicas that served them: those of services that are not
    desired, or not routed, any more.
    """
    pins = tuple(sorted((routing or Routing()).pins))
    routing = (routing or Routing()).pinned
    leading = routing.handed_over({service.name for service in desired if service.routed})
    by_service: dict[str, list[Replica]] = {}
    for replica in sorted(observed, key=lambda item: (item.service, item.number, item.name)):
        by_service.setdefault(replica.service, []).append(replica)
    steps = [Step(Action.PIN, EDGE, routes=pins)] if pins else []
    last: list[Step] = []
    # Service that has been planned -> those of its replicas that stay.
    staying: dict[str, Sequence[Replica]] = {}
    wave = first = len(steps)
    ordered = waves(desired, leading.givers())
    late = leading.late({name: number for number, names in enumerate(ordered) for name in names})
    for wave, names in enumerate(ordered, first):
        for service in (item for item in desired if item.name in names):
            found = by_service.pop(service.name, [])
            # One that outlives what it follows is like one that users get nothing from.
            found = [replace(one, unanswered=one.unanswered or outlives(one, service, staying)) for one in found]
            routes = {key: leading.wanted[key] for key in leading.to_take(service.name) if key not in late}
            rolled = _ServicePlan(service, found, drain_seconds, replace_created_before, routes)
            staying |= {service.name: rolled.keep} if service.replicas else {}
            if rolled.must_wait:
                last.extend(rolled.steps())
            else:
                steps.extend(replace(step, wave=wave) for step in rolled.steps())
            last.extend(rolled.last_steps())
    wave += 1
    for key in late:
        leads = leading.wanted[key]
        steps.append(take_over(service_at(leads), {key: leads}, wave))
        wave += 1
    if routing.to_end:
        steps.append(Step(Action.UNROUTE, EDGE, wave=wave, routes=routing.to_end))
        wave += 1
    for name, found in by_service.items():
        # A service that is gone from the files has no replicas to keep; whether it was routed shows in its replicas.
        gone = DesiredService(name, 0, "", routed=any(_has_users(replica) for replica in found))
        last.extend(_ServicePlan(gone, found, drain_seconds, None).steps())
    steps.extend(replace(step, wave=wave) for step in last)
    return steps


def waves(desired: Sequence[DesiredService], givers: Mapping[str, set[str]] | None = None) -> list[set[str]]:
    """Names of services in rolling order: each wave depends only on earlier ones.

    ``givers``: service -> those that take routes over from it. Its new replicas may not know these any more, so it comes later,
    unless depends_on or another route says otherwise.
    """
    known = {service.name for service in desired}
    waiting = {service.name: set(service.depends_on) & known for service in desired}
    takers = {name: (givers or {}).get(name, set()) & known for name in waiting}
    ordered: list[set[str]] = []
    while waiting:
        free = {name for name, needs in waiting.items() if not needs & waiting.keys()}
        if not free:
            raise DeployError(f"depends_on forms a cycle between the services {', '.join(sorted(waiting))}; take one away")
        ready = {name for name in free if not takers[name] & waiting.keys()} or free
        ordered.append(ready)
        waiting = {name: needs for name, needs in waiting.items() if name not in ready}
    return ordered


def take_over(service: str, routes: Mapping[str, str], wave: int = 0) -> Step:
    """``routes``: key -> destination."""
    leads = () if set(routes.values()) == {service} else tuple(routes.values())
    return Step(Action.ROUTE, service, wave=wave, routes=tuple(routes), leads=leads)


class _ServicePlan:
    def __init__(
        self,
        service: DesiredService,
        observed: Sequence[Replica],
        drain_seconds: float,
        replace_created_before: float | None,
        routes: Mapping[str, str] | None = None,
    ) -> None:
        """``routes``: keys that are to lead to this service and do not yet, with their destinations."""
        self.service = service
        self.drain_seconds = drain_seconds
        self.routes = routes or {}
        self.dead = [replica for replica in observed if replica.state is State.DEAD]
        alive = [replica for replica in observed if replica.state is not State.DEAD]
        current = [replica for replica in alive if _is_current(replica, service, replace_created_before)]
        # Compose would start a crash-looping replica of the wanted version again and again: it is replaced by a candidate.
        self.dead += [replica for replica in current if replica.state is State.RESTARTING]
        current = [replica for replica in current if replica.state is State.RUNNING]
        current.sort(key=lambda replica: not replica.admitted)
        self.keep = current[: service.replicas]
        stale = [replica for replica in alive if not _is_current(replica, service, replace_created_before)]
        # What serves nobody goes first, so that a batch never takes more of the serving ones than it brings.
        self.retire = sorted(stale, key=_serves) + current[service.replicas :]
        # What serves a route that the service has no longer goes on until that route has ended.
        serves_on = [one for one in self.retire if one.admitted and not service.routed]
        self.retire_last = serves_on if service.policy.order is Order.START_FIRST else []
        self.retire = [one for one in self.retire if one not in self.retire_last]
        self.reuse = [replica for replica in self.keep if service.routed and not replica.admitted]
        self.missing = service.replicas - len(self.keep)
        self.reason = why(service, stale, self.missing, len(self.keep))
        # What was a service that runs all the time goes first.
        self.job = [Step(Action.RUN, service.name, reason="once for each release")] if service.due else []

    def steps(self) -> list[Step]:
        service = self.service
        steps = [self._step(Action.SWEEP, self.dead)] if self.dead else []
        batches = self._batches()
        route = [take_over(service.name, self.routes)] if self.routes else []
        if route and not batches:
            batches = [([], 0, [])]
        takes_over = self._takes_over(batches)
        for number, (reuse, start, retire) in enumerate(batches):
            bring = self._bring(reuse, start)
            take = route if number == takes_over else []
            if service.policy.order is Order.STOP_FIRST and start:
                end = self._because_stop_first(self._end(retire), batches[:number])
                parts = [*self._let_go(retire), *end, *bring, *take, *self._watch(reuse, start)]
            else:
                parts = [*bring, *self._let_go(retire, [*take, *self._watch(reuse, start)]), *self._end(retire)]
            if service.policy.delay_seconds and number + 1 < len(batches):
                parts.append(Step(Action.PAUSE, service.name, seconds=service.policy.delay_seconds))
            steps.extend(replace(step, batch=number) for step in parts)
        return steps + self.job

    @property
    def must_wait(self) -> bool:
        """Whether it would leave a route that it has no longer with nobody before that route has ended."""
        stop_first = self.service.policy.order is Order.STOP_FIRST
        return stop_first and not self.service.routed and any(replica.admitted for replica in self.retire)

    def last_steps(self) -> list[Step]:
        """What is left to do once the routes have ended that nobody wants any more."""
        return [*self._let_go(self.retire_last), *self._end(self.retire_last)]

    def _batches(self) -> list[tuple[list[Replica], int, list[Replica]]]:
        """Per batch: running replicas to admit, how many to start, replicas to retire."""
        # Where nothing is replaced there is nothing to spare: all that is missing starts at once.
        size = (self.retire and self.service.policy.parallelism) or max(1, self.service.replicas, len(self.retire))
        stop_first = self.service.policy.order is Order.STOP_FIRST
        bring = [*self.reuse, *[None] * self.missing]
        retire = list(self.retire)
        batches: list[tuple[list[Replica], int, list[Replica]]] = []
        too_much, gone = self._imbalance()
        while bring or retire:
            taken, bring = bring[:size], bring[size:]
            # Start-first may let go of all that is left once the last candidates serve; stop-first only one batch each time.
            let_go = max(0, size - gone) + too_much if stop_first else size if bring else len(retire)
            too_much, gone = 0, max(0, gone - size)
            going, retire = retire[:let_go], retire[let_go:]
            reuse = [replica for replica in taken if replica is not None]
            batches.append((reuse, len(taken) - len(reuse), going))
        return batches

    def _takes_over(self, batches: Sequence[tuple[list[Replica], int, list[Replica]]]) -> int:
        """The batch in which the service takes its new routes over: the first one after whose drain no incumbent gets new
        requests. An incumbent of another release may not know the paths that come to this one.
        """
        stale = [number for number, (_, _, retire) in enumerate(batches) if any(map(self._may_not_know, retire))]
        return max(stale, default=0)

    def _may_not_know(self, replica: Replica) -> bool:
        return _serves(replica) and replica.fingerprint != self.service.fingerprint

    def _imbalance(self) -> tuple[int, int]:
        """(replicas that a stop-first service lets go with its first batch beside those of the batch, replicas that it lacks).

        What it lacks, as after a crash, comes back before others go, unless old and new may not live side by side.
        """
        if self.service.policy.exclusive:
            return max(0, len(self.retire) - self.missing), 0
        running = [one for one in [*self.keep, *self.retire] if one.state is State.RUNNING]
        serving = [one for one in running if not self.service.routed or one.admitted]
        idle = sum(one not in serving for one in self.retire)
        surplus = len(serving) - self.service.replicas
        return idle + max(0, surplus), max(0, -surplus)

    def _bring(self, reuse: list[Replica], start: int) -> list[Step]:
        if not reuse and not start:
            return []
        names, count = tuple(replica.name for replica in reuse), len(reuse) + start
        steps = [Step(Action.START, self.service.name, count=start, reason=self.reason)] if start else []
        steps.append(Step(Action.GATE, self.service.name, count=count, replicas=names))
        if self.service.routed:
            steps.append(Step(Action.ADMIT, self.service.name, count=count, replicas=names))
        return steps

    def _watch(self, reuse: list[Replica], start: int) -> list[Step]:
        if not (reuse or start) or not self.service.policy.monitor_seconds:
            return []
        names = tuple(replica.name for replica in reuse)
        seconds = self.service.policy.monitor_seconds
        return [Step(Action.WATCH, self.service.name, count=len(reuse) + start, replicas=names, seconds=seconds)]

    def _let_go(self, retire: list[Replica], meanwhile: Sequence[Step] = ()) -> list[Step]:
        """Drain first, and do what is to be done ``meanwhile``: the incumbents stay up, ready to be admitted again, until a watch
        is over.
        """
        routed = [replica for replica in retire if self.service.routed or _has_users(replica)]
        drain = [self._step(Action.DRAIN, routed)] if routed else []
        wait = [replace(self._step(Action.AWAIT, routed), seconds=self.drain_seconds)] if routed else []
        return [*drain, *meanwhile, *wait]

    def _end(self, retire: list[Replica]) -> list[Step]:
        return [self._step(Action.STOP, retire), self._step(Action.REMOVE, retire)] if retire else []

    def _because_stop_first(self, steps: list[Step], done: Sequence[tuple[list[Replica], int, list[Replica]]]) -> list[Step]:
        """Say what a stop before a start means. ``done``: the batches before it."""
        exclusive = self.service.policy.exclusive
        why = f"stop-first: {exclusive}" if exclusive else "stop-first: its file says so"
        gone = {replica.name for _, _, retired in done for replica in retired}
        brought = {replica.name for reused, _, _ in done for replica in reused}
        going = {name for step in steps for name in step.replicas}
        there = {
            replica.name
            for replica in [*self.keep, *self.retire]
            if replica.state is State.RUNNING and (not self.service.routed or replica.admitted or replica.name in brought)
        } - gone
        others = len(there - going) + sum(started for _, started, _ in done)
        interrupts = why if there & going and not others else ""
        reason = f"interrupts {self.service.name}; {why}" if interrupts else why
        return [replace(step, reason=reason, interrupts=interrupts) if step.action is Action.STOP else step for step in steps]

    def _step(self, action: Action, replicas: Iterable[Replica]) -> Step:
        return Step(action, self.service.name, replicas=tuple(replica.name for replica in replicas))


def _is_current(replica: Replica, service: DesiredService, replace_created_before: float | None) -> bool:
    if replace_created_before is not None and replica.created < replace_created_before:
        return False
    return service.replicas > 0 and replica.fingerprint == service.fingerprint and not trouble(replica, service)


def _serves(replica: Replica) -> bool:
    return replica.admitted and replica.state is State.RUNNING and not replica.cut_off


def _has_users(replica: Replica) -> bool:
    """Whether it may hold requests: one that a killed run has drained is admitted no more, and still has what it had begun."""
    return replica.admitted or replica.port > 0
