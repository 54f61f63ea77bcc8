"""A host that exists only in memory: containers, an edge and health checks that behave, break and die as a test wants.

It watches over the promises while the executor works: whatever breaks one is written to ``violations``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.health.seen import Condemned, Health
from ansible_collections.morpheus.deploy.plugins.module_utils.health.user_errors import Answered
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.cut import Count
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.execute import Executor
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.outcome import Outcome
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.plan import plan
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.step import Step
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.verbs import Busy, Tell, silent
from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import DesiredService, Order
from ansible_collections.morpheus.deploy.plugins.module_utils.service.killed import Killed
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica, State
from ansible_collections.morpheus.deploy.plugins.module_utils.service.routing import Routing, in_order, reached

from tests.unit.clock import Clock

DRAIN_SECONDS = 30.0
PORT = 8000
# Requests that are looked at whether a route of theirs changes or not.
PLACES = ("*/", "*/a/x/y/", "shop/a/x/", "shop/b/")
# How long a request takes that nobody gave a duration.
REQUEST_SECONDS = 0.5
# How many requests a second a replica answers while it is admitted.
REQUEST_RATE = 20
# How often a candidate is asked while it is watched.
INTERVAL_SECONDS = 0.25


class KilledError(BaseException):
    """The process is dead. No DeployError, so that nothing tidies up."""


@dataclass
class Container:
    id: str
    name: str
    service: str
    number: int
    fingerprint: str
    state: State
    # How long each request that is under way still takes once no new one comes; None is a tunnel that never ends by itself.
    sessions: list[float | None] = field(default_factory=list)
    drained_at: float | None = None
    proven: bool = False
    # When it was admitted for the last time, and how long it had been before.
    admitted_at: float | None = None
    admitted_seconds: float = 0.0
    # Requests that ended because it was stopped, and how many of its tunnels did.
    broken_off: int = 0
    # When it was made, by an order without gaps.
    created: float = 0.0
    # Where it answers the edge; 0 when no route led to its service when it was made.
    port: int = 0


class Host:
    """The whole machine. ``engine``, ``edge`` and ``gate`` are the verbs that an Executor is given.

    ``fuse``: how many more changes happen before the process that makes them is killed; None for ever.
    ``trip``: how many more changes happen before one is refused with an error, once.
    ``routes``: what leads to which service; ``wanted_routes``: what should, where it is not the same from the beginning.
    ``bad``: fingerprints whose gate fails; ``flaky``: those that pass and fail while they are watched; ``errors``: fingerprint ->
    share of users' requests that it answers with 5xx, whatever its gate says. ``deaf``: services that do not end when told to.
    """

    def __init__(self, desired: Sequence[DesiredService] = (), drain_seconds: float = DRAIN_SECONDS) -> None:
        self.clock = Clock(1000.0)
        self.lock = threading.RLock()
        self.desired: dict[str, DesiredService] = {}
        self.drain_seconds = drain_seconds
        self.containers: dict[str, Container] = {}
        self.removed: list[Container] = []
        # Jobs that have ended well, in their order; and those that end badly.
        self.jobs: list[str] = []
        self.bad_jobs: set[str] = set()
        # Name of a container that was stopped -> with which grace period.
        self.graces: dict[str, float | None] = {}
        self.admitted: set[str] = set()
        self.known_to_edge: set[str] = set()
        self.routes: dict[str, str] = {}
        self.wanted_routes: dict[str, str] | None = None
        # What may answer a route: those to which it led, or was to lead, when the run began.
        self._meant: dict[str, set[str]] = {}
        self._served: set[str] = set()
        self.bad: set[str] = set()
        self.flaky: set[str] = set()
        self.errors: dict[str, float] = {}
        self.deaf: set[str] = set()
        self.fuse: int | None = None
        self.trip: int | None = None
        self.changes = 0
        self.violations: list[str] = []
        self.log: list[str] = []
        self.failing: dict[str, BaseException] = {}
        self.new_sessions: list[float | None] = [REQUEST_SECONDS]
        self._floors: dict[str, int] = {}
        self._serial = 0
        self._events: dict[str, threading.Event] = {}
        self.engine = SimulatedEngine(self)
        self.edge = SimulatedEdge(self)
        self.gate = SimulatedGate(self)
        self.want(desired)

    def want(self, desired: Iterable[DesiredService]) -> None:
        self.desired = {service.name: service for service in desired}

    def add(
        self,
        service: str,
        fingerprint: str,
        state: State = State.RUNNING,
        *,
        admitted: bool = False,
        number: int | None = None,
        sessions: Sequence[float | None] = (),
    ) -> Container:
        self._serial += 1
        if number is None:
            number = max((one.number for one in self.containers.values() if one.service == service), default=0) + 1
        container = Container(
            f"id{self._serial}", f"shop-{service}-{number}", service, number, fingerprint, state, list(sessions)
        )
        container.created = float(self._serial)
        self.containers[container.id] = container
        if admitted:
            self.admitted.add(container.name)
            self.known_to_edge.add(container.name)
            container.admitted_at = self.clock.now()
            container.port = PORT
        return container

    def observe(self) -> list[Replica]:
        with self.lock:
            return [
                Replica(
                    one.id,
                    one.name,
                    one.service,
                    one.number,
                    one.fingerprint,
                    one.state,
                    one.name in self.admitted,
                    created=one.created,
                    port=one.port,
                )
                for one in self.containers.values()
            ]

    def plan(self) -> list[Step]:
        routing = Routing(self.routes, self.routes if self.wanted_routes is None else self.wanted_routes)
        desired = [replace(one, due=one.job and one.name not in self.jobs) for one in self.desired.values()]
        return plan(desired, self.observe(), drain_seconds=self.drain_seconds, routing=routing)

    def run(
        self,
        steps: Sequence[Step] | None = None,
        record: Callable[[str, Step], None] = lambda event, step: None,
        tell: Tell = silent,
    ) -> Outcome:
        """What HostRollout does: plan from what is observed, forget what is gone, execute."""
        steps = self.plan() if steps is None else steps
        self.begin()
        services = list(self.desired.values())
        return Executor(services, self.engine, self.edge, self.gate, self.clock, record, tell=tell).run(steps)

    def begin(self) -> None:
        """From here on hold the executor to its promises; what passed a gate in an earlier run has proven nothing to this one."""
        existing = {one.name for one in self.containers.values()}
        self.admitted &= existing
        self.known_to_edge &= existing
        for one in self.containers.values():
            one.proven = one.name in self.admitted
        self._floors = {name: self._floor(service) for name, service in self.desired.items() if service.routed}
        wanted = self.routes if self.wanted_routes is None else self.wanted_routes
        keys = {*self.routes, *wanted, *PLACES}
        self._meant = {key: {reached(self.routes, key), reached(wanted, key)} for key in keys}
        self._served = {key for key in keys if self.serving(reached(self.routes, key))}

    def serving(self, service: str) -> list[Container]:
        return [
            one
            for one in self.containers.values()
            if one.service == service and one.state is State.RUNNING and one.name in self.admitted
        ]

    def alive(self, service: str | None = None) -> list[Container]:
        found = [one for one in self.containers.values() if one.state is not State.DEAD]
        return [one for one in found if service in (None, one.service)]

    def misses(self) -> list[str]:
        """What keeps the host from being in exactly the desired state."""
        found = []
        for name, service in self.desired.items():
            own = [one for one in self.containers.values() if one.service == name]
            good = [one for one in own if one.state is State.RUNNING and one.fingerprint == service.fingerprint]
            if len(good) != service.replicas:
                found.append(f"{name}: {len(good)} of {service.replicas} run")
            found += [f"{one.name}: is too much" for one in own if one not in good]
            if service.routed:
                found += [f"{one.name}: is not admitted" for one in good if one.name not in self.admitted]
            found += [f"{name}: the job was not run"] if service.job and name not in self.jobs else []
            for other in service.follows:
                ages = [one.created for one in self.alive(other)]
                found += [f"{one.name}: is older than {other}" for one in good if ages and one.created < min(ages)]
        found += [f"{one.name}: belongs to no service" for one in self.containers.values() if one.service not in self.desired]
        existing = {one.name for one in self.containers.values()}
        if self.wanted_routes is not None and self.routes != self.wanted_routes:
            found.append(f"routes lead {self.routes} where {self.wanted_routes} is wanted")
        return found + [f"{name}: the edge remembers what is gone" for name in self.known_to_edge - existing]

    def busy(self, container: Container) -> Busy:
        """While a replica is admitted its requests are replaced by new ones; afterwards they end."""
        since = 0.0 if container.drained_at is None else self.clock.now() - container.drained_at
        left = [seconds for seconds in container.sessions if seconds is None or seconds > since]
        return Busy(sum(seconds is not None for seconds in left), sum(seconds is None for seconds in left))

    def answered(self, container: Container) -> Answered:
        now = 0.0 if container.admitted_at is None else self.clock.now() - container.admitted_at
        total = int((container.admitted_seconds + now) * REQUEST_RATE)
        return Answered(total, round(total * self.errors.get(container.fingerprint, 0.0)))

    def change(self, what: str) -> None:
        """Every change of the host passes here: the one at which the fuse burns does not happen, nor any after it."""
        if self.fuse is not None:
            if self.fuse == 0:
                raise KilledError(what)
            self.fuse -= 1
        if self.trip is not None:
            self.trip -= 1
            if self.trip < 0:
                self.trip = None
                raise EngineError(f"cannot {what}")
        self.changes += 1
        self.log.append(what)
        self.when(what).set()

    def when(self, what: str) -> threading.Event:
        """Set once the change has begun: lets a test put threads into an order without sleeping."""
        return self._events.setdefault(what, threading.Event())

    def fail_at(self, verb: str) -> None:
        if verb in self.failing:
            raise self.failing[verb]

    def check(self) -> None:
        for name, floor in self._floors.items():
            if len(self.serving(name)) < floor:
                self.violations.append(f"{name}: only {len(self.serving(name))} serve where {floor} must, after {self.log[-1]}")
        for key in self._served:
            service = reached(self.routes, key)
            if service not in self._meant[key]:
                self.violations.append(f"{key}: leads to {service or 'nothing'}, which no release meant, after {self.log[-1]}")
            if service and not self.serving(service) and not self._may_be_interrupted(service):
                self.violations.append(f"{key}: leads to {service}, where nobody serves, after {self.log[-1]}")

    def is_meant(self, service: str) -> bool:
        """Whether a route led to the service when the run began, or is to lead there."""
        return any(service in services for services in self._meant.values())

    def _may_be_interrupted(self, name: str) -> bool:
        service = self.desired.get(name)
        return service is not None and (service.policy.order is Order.STOP_FIRST or service.replicas == 0)

    def _floor(self, service: DesiredService) -> int:
        before = min(len(self.serving(service.name)), service.replicas)
        if service.policy.order is Order.START_FIRST:
            return before
        if service.policy.exclusive:
            return max(0, before - service.policy.parallelism)
        # What a killed run has let go counts as part of a batch.
        return min(before, max(0, service.replicas - service.policy.parallelism)) if service.policy.parallelism else 0


class SimulatedEngine:
    """execute.EngineVerbs as Docker and Compose do them, one container after the other so that a crash finds any middle."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def observe(self) -> list[Replica]:
        self._host.fail_at("observe")
        return self._host.observe()

    def start(self, service: str, total: int) -> None:
        """``docker compose up --no-recreate --scale``: starts what is stopped, removes what is too much, adds what is missing."""
        host = self._host
        with host.lock:
            own = [one for one in host.containers.values() if one.service == service]
            jobs = [one for one in host.desired[service].depends_on if one in host.desired and host.desired[one].job]
            host.violations += [f"{service}: starts before the job {one} has ended" for one in jobs if one not in host.jobs]
            if len(own) > total:
                host.violations.append(f"{service}: Compose would remove {len(own) - total} replicas to have only {total}")
            host.violations += [f"{one.name}: Compose would start it again" for one in own if one.state is State.DEAD]
        for number in range(total - len(own)):
            if number:
                host.fail_at("start half-way")
            with host.lock:
                host.change(f"create a candidate of {service}")
                container = host.add(service, host.desired[service].fingerprint, State.DEAD)
                container.port = PORT if host.desired[service].routed else 0
                if container.name in host.admitted:
                    host.violations.append(f"{container.name}: is admitted because of an earlier one of its name")
            with host.lock:
                host.change(f"start {container.name}")
                container.state = State.RUNNING
                wanted = host.desired[service]
                running = sum(one.service == service for one in host.alive())
                if wanted.policy.order is Order.STOP_FIRST and running > wanted.replicas:
                    host.violations.append(f"{service}: {running} run at once where {wanted.replicas} may, after {host.log[-1]}")
            host.clock.sleep(0.3)
        host.fail_at("start")

    def run_job(self, service: str) -> None:
        host = self._host
        with host.lock:
            host.change(f"run the job {service}")
            if service in host.jobs:
                host.violations.append(f"{service}: the job is run again")
            for other in host.desired[service].depends_on:
                wanted = host.desired.get(other)
                good = [one for one in host.alive(other) if wanted and one.fingerprint == wanted.fingerprint]
                if wanted and not wanted.job and len(good) < wanted.replicas:
                    host.violations.append(f"{service}: the job is run before {other} runs")
                if wanted and wanted.job and other not in host.jobs:
                    host.violations.append(f"{service}: the job is run before {other}")
            if service in host.bad_jobs:
                raise EngineError(f"the job {service} failed")
            host.jobs.append(service)

    def stop(self, replicas: Sequence[Replica], grace_seconds: float | None) -> list[Killed]:
        host = self._host
        killed = []
        for replica in replicas:
            host.fail_at("stop")
            host.fail_at(f"stop {replica.service}")
            with host.lock:
                container = host.containers.get(replica.id)
                if container is None:
                    continue
                host.change(f"stop {container.name}")
                host.graces[container.name] = grace_seconds
                self._watch_over_stop(container)
                container.broken_off = host.busy(container).requests
                container.state = State.DEAD
                if container.service in host.deaf:
                    killed.append(Killed(container.name, 10))
                host.check()
        host.clock.sleep(0.2)
        return killed

    def remove(self, replicas: Sequence[Replica]) -> None:
        host = self._host
        for replica in replicas:
            host.fail_at("remove")
            with host.lock:
                container = host.containers.get(replica.id)
                if container is None:
                    continue
                host.change(f"remove {container.name}")
                if container.state is State.RUNNING:
                    host.violations.append(f"{container.name}: removed while it runs")
                host.removed.append(host.containers.pop(container.id))
                host.check()

    def ended_at(self, replica: Replica) -> float | None:
        return None

    def advice(self, service: str, said: str, *, first: bool) -> str:
        return "It was the first one here." if first else ""

    def last_words(self, replica: Replica) -> str:
        return f"the last words of {replica.name}"

    def _watch_over_stop(self, container: Container) -> None:
        host = self._host
        if container.state is not State.RUNNING:
            return
        if container.name in host.admitted:
            host.violations.append(f"{container.name}: stopped while it is admitted")
        wanted = host.desired.get(container.service)
        # A candidate that failed is not given the time of an incumbent.
        bad = host.bad | host.flaky | set(host.errors)
        failed = wanted and container.fingerprint == wanted.fingerprint and container.fingerprint in bad
        drained_for = host.clock.now() - (container.drained_at or 0.0)
        if host.busy(container).requests and drained_for < host.drain_seconds - 1e-6 and not failed:
            host.violations.append(f"{container.name}: stopped with requests {drained_for:.1f} s after it was drained")


