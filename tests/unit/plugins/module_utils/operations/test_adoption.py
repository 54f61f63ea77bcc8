"""A running Compose project is taken over: nothing that serves users ends before the edge can, and there is a way back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError, EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.fence import Fence
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.adoption import HostAdoption
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.rollout import Rollout
from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import DesiredService, Order, UpdatePolicy
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica, State
from ansible_collections.morpheus.deploy.plugins.modules import stack_rollout

from tests.unit.plugins.module_utils.operations.test_rollout import StackHost, simulate
from tests.unit.simulation import KilledError

DB = DesiredService("db", 1, "db", policy=UpdatePolicy(order=Order.STOP_FIRST, exclusive="writes to the volume data"))
WEB = DesiredService("web", 2, "web", routed=True, depends_on=("db",), policy=UpdatePolicy(parallelism=1))
API = replace(WEB, name="api", fingerprint="api", depends_on=("web",))
LABELS = {
    "com.docker.compose.project.working_dir": "/opt/shop",
    "com.docker.compose.project.config_files": "/opt/shop/compose.yml,/opt/shop/more.yml",
}


class AdoptedHost(StackHost):
    def inspected(self, replica: Replica) -> Mapping[str, Any]:
        return {"Config": {"Labels": LABELS}}


class Handover:
    """What runs when the ports come over is noted."""

    def __init__(self, host: StackHost, holder: str = "shop-proxy-1", why: str = "") -> None:
        self.host, self.holder, self.why = host, holder, why
        self.due = True
        self.ran: list[str] = []

    def take(self, why_not: Callable[[], str]) -> list[str]:
        self.ran = self.host.runs()
        if self.why:
            raise EdgeError(f"the edge does not serve users, so {self.holder} has its ports again: {self.why}")
        assert why_not() == ""
        self.due = False
        for one in self.host.simulated.containers.values():
            if one.name == self.holder:
                one.state = State.DEAD
        return [self.holder] if self.holder else []


class OwnCompose:
    """The project's own Compose files: brings a service back as it ran."""

    def __init__(self, host: StackHost, fails: str = "") -> None:
        self.host, self.fails = host, fails
        self.asked: list[Any] = []

    def __call__(self, project: str, directory: Path, files: Sequence[Path], env_files: Sequence[Path]) -> OwnCompose:
        self.asked.append((project, str(directory), [str(one) for one in files]))
        return self

    def scale_up(self, service: str, total: int) -> None:
        if self.fails:
            raise EngineError(self.fails)
        for _ in range(total):
            self.host.simulated.add(service, "")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StackHost:
    """A project with a proxy, as docker compose has started it."""
    found = AdoptedHost(tmp_path)
    simulate(found, monkeypatch)
    for name in ("db", "web", "api", "proxy"):
        found.simulated.add(name, "")
    return found


def adoption(host: StackHost, handover: Handover, compose: OwnCompose | None = None) -> HostAdoption:
    own: Any = compose or OwnCompose(host)
    given: Any = host
    taken: Any = handover
    return HostAdoption(given, Fence(host.releases.root, 0), taken, lambda target: "", own)


def adopt(host: StackHost, handover: Handover, compose: OwnCompose | None = None) -> Rollout:
    run = adoption(host, handover, compose)
    rollout = run.prepare(host.release("1.0", DB, WEB, API), restart=False)
    run.execute(rollout)
    return rollout


NEW = ["api api"] * 2 + ["db db"] + ["web web"] * 2


def test_every_candidate_is_there_and_nothing_that_serves_users_has_ended_when_the_ports_come_over(host: StackHost) -> None:
    handover = Handover(host)
    done = adopt(host, handover)
    assert (done.outcome.failures, done.left) == ([], "")
    assert handover.ran == sorted(["api ", "web ", "proxy ", *NEW])
    assert host.runs() == sorted(NEW)
    assert host.releases.live() == "1.0-id"
    assert {one.name for one in done.after if one.admitted} == {f"shop-{name}-{one}" for name in ("api", "web") for one in (2, 3)}
    assert done.outcome.interrupted == {
        "db": "stop-first: writes to the volume data",
        "edge": "its ports came over from shop-proxy-1",
    }
    assert sorted(done.outcome.removed) == ["shop-api-1", "shop-db-1", "shop-proxy-1", "shop-web-1"]


def test_afterwards_the_next_rollout_is_an_ordinary_one(host: StackHost) -> None:
    handover = Handover(host)
    adopt(host, handover)
    again = adoption(host, handover).prepare("1.0-id", restart=False)
    assert (again.changed, again.steps) == (False, [])
    # Batch by batch again, also when it is called an adoption.
    run = adoption(host, handover)
    identity = host.release("2.0", DB, replace(WEB, fingerprint="new"), API)
    rollout = run.prepare(identity, restart=False)
    assert len({step.batch for step in rollout.steps}) == 2
    run.execute(rollout)
    assert rollout.outcome.failures == []
    assert host.runs() == sorted(["api api"] * 2 + ["db db"] + ["web new"] * 2)


