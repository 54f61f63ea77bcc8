# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""The planner: from what should run and what does run, the steps that lead from one to the other. Pure.

Nothing is remembered between runs: after a crash the next plan starts from what is observed then, so it plans the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError

# The edge's home: its published ports are there, and replicas that a version from before networks of stacks has started.
EDGE_NETWORK = "edge"


def stack_network(stack: str) -> str:
    """The network on which the edge reaches the replicas of one stack. No project of Compose can have a dot in its name."""
    return f"{EDGE_NETWORK}.{stack}"


def is_edges(network: str) -> bool:
    """Whether the edge reaches replicas on it: a stack's, or its home."""
    return network == EDGE_NETWORK or network.startswith(stack_network(""))


class Order(str, Enum):
    START_FIRST = "start-first"
    STOP_FIRST = "stop-first"


class FailureAction(str, Enum):
    ROLLBACK = "rollback"
    PAUSE = "pause"


class Action(str, Enum):
    """What a step does, in the words that operators read."""

    SWEEP = "sweep"
    START = "start"
    GATE = "gate"
    ADMIT = "admit"
    PIN = "pin"
    ROUTE = "route"
    DRAIN = "drain"
    WATCH = "watch"
    AWAIT = "await"
    STOP = "stop"
    REMOVE = "remove"
    UNROUTE = "unroute"
    PAUSE = "pause"


class State(str, Enum):
    RUNNING = "running"
    RESTARTING = "restarting"
    DEAD = "dead"


@dataclass(frozen=True)
class UpdatePolicy:
    """Compose's ``deploy.update_config``. ``parallelism`` 0 means all replicas at the same time; times are seconds.

    ``max_failure_ratio``: which share of requests watched candidates may answer with 5xx. ``exclusive``: why two replicas may not
    live side by side, in words about the service; empty when they may.
    """

    parallelism: int = 1
    delay_seconds: float = 0.0
    order: Order = Order.START_FIRST
    failure_action: FailureAction = FailureAction.PAUSE
    monitor_seconds: float = 0.0
    max_failure_ratio: float = 0.1
    exclusive: str = ""


@dataclass(frozen=True)
class DesiredService:
    """How one service should run. ``fingerprint`` names its whole configuration, image content and secrets included."""

    name: str
    replicas: int
    fingerprint: str
    image: str = ""
    routed: bool = False
    policy: UpdatePolicy = field(default_factory=UpdatePolicy)
    port: int = 0
    depends_on: tuple[str, ...] = ()
    stop_grace_seconds: float = 10.0
    # Parts of the configuration by name -> fingerprint, to say which of them changed.
    parts: Mapping[str, str] = field(default_factory=dict)
    # Names of the networks that its replicas are on; None where nobody can say.
    networks: frozenset[str] | None = None


@dataclass(frozen=True)
class Replica:
    """One observed container. ``admitted``: the edge sends it new requests. ``created``: seconds since the epoch. ``port``: where
    it answers the edge; 0 when that is not known. ``networks``: names of those that it is on now; None when that is not known.
    ``word``: the engine's own for its state. ``unanswered``: why users get nothing from it, although it runs.
    """

    id: str
    name: str
    service: str
    number: int
    fingerprint: str
    state: State = State.RUNNING
    admitted: bool = False
    created: float = 0.0
    image: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    networks: frozenset[str] | None = None
    word: str = ""
    unanswered: str = ""

    @property
    def cut_off(self) -> bool:
        """Whether the edge, which may send it requests, cannot reach it."""
        return self.port > 0 and self.networks is not None and not any(map(is_edges, self.networks))


def trouble(replica: Replica, service: DesiredService) -> str:
    """Why a replica is not, or not any more, as it was made, whatever its fingerprint says; empty when it is."""
    if replica.unanswered or service.networks is None or replica.networks is None:
        return replica.unanswered
    lacks, more = sorted(service.networks - replica.networks), sorted(replica.networks - service.networks)
    if lacks:
        return f"is not on {_plural('network', lacks)}"
    return f"is on {_plural('network', more)}, which its service is not" if more else ""


def reached(routes: Mapping[str, str], key: str) -> str:
    """The service that a request for ``key`` reaches, as the edge looks it up: the longest key that fits its host, or else any
    host; empty for none.
    """
    host, slash, path = key.partition("/")
    for prefix in (host, "*"):
        wanted = f"{prefix}{slash}{path}"
        fitting = [one for one in routes if one.startswith(f"{prefix}/") and wanted.startswith(one)]
        if fitting:
            return routes[max(fitting, key=len)]
    return ""


