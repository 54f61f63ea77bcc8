"""Two stacks of one host that roll at the same time: they share HAProxy, its files and its reloads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.sockets import Socket
from ansible_collections.morpheus.deploy.plugins.module_utils.host.lock import alone
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.switch import HostRollout

from tests.edge_lab.edge import lab_directory, running_edge
from tests.edge_lab.examples import Release, Service
from tests.edge_lab.host import LabHost
from tests.edge_lab.load import Load, Place
from tests.edge_lab.namespace import own_network
from tests.edge_lab.toys import Loop, ToyDocker

# An even number: they end with the first release. More of them are deep.
FEW_ROUNDS, ROUNDS = 4, 8
SHOP = Service("api", (("shop.example.com", "/"),))
MALL = Service("api", (("mall.example.com", "/"),))
PLACES = [Place("shop.example.com", "/"), Place("mall.example.com", "/")]


@contextmanager
def two_stacks() -> Iterator[tuple[Loop, dict[str, LabHost]]]:
    """On the same edge, each with an engine of its own that knows the names of both."""
    with (
        lab_directory() as root,
        running_edge(root, lambda loop: ToyDocker(loop, "shop")) as edge,
    ):
        mall = ToyDocker(edge.loop, "mall", "127.2.0.")
        edge.docker.neighbours.append(mall)
        try:
            yield edge.loop, {"shop": edge.host(), "mall": edge.host(docker=mall, name="mall")}
        finally:
            mall.close()


def roll(host: LabHost, release: str) -> list[str]:
    """What went wrong. With a lease, so that the lock of the rollout before is waited for: both stacks live in this process, and
    what one of them starts holds the files of both for a moment.
    """
    with alone(host, 1, "the lab") as fence:
        rollout = HostRollout(host, fence)
        prepared = rollout.prepare(f"{release}-id", restart=False)
        rollout.execute(prepared)
    return [*prepared.outcome.failures, *prepared.warnings]


@pytest.mark.parametrize("rounds", [FEW_ROUNDS, pytest.param(ROUNDS, marks=pytest.mark.deep)])
@pytest.mark.deep
def test_nobody_notices_that_two_stacks_roll_at_the_same_time(rounds: int) -> None:
    """Each rollout has the edge reloaded twice, and changes what is admitted and routed in between."""
    with own_network(), two_stacks() as (loop, hosts):
        for host, service in zip(hosts.values(), (SHOP, MALL), strict=True):
            host.write(Release("1", (service,)))
            host.write(Release("2", (replace(service, name="backend"),)))
            assert roll(host, "1") == []
        load = Load(loop, PLACES)
        load.start()
        begin = threading.Barrier(len(hosts))

        def again_and_again(host: LabHost) -> list[str]:
            begin.wait()
            return [words for number in range(rounds) for words in roll(host, "21"[number % 2])]

        with ThreadPoolExecutor(len(hosts)) as pool:
            troubles = list(pool.map(again_and_again, hosts.values()))
        load.stop()
        assert troubles == [[], []]
        assert [str(one) for one in load.requests if one.error or one.status != 200] == []
        assert {name: host.edge(None).routes() for name, host in hosts.items()} == {
            "shop": {"shop.example.com/": "api"},
            "mall": {"mall.example.com/": "api"},
        }
        paths = hosts["shop"].edge_paths
        told = Socket(str(paths.socket)).ask("show map /usr/local/etc/haproxy/routes.map").splitlines()
        written = (paths.conf / "routes.map").read_text().splitlines()
        assert sorted(line.split(maxsplit=1)[1] for line in told) == sorted(written)
