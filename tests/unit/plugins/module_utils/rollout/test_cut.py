"""What was cut is counted by what the edge's workers say before, while and after replicas are stopped."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from threading import Event

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.cut import Count, Cut

CURRENT, OLD = 0, 16


class Edge:
    """Says the next of ``looks`` each time it is asked, and the last one for ever."""

    def __init__(self, *looks: Mapping[int, Count]) -> None:
        self.looks = list(looks)
        self.seen = Event()

    def look(self, name: str) -> Mapping[int, Count]:
        found = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if len(self.looks) == 1:
            self.seen.set()
        return found


def cut(*looks: Mapping[int, Count]) -> int:
    edge = Edge(*looks)
    with Cut(edge.look, ["shop-api-1"]) as found:
        assert edge.seen.wait(10)
    return found.total


TOLD = [
    pytest.param([{CURRENT: Count(0, 0, 7)}], 0, id="nothing was open"),
    pytest.param([{CURRENT: Count(3, 0, 7)}, {CURRENT: Count(0, 0, 7)}], 0, id="requests that ended well"),
    pytest.param([{CURRENT: Count(3, 0, 7)}, {CURRENT: Count(0, 0, 9)}], 2, id="requests that were broken off"),
    pytest.param([{CURRENT: Count(1, 0, 7)}, {CURRENT: Count(0, 0, 9)}], 2, id="one that came between two looks"),
    pytest.param([{CURRENT: Count(0, 2, 0)}, {CURRENT: Count()}], 2, id="tunnels end with their replica"),
    pytest.param([{CURRENT: Count(), OLD: Count(0, 1)}, {CURRENT: Count()}], 1, id="a tunnel of a worker that ended with it"),
    pytest.param([{CURRENT: Count(), OLD: Count(2)}, {CURRENT: Count()}], 2, id="requests of a worker that ended with them"),
    pytest.param(
        [{CURRENT: Count(1, 0, 0), OLD: Count(1, 0, 4)}, {CURRENT: Count(0, 0, 1), OLD: Count(0, 0, 4)}], 1, id="two workers"
    ),
]


@pytest.mark.parametrize(("looks", "total"), TOLD)
def test_what_was_cut_is_what_the_workers_counted(looks: list[Mapping[int, Count]], total: int) -> None:
    assert cut(*looks) == total


@pytest.mark.parametrize(("ended", "total"), [(2.5, 0), (1.5, 2), (0.0, 2)], ids=["after they closed", "with them", "unknown"])
def test_tunnels_that_the_application_closed_before_it_ended_were_not_cut(ended: float, total: int) -> None:
    """At second 1 two are open, from second 2 on none is."""
    times = itertools.count(1.0)
    edge = Edge({CURRENT: Count(0, 2)}, {CURRENT: Count()})
    with Cut(edge.look, ["shop-api-1"], lambda name: ended, lambda: next(times)) as found:
        assert edge.seen.wait(10)
    assert found.total == total


def test_an_edge_that_does_not_answer_stops_no_stop() -> None:
    def look(name: str) -> Mapping[int, Count]:
        raise EdgeError("HAProxy does not answer")

    with Cut(look, ["shop-api-1"]) as found:
        pass
    assert found.total == 0