def in_order(routes: Mapping[str, str]) -> list[str]:
    """Keys of a change (key -> service, empty to end it) in the order in which no request falls for a moment to a route that
    neither what was nor what will be means for it: the longest are changed first; those of any host end first, and the shortest.
    """
    changed = sorted((key for key in routes if routes[key]), key=len, reverse=True)
    return changed + sorted((key for key in routes if not routes[key]), key=lambda key: (not key.startswith("*/"), len(key)))


def _hides(key: str, routes: Mapping[str, str]) -> bool:
    """Whether a host's route keeps requests from routes of any host that lie below it: these would go elsewhere than its own."""
    host, _, path = key.partition("/")
    return host != "*" and any(one.startswith(f"*/{path}") and one != f"*/{path}" for one in routes)


@dataclass(frozen=True)
class Routing:
    """Routes as they lead now and as they shall lead: key, see haproxy.route_key -> service. ``others``: keys of other stacks."""

    now: Mapping[str, str] = field(default_factory=dict)
    wanted: Mapping[str, str] = field(default_factory=dict)
    others: frozenset[str] = frozenset()

    @property
    def pins(self) -> dict[str, str]:
        """Keys to be added first, each with the service that it reaches anyway: so a request goes on reaching it when a shorter
        route moves, until the new route's own service takes it over.
        """
        known = {**self.now, **dict.fromkeys(self.others, "")}
        found = {key: reached(known, key) for key in self.wanted.keys() - known.keys()}
        for key in [key for key in found if not key.startswith("*/")]:
            # It hides every route of any host that lies below it, whatever becomes of that one meanwhile.
            host, _, path = key.partition("/")
            hidden = [f"{host}{one[1:]}" for one in known if one.startswith(f"*/{path}")]
            found |= {one: reached(known, one) for one in hidden if one not in known}
        return {key: service for key, service in found.items() if service}

    @property
    def pinned(self) -> Routing:
        return replace(self, now={**self.now, **self.pins})

    def handed_over(self, staying: set[str]) -> Routing:
        """With each route that is to end, whose service is one of ``staying``, leading first to the service that its requests
        will reach afterwards: before new replicas of the old one come, which may not know it any more.
        """
        after = {**self.wanted, **dict.fromkeys(self.others, "")}
        reaches = {key: reached(after, key) for key in self.to_end if self.now[key] in staying and not _hides(key, after)}
        return replace(self, wanted={**self.wanted, **{key: service for key, service in reaches.items() if service}})

    def to_take(self, service: str) -> tuple[str, ...]:
        """Keys that shall lead to ``service`` and do not."""
        return tuple(sorted(key for key, one in self.wanted.items() if one == service and self.now.get(key) != service))

    @property
    def to_end(self) -> tuple[str, ...]:
        """Keys that lead somewhere and shall lead nowhere."""
        return tuple(sorted(self.now.keys() - self.wanted.keys()))

    def givers(self) -> dict[str, set[str]]:
        """Service -> those that take routes over before it rolls: from it, or below a route that it is to take itself."""
        found: dict[str, set[str]] = {}
        for key, taker in self.wanted.items():
            giver = self.now.get(key)
            above = (
                {one for shorter, one in self.wanted.items() if shorter != key and key.startswith(shorter)}
                if not giver
                else set()
            )
            for service in ({giver} if giver else above) - {taker}:
                found.setdefault(service, set()).add(taker)
        return found


# What the steps of no service in particular are of.
EDGE = "edge"