def test_a_candidate_that_is_no_good_leaves_users_to_what_served_them(host: StackHost) -> None:
    host.simulated.bad = {"api"}
    handover = Handover(host)
    done = adopt(host, handover)
    assert "did not pass its gate" in done.outcome.failures[0]
    assert handover.ran == []
    # The data have a new owner already, which serves the old ones as well.
    assert host.runs() == ["api ", "db db", "proxy ", "web "]
    assert done.left == "mixed"
    assert stack_rollout.left_in_words(done, adopts=True) == (
        "This host runs a part of the release beside what ran before, which serves users as far as the edge does not; "
        "playbooks/adopt.yml goes on with a good release."
    )
    host.simulated.bad = set()
    assert adopt(host, handover).outcome.failures == []
    assert host.runs() == sorted(NEW)


def test_an_edge_that_does_not_answer_leaves_users_to_what_served_them(host: StackHost) -> None:
    done = adopt(host, Handover(host, why="status 503"))
    assert done.outcome.failures == ["the edge does not serve users, so shop-proxy-1 has its ports again: status 503"]
    assert host.runs() == ["api ", "db db", "proxy ", "web "]


def test_a_service_that_stopped_first_and_has_no_successor_comes_back_from_the_projects_own_files(host: StackHost) -> None:
    host.simulated.bad = {"db"}
    compose = OwnCompose(host)
    done = adopt(host, Handover(host), compose)
    assert compose.asked == [("shop", "/opt/shop", ["/opt/shop/compose.yml", "/opt/shop/more.yml"])]
    assert host.runs() == ["api ", "db ", "proxy ", "web "]
    assert done.left == "taken_back"
    assert stack_rollout.left_in_words(done, adopts=True) == (
        "What had to stop first was brought back by the project's own Compose files: this host runs what ran before."
    )
    assert host.edge_services == set()


def test_it_does_so_too_where_nobody_has_the_ports(host: StackHost) -> None:
    host.simulated.bad = {"db"}
    handover = Handover(host)
    handover.due = False
    done = adopt(host, handover)
    assert host.runs() == ["api ", "db ", "proxy ", "web "]
    assert (handover.ran, done.left) == ([], "mixed")


def test_when_it_cannot_the_command_is_said(host: StackHost) -> None:
    host.simulated.bad = {"db"}
    done = adopt(host, Handover(host), OwnCompose(host, "open /opt/shop/compose.yml: no such file or directory"))
    assert done.outcome.failures[-1] == (
        "db had to stop first and could not be brought back as it ran (open /opt/shop/compose.yml: no such file or directory). "
        "Its data are where they were. On this host, in /opt/shop: docker compose -p shop -f /opt/shop/compose.yml -f "
        "/opt/shop/more.yml up -d --no-deps db"
    )
    assert done.left == "mixed"


def test_a_web_service_that_has_the_port_itself_goes_on_until_it_hands_it_over(host: StackHost) -> None:
    host.simulated.containers.pop(next(one.id for one in host.simulated.containers.values() if one.service == "proxy"))
    handover = Handover(host, holder="shop-web-1")
    done = adopt(host, handover)
    assert done.outcome.failures == []
    assert "web " in handover.ran
    assert host.runs() == sorted(NEW)


@pytest.mark.parametrize("fuse", range(0, 40, 3))
def test_killed_anywhere_it_is_finished_by_the_same_command(host: StackHost, fuse: int) -> None:
    handover = Handover(host)
    host.simulated.fuse = fuse
    try:
        adopt(host, handover)
    except KilledError:
        host.simulated.fuse = None
        # As long as the edge has no ports, something from before serves, or what has the ports stands in front of new replicas.
        if handover.due:
            assert "web " in host.runs()
            assert "api " in host.runs()
    assert adopt(host, handover).outcome.failures == []
    assert host.runs() == sorted(NEW)
    assert host.releases.live() == "1.0-id"


def test_what_would_be_done_says_whom_it_interrupts(host: StackHost) -> None:
    stops = replace(WEB, replicas=1, policy=UpdatePolicy(order=Order.STOP_FIRST))
    rollout = adoption(host, Handover(host)).prepare(host.release("1.0", DB, stops), restart=False)
    assert {step.service: step.interrupts for step in rollout.steps if step.interrupts} == {
        "db": "stop-first: writes to the volume data",
        "web": "stop-first: its file says so",
    }
