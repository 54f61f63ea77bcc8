"""What is tried: chains of releases, faults, crashes and ways back. Plain data whose repr can be pasted into a test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from hypothesis import strategies as st

# never healthy; healthy, but of another version; answers users with 500; answers users late; exits at once; exits a moment later;
# Compose fails after the first container
FAULTS = ("sick", "lies", "errors", "slow", "crashes-at-start", "crashes-later", "compose")
# With these a rollout is to end well all the same.
HARMLESS = ("", "slow")
HOSTS = ("", "*.example.com", "shop.example.com")
PATHS = ("/", "/api", "/api/v1", "/web", "/web/admin")
NAMES = ("api", "web", "jobs", "ml")
PORTS = (8000, 9000, 7000)
TIMEOUTS = (0, 0, 30, 300)
TAGS = ("", "", "a", "b")


@dataclass(frozen=True, repr=False)
class Service:
    """``routes``: (host, path) pairs, host "" for any. ``follows``: whether it runs another version with each release.

    ``listens``: ports beside ``port`` that it answers on, too.
    """

    name: str
    routes: tuple[tuple[str, str], ...] = ()
    port: int = 8000
    replicas: int = 2
    order: str = "start-first"
    parallelism: int = 1
    monitor: float = 0.0
    depends_on: tuple[str, ...] = ()
    follows: bool = True
    listens: tuple[int, ...] = ()
    fault: str = ""
    # Of all its routes.
    timeout_seconds: int = 0
    # A header that the edge gives answers by them, for which its file needs a rule.
    tag: str = ""
    # "h2" on ``port``; then the gate asks at ``health_port``, which it ``listens`` on, too.
    protocol: str = ""
    health_port: int = 0
    stream: bool = False

    def __repr__(self) -> str:
        return _short(self)


@dataclass(frozen=True)
class Release:
    name: str
    services: tuple[Service, ...]

    def routes(self) -> dict[tuple[str, str], str]:
        return {route: service.name for service in self.services for route in service.routes}

    def service_of(self, host: str, path: str) -> str:
        """The service that a request means: the longest route of its host, else its wildcard's, else of any host; "" for none."""
        routes = self.routes()
        for known in (host, f"*.{host.partition('.')[2]}", ""):
            below = [route for owner, route in routes if owner == known and f"{path}/".startswith(route.rstrip("/") + "/")]
            if below:
                return routes[known, max(below, key=len)]
        return ""

    def find(self, service: str) -> Service | None:
        return next((one for one in self.services if one.name == service), None)


@dataclass(frozen=True, repr=False)
class Example:
    """The first release is live and under load when the others come, one after another.

    ``crash``: the controller dies at this change of the rollout to the last one; ``after``: what is done then ("again" or
    "back"). ``restart``: HAProxy is restarted at this change. ``way_back``: at the end a rollback leads to the release before.
    ``strict``: a replica must get no request for a path that its own release does not have. ``dns_seconds``: after so long
    Docker's DNS answers.
    """

    releases: tuple[Release, ...]
    crash: int = 0
    after: str = "again"
    restart: int = 0
    way_back: bool = False
    strict: bool = False
    dns_seconds: float = 0

    def __repr__(self) -> str:
        return _short(self)

    def __str__(self) -> str:
        lines = []
        for release in self.releases:
            lines.append(f"release {release.name}")
            for one in release.services:
                routes = ", ".join(f"{host}{path}" for host, path in one.routes) or "no route"
                extras = [f"listens {one.listens}"] if one.listens else []
                extras += [f"depends on {one.depends_on}"] if one.depends_on else []
                extras += [] if one.follows else ["unchanged image"]
                extras += [f"fault: {one.fault}"] if one.fault else []
                extras += [f"timeout {one.timeout_seconds} s"] if one.timeout_seconds else []
                extras += [f"tag {one.tag}"] if one.tag else []
                lines.append(
                    f"  {one.name}:{one.port} x{one.replicas} [{routes}] {one.order} by {one.parallelism}, "
                    f"monitor {one.monitor:g} s" + "".join(f", {extra}" for extra in extras)
                )
        lines += [f"crash at change {self.crash}, then {self.after}"] if self.crash else []
        lines += [f"HAProxy is restarted at change {self.restart}"] if self.restart else []
        lines += ["then the way back"] if self.way_back else []
        return "\n".join(lines)


