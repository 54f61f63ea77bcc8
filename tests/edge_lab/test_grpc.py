"""Calls and server streams of gRPC over a deploy and over its rollback, by real rollouts, a real HAProxy and toys."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.host.lock import alone
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.lineage import Kind
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.switch import HostRollout

from tests.edge_lab.edge import lab_directory, running_edge
from tests.edge_lab.examples import Release, Service
from tests.edge_lab.grpc import STREAM, Answer, GrpcDocker, ask
from tests.edge_lab.host import STACK, LabHost
from tests.edge_lab.namespace import own_network
from tests.hangs import HANGS_AFTER_SECONDS

HOST = "shop.example.com"
# Streams go on for so long after their replica was given up: one that nobody waits for would be gone by then.
HELD_SECONDS = 1.0
CALLS, STREAMS = "/greet.Greeter/Hello", "/greet.Greeter/Follow"
# All replicas at once, so that each has streams when its turn comes.
GREETER = Service("greeter", ((HOST, "/"),), port=9000, parallelism=0, listens=(8000,), health_port=8000, protocol="h2")


@contextmanager
def greeting(service: Service, *, graceful: bool) -> Iterator[tuple[LabHost, GrpcDocker]]:
    with (
        lab_directory() as root,
        running_edge(root, lambda loop: GrpcDocker(loop, STACK)) as edge,
    ):
        edge.docker.grpc_port, edge.docker.graceful = service.port, graceful
        host = edge.host()
        for name in "12":
            host.write(Release(name, (service,)))
        yield host, edge.docker


def roll(host: LabHost, release: str, kind: Kind = Kind.DEPLOY) -> list[str]:
    with alone(host, 0) as fence:
        rollout = HostRollout(host, fence)
        prepared = rollout.prepare(f"{release}-id", restart=False, kind=kind)
        rollout.execute(prepared)
    return prepared.outcome.failures


def eventually(question: Callable[[], bool]) -> None:
    deadline = time.monotonic() + HANGS_AFTER_SECONDS
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Calls:
    """Users who call again and again until ``stop``."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.answers: list[Answer] = []
        self._over = threading.Event()
        self._users = [pool.submit(self._call) for _ in range(2)]

    def _call(self) -> None:
        while not self._over.is_set():
            self.answers.append(ask(HOST, CALLS))

    def stop(self) -> None:
        self._over.set()
        for user in self._users:
            user.result()


@pytest.mark.parametrize(
    ("service", "graceful"),
    [
        # The toys of odd numbers end at once when they are told to, so a drain that does not wait cuts.
        pytest.param(GREETER, False, id="the drain waits"),
        pytest.param(replace(GREETER, stream=True), True, id="the server ends its calls"),
    ],
)
def test_no_call_fails_and_no_stream_is_cut_over_a_deploy_and_the_way_back(service: Service, graceful: bool) -> None:
    with own_network(), greeting(service, graceful=graceful) as (host, docker), ThreadPoolExecutor(8) as pool:
        assert roll(host, "1") == []
        changed(host, docker, pool, "1", "2", Kind.DEPLOY)
        changed(host, docker, pool, "2", "1", Kind.ROLLBACK)


def changed(host: LabHost, docker: GrpcDocker, pool: ThreadPoolExecutor, before: str, after: str, kind: Kind) -> None:
    """The release is another one, while each replica that goes has streams that last until it was told to go."""
    docker.over.clear()
    old = [one for one in docker.history if one.app.version == before and one.state == "running"]
    answers = [Answer() for _ in range(2 * len(old))]
    streams = [pool.submit(ask, HOST, STREAMS, STREAM, one) for one in answers]
    eventually(lambda: all(one.messages for one in answers))
    calls = Calls(pool)
    try:
        rolling = pool.submit(roll, host, after, kind)
        eventually(lambda: any(after in one.messages for one in calls.answers))
        if docker.graceful:
            eventually(lambda: all(one.stopping for one in old))
        else:
            eventually(lambda: not {one.name for one in old} & host.edge(None).admitted())
        time.sleep(HELD_SECONDS)
        assert not rolling.done()
        assert not any(one.done() for one in streams)
        docker.over.set()
        assert rolling.result() == []
    finally:
        docker.over.set()
        calls.stop()
    assert [one.result().error for one in streams] == [""] * len(streams)
    assert {version for one in answers for version in one.messages} == {before}
    assert [one.error for one in calls.answers if one.error] == []
    assert ask(HOST, CALLS).messages == [after]