class SimulatedEdge:
    """execute.EdgeVerbs that admit, drain and forget one replica after the other."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def admit(self, service: str, replicas: Sequence[Replica]) -> None:
        host = self._host
        for number, replica in enumerate(replicas):
            host.fail_at("admit")
            if number:
                host.fail_at("admit half-way")
            with host.lock:
                container = host.containers[replica.id]
                host.change(f"admit {container.name}")
                if container.state is not State.RUNNING:
                    host.violations.append(f"{container.name}: admitted though it does not run")
                if service in host.desired and not host.desired[service].routed and not host.is_meant(service):
                    host.violations.append(f"{container.name}: admitted though no route leads to it")
                if not container.proven:
                    host.violations.append(f"{container.name}: admitted before it passed a gate")
                if not container.sessions:
                    container.sessions = list(host.new_sessions)
                container.drained_at, container.admitted_at = None, host.clock.now()
                host.admitted.add(container.name)
                host.known_to_edge.add(container.name)
                host.check()
        host.clock.sleep(0.05)

    def drain(self, service: str, replicas: Sequence[Replica]) -> None:
        host = self._host
        for replica in replicas:
            host.fail_at("drain")
            with host.lock:
                container = host.containers.get(replica.id)
                if container is None or container.name not in host.admitted:
                    continue
                host.change(f"drain {container.name}")
                host.admitted.discard(container.name)
                container.drained_at = host.clock.now()
                container.admitted_seconds += host.clock.now() - (container.admitted_at or host.clock.now())
                container.admitted_at = None
                host.check()
        host.clock.sleep(0.05)

    def forget(self, service: str, replicas: Sequence[Replica]) -> None:
        host = self._host
        for replica in replicas:
            host.fail_at("forget")
            with host.lock:
                host.change(f"forget {replica.name}")
                host.admitted.discard(replica.name)
                host.known_to_edge.discard(replica.name)

    def routes(self) -> Mapping[str, str]:
        return dict(self._host.routes)

    def route(self, routes: Mapping[str, str]) -> None:
        host = self._host
        host.fail_at("route")
        with host.lock:
            for key in in_order(routes):
                service = routes[key]
                host.change(f"route {key} to {service or 'nothing'}")
                host.routes.pop(key, None)
                if service:
                    host.routes[key] = service
                host.check()

    def counts(self, service: str, replica: Replica) -> dict[int, Count]:
        busy = self.busy(service, replica)
        with self._host.lock:
            container = self._host.containers.get(replica.id)
            return {0: Count(busy.requests, busy.tunnels, container.broken_off if container else 0)}

    def busy(self, service: str, replica: Replica) -> Busy:
        host = self._host
        host.fail_at("busy")
        with host.lock:
            container = host.containers.get(replica.id)
            if container is None or container.state is not State.RUNNING:
                return Busy()
            return host.busy(container)

    def answered(self, service: str, names: Sequence[str]) -> dict[str, Answered]:
        host = self._host
        host.fail_at("answered")
        with host.lock:
            return {
                one.name: host.answered(one)
                for one in host.containers.values()
                if one.name in names and one.name in host.known_to_edge
            }


class SimulatedGate:
    """execute.GateVerbs whose verdict depends on the fingerprint alone.

    ``holds``: "wait <service>" or "watch <service>" -> the change of the host before which there is no verdict.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self.seen: dict[str, list[str]] = {}
        self.holds: dict[str, str] = {}

    def wait(self, service: str, replicas: Sequence[Replica]) -> list[Health]:
        host = self._host
        host.fail_at("gate")
        self._begin("wait", service)
        host.clock.sleep(2.0)
        with host.lock:
            results = [self._health(replica, host.bad, "status 503, expected 200") for replica in replicas]
            for replica, health in zip(replicas, results, strict=True):
                if health.healthy:
                    host.containers[replica.id].proven = True
        return results

    def watch(self, service: str, replicas: Sequence[Replica], seconds: float, condemned: Condemned) -> list[Health]:
        host = self._host
        self._begin("watch", service)
        asked = 0.0
        while asked < seconds and not condemned():
            asked += INTERVAL_SECONDS
            host.clock.sleep(INTERVAL_SECONDS)
        with host.lock:
            return [self._health(replica, host.flaky, "status 500, expected 200") for replica in replicas]

    def _begin(self, verb: str, service: str) -> None:
        self.seen.setdefault(service, []).append(verb)
        change = self.holds.get(f"{verb} {service}")
        if change:
            assert self._host.when(change).wait(10), f"{change} did not come before the end of {verb} {service}"

    def _health(self, replica: Replica, bad: set[str], violation: str) -> Health:
        container = self._host.containers.get(replica.id)
        healthy = container is not None and container.state is State.RUNNING and container.fingerprint not in bad
        return Health(
            replica.name, f"http://{replica.name}/health", healthy=healthy, attempts=3, violation="" if healthy else violation
        )