def _short(one: Service | Example) -> str:
    """As a dataclass says it, without what is as ever."""
    given = [part for part in fields(one) if getattr(one, part.name) != part.default]
    return f"{type(one).__name__}({', '.join(f'{part.name}={getattr(one, part.name)!r}' for part in given)})"


@st.composite
def services(draw: st.DrawFn, name: str, routes: Sequence[tuple[str, str]], others: Sequence[str]) -> Service:
    replicas = draw(st.sampled_from([1, 2, 2, 3]))
    parallelism = draw(st.integers(0, 2))
    port = draw(st.sampled_from(PORTS))
    return Service(
        name,
        tuple(routes),
        port,
        replicas,
        draw(st.sampled_from(["start-first", "start-first", "stop-first"])),
        parallelism,
        draw(st.sampled_from([0.0, 0.0, 0.2])),
        tuple(sorted(draw(st.sets(st.sampled_from(others), max_size=1)))) if others else (),
        draw(st.sampled_from([True, True, False])),
        draw(st.sampled_from([(), (), PORTS])),
        timeout_seconds=draw(st.sampled_from(TIMEOUTS)),
        tag=draw(st.sampled_from(TAGS)),
    )


@st.composite
def releases(draw: st.DrawFn, name: str) -> Release:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1, max_size=3))
    wanted = draw(
        st.lists(st.sampled_from([(host, path) for host in HOSTS for path in PATHS]), unique=True, min_size=1, max_size=4)
    )
    owners = [draw(st.sampled_from(names)) for _ in wanted]
    found = []
    for number, service in enumerate(names):
        routes = [route for route, owner in zip(wanted, owners, strict=True) if owner == service]
        found.append(draw(services(service, routes, names[:number])))
    return Release(name, tuple(found))


@st.composite
def successors(draw: st.DrawFn, before: Release, name: str) -> Release:
    """Another release: often ``before`` with a few changes, at times one that has nothing to do with it."""
    if draw(st.integers(0, 4)) == 0:
        return draw(releases(name))
    found = list(before.services)
    for _ in range(draw(st.integers(1, 3))):
        found = draw(_changes(found))
    return Release(name, tuple(found))


@st.composite
def _changes(draw: st.DrawFn, found: list[Service]) -> list[Service]:
    change = draw(st.sampled_from([_port, _rename, _move, _unroute, _route, _scale, _drop, _add, _policy, _options, _nothing]))
    return change(draw, found, draw(st.integers(0, len(found) - 1)))


def _port(draw: st.DrawFn, found: list[Service], number: int) -> list[Service]:
    return _with(found, number, port=draw(st.sampled_from(PORTS)))


def _rename(draw: st.DrawFn, found: list[Service], number: int) -> list[Service]:
    free = _free_names(found)
    if not free:
        return found
    new = draw(st.sampled_from(free))
    return [_needs(service, found[number].name, new) for service in _with(found, number, name=new)]


def _move(draw: st.DrawFn, found: list[Service], number: int) -> list[Service]:
    """A route goes over to another service, or to a new one."""
    one = found[number]
    if not one.routes:
        return found
    moved = draw(st.sampled_from(one.routes))
    left = _with(found, number, routes=tuple(route for route in one.routes if route != moved))
    others = [index for index in range(len(left)) if index != number]
    to_another = draw(st.booleans())
    if others and to_another:
        to = draw(st.sampled_from(others))
        return _with(left, to, routes=(*left[to].routes, moved))
    free = _free_names(found)
    return [*left, replace(one, name=free[0], routes=(moved,), depends_on=())] if free else found


