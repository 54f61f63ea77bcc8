"""Changes between two releases that dropped requests once, each with its ways to end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

import pytest

from tests.edge_lab.examples import Example, Release, Service
from tests.edge_lab.lab import Result

ROOT = ("", "/")
API = Service("api", (ROOT,))
WEB = Service("web", (("", "/web"),))
WEB_AND_API = (("", "/web"), ("", "/api"))


def old(*services: Service) -> Release:
    return Release("1", services)


def new(*services: Service) -> Release:
    return Release("2", services)


CHANGES = {
    "a new image and nothing else": (old(API, WEB), new(API, WEB)),
    "another port": (old(API), new(replace(API, port=9000))),
    "another port of the same containers": (
        old(replace(API, follows=False, listens=(8000, 9000))),
        new(replace(API, follows=False, listens=(8000, 9000), port=9000)),
    ),
    "another port of the same containers, by a new image": (
        old(replace(API, listens=(8000, 9000))),
        new(replace(API, listens=(8000, 9000), port=9000)),
    ),
    "another name with the same route": (old(API), new(replace(API, name="backend"))),
    "a path moves to a new service": (
        old(replace(API, routes=(ROOT, ("", "/api")))),
        new(API, Service("ml", (("", "/api"),))),
    ),
    "a path moves between two services": (
        old(replace(API, routes=(ROOT, ("", "/api"))), WEB),
        new(API, replace(WEB, routes=(("", "/web"), ("", "/api")))),
    ),
    "two services change places": (old(API, WEB), new(replace(API, routes=WEB.routes), replace(WEB, routes=API.routes))),
    "a service loses its route": (old(API, WEB), new(API, replace(WEB, routes=()))),
    "a service gets its first route": (old(API, replace(WEB, routes=())), new(API, WEB)),
    "a service goes": (old(API, WEB), new(API)),
    "a service with a route below another one's goes": (old(API, WEB), new(API, Service("ml", (("", "/web/admin"),)))),
    "a service comes": (old(API), new(API, WEB)),
    "options of routes": (old(API, replace(WEB, timeout_seconds=9)), new(replace(API, timeout_seconds=300), WEB)),
    "options of routes and nothing else": (
        old(replace(API, follows=False), replace(WEB, follows=False, timeout_seconds=9)),
        new(replace(API, follows=False, timeout_seconds=300), replace(WEB, follows=False, timeout_seconds=7)),
    ),
    "options of routes that need rules": (
        old(replace(API, tag="a", follows=False), replace(WEB, tag="b")),
        new(replace(API, tag="b", follows=False), WEB),
    ),
    "a path with rules moves between two services": (
        old(replace(API, routes=(ROOT, ("", "/api")), tag="a"), WEB),
        new(API, replace(WEB, routes=(("", "/web"), ("", "/api")), tag="b")),
    ),
    "a path with options moves between two services": (
        old(replace(API, routes=(ROOT, ("", "/api")), timeout_seconds=300), WEB),
        new(API, replace(WEB, routes=(("", "/web"), ("", "/api")), timeout_seconds=9)),
    ),
    "a wildcard comes between a host and any": (
        old(API, replace(WEB, routes=(("shop.example.com", "/web"),))),
        new(API, replace(WEB, routes=(("*.example.com", "/"), ("shop.example.com", "/web")))),
    ),
    "a host of its own": (old(API), new(API, replace(WEB, routes=(("shop.example.com", "/"),)))),
    "from 12 replicas to 3": (
        old(replace(API, replicas=12, parallelism=0, follows=False)),
        new(replace(API, replicas=3, parallelism=0, follows=False)),
    ),
    "from 3 replicas to 12": (
        old(replace(API, replicas=3, parallelism=0, follows=False)),
        new(replace(API, replicas=12, parallelism=0, follows=False)),
    ),
    "everything": (old(API, WEB), new(Service("ml", (ROOT,), 9000, 1), Service("jobs", (("", "/web"),), 7000, 3))),
    "a stop-first service loses its route to another one": (
        old(replace(API, routes=(("", "/api"),), order="stop-first", replicas=1), replace(WEB, routes=(ROOT,))),
        new(replace(API, routes=(), order="stop-first", replicas=1), replace(WEB, routes=(ROOT,))),
    ),
    "a new route below one that moves, and waits for it": (
        old(replace(API, routes=(ROOT, ("", "/web")))),
        new(
            Service("ml", (("", "/web"),)),
            API,
            Service("jobs", (("shop.example.com", "/web"),), depends_on=("ml",)),
        ),
    ),
    "two new routes, of which the lower one comes later": (
        old(WEB),
        new(WEB, Service("jobs", (("", "/api"),)), Service("ml", (("", "/api/v1"),), depends_on=("jobs",))),
    ),
    "two new routes, of which the one with a host comes later": (
        old(WEB),
        new(
            WEB,
            Service("jobs", (("", "/api"),)),
            Service("ml", (("shop.example.com", "/api"),), depends_on=("jobs",)),
        ),
    ),
    "stop-first": (
        old(replace(API, replicas=3), Service("jobs")),
        new(replace(API, replicas=3, order="stop-first", port=9000), Service("jobs", order="stop-first")),
    ),
}


Tried = Callable[[Example], Result]


def failing(release: Release, fault: str) -> Release:
    """The last service is no good; what rolls beside it is taken back."""
    return replace(release, services=(*release.services[:-1], replace(release.services[-1], fault=fault, follows=True)))


GOOD = {name: Example(change, way_back=True) for name, change in CHANGES.items()}
# One of each kind that is another one for HAProxy. Each is made in both directions, for the way back from it is tried, too; and a
# path that moves to another service, or another port of the same containers by a new image, is tried each time below.
GOOD_EACH_TIME = (
    "a new image and nothing else",
    "another port of the same containers",
    "another name with the same route",
    "two services change places",
    "a service with a route below another one's goes",
    "a path with rules moves between two services",
    "a wildcard comes between a host and any",
    "from 3 replicas to 12",
    "everything",
    "a stop-first service loses its route to another one",
    "a new route below one that moves, and waits for it",
    "stop-first",
)
FAILING = {name: Example((before, failing(after, "sick"))) for name, (before, after) in CHANGES.items() if "replicas" not in name}
FAILING_EACH_TIME = ("two services change places", "options of routes that need rules")
# Eighteen replicas after a second rollout have slots beyond all those that three need.
MANY = replace(API, replicas=18, parallelism=0)
HIGH_SLOTS = Example((old(MANY), new(replace(MANY, follows=False)), Release("3", (replace(MANY, replicas=3, follows=False),))))
SPLIT = (
    old(replace(API, routes=(ROOT, ("", "/api"))), WEB),
    new(replace(API, port=9000), Service("ml", (("", "/api"), ("", "/web")))),
)
# One service has gone over when the controller dies; the other one is no good.
HALF = Example((old(API, replace(WEB, depends_on=("api",))), failing(new(API, replace(WEB, depends_on=("api",))), "sick")))
CRASHES_OF_A_BAD_ONE = {
    f"{number}, {after}": replace(HALF, crash=number, after=after) for number in (18, 40, 70) for after in ("again", "back")
}
CRASHES = {f"{number}, {after}": Example(SPLIT, number, after) for number in (3, 16, 33, 45) for after in ("again", "back")}


def named(examples: Mapping[str, Example], *, each_time: Collection[str] = ()) -> pytest.MarkDecorator:
    """``each_time``: the others are deep; none: all are tried each time."""
    assert set(each_time) <= set(examples)
    return pytest.mark.parametrize(
        "example",
        [
            pytest.param(example, id=name, marks=[pytest.mark.deep] if each_time and name not in each_time else [])
            for name, example in examples.items()
        ],
    )


@named(GOOD, each_time=GOOD_EACH_TIME)
def test_nobody_notices_the_change_nor_the_way_back(example: Example, tried: Tried) -> None:
    found = tried(example)
    assert found.good, f"\n{found}"


@named(FAILING, each_time=FAILING_EACH_TIME)
def test_nobody_notices_a_release_that_fails(example: Example, tried: Tried) -> None:
    found = tried(example)
    assert found.good, f"\n{found}"


@named({"from 18 replicas to 3": HIGH_SLOTS})
def test_incumbents_in_high_slots_serve_until_there_are_fewer_slots(example: Example, tried: Tried) -> None:
    found = tried(example)
    assert found.good, f"\n{found}"


API3, WEB3 = replace(API, replicas=3), replace(WEB, replicas=3)
MOVES = {
    "between two services": (old(replace(API3, routes=(ROOT, ("", "/api"))), WEB3), new(API3, replace(WEB3, routes=WEB_AND_API))),
    "to a new service": (old(replace(API3, routes=(ROOT, ("", "/api")))), new(API3, Service("ml", (("", "/api"),), replicas=3))),
    "that nobody had": (old(API3, WEB3), new(API3, replace(WEB3, routes=WEB_AND_API))),
}
STRICT = {name: Example(change, way_back=True, strict=True) for name, change in MOVES.items()} | {
    f"{name}, but fails": Example((before, failing(after, "sick")), strict=True) for name, (before, after) in MOVES.items()
}


@named(STRICT, each_time=("between two services, but fails", "that nobody had"))
def test_no_replica_is_asked_for_a_path_that_its_release_does_not_have(example: Example, tried: Tried) -> None:
    """Services are replaced one replica after the other, and the old ones of the service that takes a path know nothing of it."""
    found = tried(example)
    assert found.good, f"\n{found}"


RESTARTS = {
    name: replace(example, crash=0, restart=example.crash) for name, example in CRASHES.items() if example.after == "again"
}


@named(RESTARTS, each_time=("45, again",))
def test_nobody_notices_that_the_edge_was_started_anew(example: Example, tried: Tried) -> None:
    found = tried(example)
    assert found.good, f"\n{found}"


# Longer than libc waits here.
LATE = {name: replace(example, dns_seconds=4.0) for name, example in GOOD.items()}


@named(LATE, each_time=("a path moves to a new service",))
def test_nobody_notices_that_dns_is_slow(example: Example, tried: Tried) -> None:
    found = tried(example)
    assert found.good, f"\n{found}"


@named(
    CRASHES | {f"bad, {name}": example for name, example in CRASHES_OF_A_BAD_ONE.items()},
    each_time=("16, again", "33, back", "bad, 40, back"),
)
def test_nobody_notices_that_the_controller_dies(example: Example, tried: Tried) -> None:
    found = tried(example)
    assert found.good, f"\n{found}"