@dataclass(frozen=True)
class Step:
    """One thing to do for one service. ``replicas`` names existing ones; candidates of the batch have no name yet.

    ``wave``: services of one wave roll at the same time; the next wave begins when the wave is done. ``interrupts``: why the
    service is gone until the batch is over; empty when other replicas of it go on.
    """

    action: Action
    service: str
    wave: int = 0
    batch: int = 0
    count: int = 0
    replicas: tuple[str, ...] = ()
    seconds: float = 0.0
    reason: str = ""
    interrupts: str = ""
    # Keys of routes, see haproxy.route_key.
    routes: tuple[str, ...] = ()

    def __str__(self) -> str:
        names = ", ".join(self.replicas)
        text = {
            Action.SWEEP: f"remove {names}, which does not run",
            Action.START: f"start {_count(self.count, 'candidate')}",
            Action.GATE: f"gate {self._candidates()}",
            Action.ADMIT: f"admit {self._candidates()} at the edge",
            Action.PIN: f"keep requests for {', '.join(self.routes)} where they go now",
            Action.ROUTE: f"take over {_plural('route', self.routes)}",
            Action.UNROUTE: f"end {_plural('route', self.routes)}",
            Action.DRAIN: f"drain {names} at the edge",
            Action.WATCH: f"watch {self._candidates()} for {self.seconds:g} s",
            Action.AWAIT: f"wait until {names} holds no request, at most {self.seconds:g} s",
            Action.STOP: f"stop {names}",
            Action.REMOVE: f"remove {names}",
            Action.PAUSE: f"pause {self.seconds:g} s before the next batch",
        }[self.action]
        return f"{self.service}: {text}" + (f" ({self.reason})" if self.reason else "")

    def _candidates(self) -> str:
        fresh = _count(self.count - len(self.replicas), "candidate") if self.count > len(self.replicas) else ""
        return " and ".join(part for part in (", ".join(self.replicas), fresh) if part)

    def as_dict(self) -> dict[str, Any]:
        return {
            "action": self.action.value,
            "service": self.service,
            "wave": self.wave,
            "batch": self.batch,
            "count": self.count,
            "replicas": list(self.replicas),
            "seconds": self.seconds,
            "reason": self.reason,
            "routes": list(self.routes),
            "interrupts": self.interrupts,
            "text": str(self),
        }


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
    wave = first = len(steps)
    for wave, names in enumerate(waves(desired, leading.givers()), first):
        for service in (item for item in desired if item.name in names):
            found = by_service.pop(service.name, [])
            rolled = _ServicePlan(service, found, drain_seconds, replace_created_before, leading.to_take(service.name))
            if rolled.must_wait:
                last.extend(rolled.steps())
            else:
                steps.extend(replace(step, wave=wave) for step in rolled.steps())
            last.extend(rolled.last_steps())
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
            raise DeployError(
                f"depends_on goes round in a circle between the services {', '.join(sorted(waiting))}; take one away"
            )
        ready = {name for name in free if not takers[name] & waiting.keys()} or free
        ordered.append(ready)
        waiting = {name: needs for name, needs in waiting.items() if name not in ready}
    return ordered


class _ServicePlan:
    def __init__(
        self,
        service: DesiredService,
        observed: Sequence[Replica],
        drain_seconds: float,
        replace_created_before: float | None,
        routes: tuple[str, ...] = (),
    ) -> None:
        """``routes``: keys that are to lead to this service and do not yet."""
        self.service = service
        self.drain_seconds = drain_seconds
        self.routes = routes
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
        self.reason = _why(service, stale, self.missing, len(self.keep))

    def steps(self) -> list[Step]:
        service = self.service
        steps = [self._step(Action.SWEEP, self.dead)] if self.dead else []
        batches = self._batches()
        route = [Step(Action.ROUTE, service.name, routes=self.routes)] if self.routes else []
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
        return steps

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


def _why(service: DesiredService, stale: Sequence[Replica], missing: int, alive: int) -> str:
    if not stale:
        return f"{alive} of {service.replicas} run" if missing else ""
    seen = stale[0]
    if seen.fingerprint == service.fingerprint:
        what = trouble(seen, service)
        return f"{seen.name} {what}" if what else "restart"
    changed = sorted(name for name in service.parts.keys() | seen.parts.keys() if service.parts.get(name) != seen.parts.get(name))
    if not changed or not seen.parts:
        return "configuration changed"
    words = [_changed(name, seen, service) for name in changed]
    return f"changed: {', '.join(words)}"


def _changed(part: str, seen: Replica, service: DesiredService) -> str:
    if part == "image":
        if seen.image == service.image:
            return f"the content of image {service.image}"
        return f"image {seen.image or 'unknown'} -> {service.image}"
    if part == "port":
        return f"port {seen.port or 'none'} -> {service.port or 'none'}"
    return part


def _plural(noun: str, things: Sequence[str]) -> str:
    return f"the {noun}{'' if len(things) == 1 else 's'} {', '.join(things)}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