def _unroute(draw: st.DrawFn, found: list[Service], number: int) -> list[Service]:
    return _with(found, number, routes=found[number].routes[1:])


def _route(draw: st.DrawFn, found: list[Service], number: int) -> list[Service]:
    taken = {route for service in found for route in service.routes}
    possible = [(host, path) for host in HOSTS for path in PATHS if (host, path) not in taken]
    return _with(found, number, routes=(*found[number].routes, draw(st.sampled_from(possible)))) if possible else found


def _scale(draw: st.DrawFn, found: list[Service], number: int) -> list[Service]:
    return _with(found, number, replicas=draw(st.sampled_from([1, 2, 3, 4, 9, 12])))


def _drop(draw: st.DrawFn, found: list[Service], number: int) -> list[Service]:
    rest = [*found[:number], *found[number + 1 :]]
    return [_needs(service, found[number].name, "") for service in rest] or found


def _add(draw: st.DrawFn, found: list[Service], number: int) -> list[Service]:
    free = _free_names(found)
    return [*found, draw(services(free[0], (), [service.name for service in found]))] if free else found


def _policy(draw: st.DrawFn, found: list[Service], number: int) -> list[Service]:
    return _with(found, number, parallelism=draw(st.integers(0, 2)), monitor=draw(st.sampled_from([0.0, 0.2])))


def _options(draw: st.DrawFn, found: list[Service], number: int) -> list[Service]:
    return _with(found, number, timeout_seconds=draw(st.sampled_from(TIMEOUTS)), tag=draw(st.sampled_from(TAGS)))


def _nothing(draw: st.DrawFn, found: list[Service], number: int) -> list[Service]:
    return found


def _free_names(found: Sequence[Service]) -> list[str]:
    return [name for name in NAMES if name not in {service.name for service in found}]


def _with(found: Sequence[Service], number: int, **changes: object) -> list[Service]:
    one = replace(found[number], **changes)  # type: ignore[arg-type]
    return [*found[:number], one, *found[number + 1 :]]


def _needs(service: Service, old: str, new: str) -> Service:
    named = [new if name == old else name for name in service.depends_on]
    return replace(service, depends_on=tuple(name for name in named if name and name != service.name))


@st.composite
def faulty(draw: st.DrawFn, release: Release) -> Release:
    number = draw(st.integers(0, len(release.services) - 1))
    # It must come as a candidate for its fault to be seen.
    fault = draw(st.sampled_from(FAULTS))
    return replace(release, services=tuple(_with(release.services, number, fault=fault, follows=True)))


def _without_gaps(chain: Sequence[Release]) -> list[Release]:
    """Stop-first takes away what serves before it brings anything, so it is for what enough others go on serving meanwhile: no
    release may have too few of a service that any release has routes for.
    """
    every = [one for release in chain for one in release.services]
    fewest = {one.name: min(other.replicas for other in every if other.name == one.name) for one in every}
    routed = {one.name for one in every if one.routes}

    def fit(one: Service) -> Service:
        gap = one.name in routed and not 0 < one.parallelism < fewest[one.name]
        return replace(one, order="start-first") if gap else one

    return [replace(release, services=tuple(fit(one) for one in release.services)) for release in chain]


@st.composite
def examples(draw: st.DrawFn) -> Example:
    chain = [draw(releases("1"))]
    for number in range(draw(st.sampled_from([1, 1, 1, 2]))):
        chain.append(draw(successors(chain[-1], str(number + 2))))
    # One trouble at a time most of the time: a fault, a crash, or the way back.
    if draw(st.integers(0, 2)) == 0:
        chain[-1] = draw(faulty(chain[-1]))
    crash = draw(st.integers(1, 60)) if draw(st.integers(0, 2)) == 0 else 0
    restart = draw(st.integers(1, 60)) if draw(st.integers(0, 5)) == 0 else 0
    after = draw(st.sampled_from(["again", "back"]))
    return Example(tuple(_without_gaps(chain)), crash, after, restart, draw(st.integers(0, 2)) == 0)
