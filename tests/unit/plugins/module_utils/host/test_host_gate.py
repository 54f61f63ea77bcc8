"""The gate of a host: our own question or Docker's verdict, and whether the engine had to start a replica again meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.engine import Engine
from ansible_collections.morpheus.deploy.plugins.module_utils.health.gate import Endpoint, Expectation
from ansible_collections.morpheus.deploy.plugins.module_utils.health.seen import Answer, Health
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host_gate import HostGate
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Service, Stack
from docker.errors import NotFound

from tests.unit.clock import Clock

HEALTH = {"path": "/health", "successes": 3, "interval_seconds": 1.0, "timeout_seconds": 2.0, "deadline_seconds": 60.0}
BEGUN = 1_700_000_000.5
RESTARTED = "shop-api-1 ended with code 1 and was started again by the engine; last answer: good"


class Api:
    """One container, as inspected; ``restarts``: when the engine starts it again, by the clock."""

    def __init__(self, clock: Clock, restarted: int, restarts_at: float, health: str) -> None:
        self._clock, self._restarted, self._restarts_at, self._health = clock, restarted, restarts_at, health
        self.looks = 0
        # By the clock; before, its start is not over.
        self.ready_at = 0.0
        # As the engine has it, of the Compose file or of the image: nanoseconds, and 0 for what nobody has said.
        self.healthcheck: Mapping[str, Any] | None = None

    def events(self, **unused: Any) -> Iterator[Mapping[str, Any]]:
        return iter([{"Actor": {"Attributes": {"exitCode": "1"}}}])

    def inspect_container(self, identity: str) -> Mapping[str, Any]:
        if identity != "id1":
            raise NotFound("no such container")
        self.looks += 1
        again = self._clock.now() >= self._restarts_at
        state = {"Running": True, "Restarting": False, "OOMKilled": False, "Health": {"Status": self._status()}}
        networks = {"edge": {"IPAddress": "192.0.2.1"}}
        return {
            "State": state,
            "RestartCount": self._restarted + again,
            "NetworkSettings": {"Networks": networks},
            "Config": {"Healthcheck": self.healthcheck},
        }

    def _status(self) -> str:
        return self._health if self._clock.now() >= self.ready_at else "starting"


@dataclass
class Host:
    engine: Engine

    def scheme(self, target: Target) -> str:
        return "https"


@dataclass
class Target:
    stack: Stack

    @property
    def services(self) -> dict[str, Service]:
        return self.stack.by_name

    def expectation(self, service: str) -> Expectation:
        return Expectation()


@dataclass
class Bench:
    """A gate for one candidate, which answers ``answer`` for ever."""

    health: Mapping[str, Any] | None = field(default_factory=lambda: HEALTH)
    created: float = 1_700_000_000.0
    restarted: int = 0
    restarts_at: float = 1e9
    answer: Answer = field(default_factory=lambda: Answer(0.0, 200))
    docker: str = "healthy"
    service: Mapping[str, Any] = field(default_factory=dict)
    healthcheck: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.api = Api(self.clock, self.restarted, self.restarts_at, self.docker)
        host = Host(Engine(type("Client", (), {"api": self.api})(), "shop", "edge"))
        self.api.healthcheck = self.healthcheck
        target = Target(Stack.of({"services": [{"name": "api", "port": 8000, "health": self.health, **self.service}]}))
        self.gate = HostGate(host, target, self.clock, probe=self._probe, since=BEGUN)  # type: ignore[arg-type]
        self.replicas = [Replica("id1", "shop-api-1", "api", 1, "f", created=self.created)]

    def _probe(self, endpoint: Endpoint, timeout: float) -> Answer:
        self.asked = endpoint
        self.clock.sleep(min(timeout, self.answer.seconds))
        return self.answer

    def wait(self) -> Health:
        [found] = self.gate.wait("api", self.replicas)
        return found

    def watch(self, seconds: float = 6.0) -> Health:
        [found] = self.gate.watch("api", self.replicas, seconds, lambda: False)
        return found


@pytest.fixture(params=[HEALTH, None], ids=["our own check", "Docker's verdict"])
def health(request: pytest.FixtureRequest) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = request.param
    return found


def test_a_candidate_that_is_well_passes_and_stays(health: Mapping[str, Any] | None) -> None:
    bench = Bench(health)
    assert [bench.wait().healthy, bench.watch().healthy] == [True, True]


def test_a_candidate_that_crashed_once_at_its_start_does_not_pass(health: Mapping[str, Any] | None) -> None:
    found = Bench(health, restarts_at=0.0).wait()
    assert (found.healthy, found.violation) == (False, RESTARTED)


def test_a_candidate_that_is_started_again_between_two_looks_has_failed_the_watch(health: Mapping[str, Any] | None) -> None:
    bench = Bench(health, restarts_at=5.0)
    assert bench.wait().healthy
    found = bench.watch()
    assert (found.healthy, found.failures, found.violation) == (False, 0, RESTARTED)


@pytest.mark.parametrize("look", [Bench.wait, Bench.watch], ids=["gate", "watch"])
def test_restarts_before_this_run_are_forgiven_to_what_it_found_running(look: Callable[[Bench], Health]) -> None:
    bench = Bench(created=BEGUN - 100, restarted=2)
    assert bench.wait().healthy
    assert look(bench).healthy


def test_what_is_started_again_after_it_was_found_running_fails_like_any_other() -> None:
    bench = Bench(created=BEGUN - 100, restarted=2, restarts_at=1.0)
    assert bench.wait().violation == RESTARTED


def test_a_watch_too_short_to_condemn_is_not_passed_by_what_never_answers() -> None:
    by_us, by_docker = Bench(answer=Answer(9.0, error="silence")), Bench(None, docker="unhealthy")
    assert [bench.watch(0.1).violation for bench in (by_us, by_docker)] == [
        "silence; only 0 of 2 answers were good in the 5 s that it was watched, and the last 3 must be",
        "docker says unhealthy, healthy is awaited",
    ]


ROUTES = [{"paths": ["/x"]}, {"host": "*.shop.example"}, {"host": "shop.example"}, {"host": "www.shop.example"}]
MORE = {"host": "api.internal:8080", "scheme": "http", "port": 9000, "headers": {"X-Probe": "yes"}}


@pytest.mark.parametrize(
    ("service", "health", "url", "headers"),
    [
        pytest.param({}, {}, "http://192.0.2.1:8000/health", {}, id="of no route: its own address"),
        pytest.param(
            {"routes": ROUTES},
            {},
            "http://192.0.2.1:8000/health",
            {"Host": "shop.example", "X-Forwarded-Proto": "https"},
            id="as a user: the first host that is one, and the scheme of the edge",
        ),
        pytest.param({"routes": [{}]}, {}, "http://192.0.2.1:8000/health", {"X-Forwarded-Proto": "https"}, id="of any host"),
        pytest.param(
            {"routes": ROUTES},
            MORE,
            "http://192.0.2.1:9000/health",
            {"Host": "api.internal:8080", "X-Forwarded-Proto": "http", "X-Probe": "yes"},
            id="what the inventory says comes first",
        ),
        pytest.param(
            {},
            MORE,
            "http://192.0.2.1:9000/health",
            {"Host": "api.internal:8080", "X-Forwarded-Proto": "http", "X-Probe": "yes"},
            id="and without routes, too",
        ),
    ],
)
def test_a_replica_is_asked_as_users_ask_it(
    service: Mapping[str, Any], health: Mapping[str, Any], url: str, headers: Mapping[str, str]
) -> None:
    bench = Bench({**HEALTH, **health}, service=service)
    assert bench.wait().healthy
    assert (bench.asked.url, dict(bench.asked.headers)) == (url, headers)


SECOND = 1_000_000_000
TEST = {"Test": ["CMD-SHELL", "test -f /ready"]}


@pytest.mark.parametrize(
    ("healthcheck", "service", "seconds"),
    [
        pytest.param(
            {**TEST, "Interval": 30 * SECOND, "Retries": 10, "StartPeriod": 300 * SECOND}, {}, 900, id="its own, Docker's timeout"
        ),
        pytest.param(TEST, {}, 180, id="Docker's defaults"),
        pytest.param({**TEST, "Timeout": 0, "Interval": 0, "Retries": 0, "StartPeriod": 0}, {}, 180, id="0 is what nobody said"),
        pytest.param({**TEST, "Interval": SECOND, "Timeout": SECOND}, {}, 120, id="at least as long as ever"),
        pytest.param({"Test": ["NONE"], "StartPeriod": 900 * SECOND}, {}, 120, id="switched off"),
        pytest.param(None, {}, 120, id="none"),
        pytest.param(TEST, {"deadline_seconds": 20}, 20, id="less, by the inventory"),
        pytest.param(None, {"deadline_seconds": 600}, 600, id="more, by the inventory"),
    ],
)
def test_the_deadline_of_docker_is_that_of_the_healthcheck(
    healthcheck: Mapping[str, Any] | None, service: Mapping[str, Any], seconds: float
) -> None:
    found = Bench(None, docker="starting", healthcheck=healthcheck, service=service).wait()
    assert (found.healthy, found.violation) == (False, "docker says starting, healthy is awaited")
    assert (found.status, found.last) == (503, "starting")
    assert found.seconds == pytest.approx(seconds, abs=1)


def test_who_starts_slowly_and_says_so_is_waited_for() -> None:
    check = {**TEST, "Interval": 30 * SECOND, "Retries": 10, "StartPeriod": 300 * SECOND}
    bench = Bench(None, healthcheck=check)
    bench.api.ready_at = bench.clock.now() + 150
    found = bench.wait()
    assert (found.healthy, found.violation) == (True, "")
    assert found.seconds == pytest.approx(150, abs=1)


def test_of_a_replica_without_a_healthcheck_it_is_said_how_long_it_has_to_run() -> None:
    found = Bench(None, docker="", created=time.time() + 100, service={"deadline_seconds": 1}).wait()
    assert (found.healthy, found.status) == (False, 503)
    assert found.violation == "it has no healthcheck, so it has to run for 3 s, and has not yet"
