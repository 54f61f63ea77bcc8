from __future__ import annotations

from collections.abc import Sequence

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.health.user_errors import Answered, Users
from hypothesis import given
from hypothesis import strategies as st

answered = st.builds(lambda good, bad: Answered(good + bad, bad), st.integers(0, 1000), st.integers(0, 1000))
ratios = st.floats(0, 1)


class Edge:
    """Counters of a HAProxy: (total, bad) of each replica that has a place."""

    def __init__(self, **counters: tuple[int, int]) -> None:
        self.counters = {name: Answered(*count) for name, count in counters.items()}
        self.breaks = False

    def look(self, names: Sequence[str]) -> dict[str, Answered]:
        assert names, "nobody needs to be asked"
        if self.breaks:
            raise EdgeError("no answer")
        return {name: count for name, count in self.counters.items() if name in names}

    def add(self, name: str, total: int, bad: int = 0) -> None:
        self.counters[name] = self.counters.get(name, Answered()) + Answered(total, bad)


def watching(edge: Edge, tolerated: float = 0.1, old: tuple[int, int] = (200, 0)) -> Users:
    """Candidates a and b have just been admitted; while they started, their incumbent answered ``old``."""
    users = Users(edge.look, tolerated)
    edge.add("i", 1000, 900)
    users.look_at_incumbents(["i"])
    edge.add("i", *old)
    edge.add("a", 500, 400)
    edge.add("b", 500, 400)
    users.look_at_candidates(["a", "b"])
    return users


JUDGED = [
    pytest.param((100, 0), 0.1, (200, 0), "", id="all is well"),
    pytest.param((100, 10), 0.1, (200, 0), "", id="as many as are tolerated"),
    pytest.param((100, 11), 0.1, (200, 0), "11 of 100", id="one more than is tolerated"),
    pytest.param((4, 4), 0.1, (200, 0), "", id="too few to say"),
    pytest.param((5, 5), 0.1, (200, 0), "5 of 5", id="few, and all bad"),
    pytest.param((100, 5), 0.0, (200, 0), "5 of 100", id="none is tolerated"),
    pytest.param((100, 100), 1.0, (200, 0), "", id="all are tolerated"),
    pytest.param((100, 40), 0.1, (200, 60), "", id="the incumbents were as bad, and a bit more is tolerated"),
    pytest.param((100, 41), 0.1, (200, 60), "41 of 100", id="worse than bad incumbents"),
    pytest.param((100, 99), 0.1, (200, 200), "", id="incumbents that answered nothing well"),
    pytest.param((100, 11), 0.1, (0, 0), "11 of 100", id="nobody asked the incumbents"),
]


@pytest.mark.parametrize(("seen", "tolerated", "old", "complaint"), JUDGED)
def test_candidates_are_judged_by_their_own_answers_and_those_of_their_incumbents(
    seen: tuple[int, int], tolerated: float, old: tuple[int, int], complaint: str
) -> None:
    edge = Edge()
    users = watching(edge, tolerated, old)
    edge.add("a", *seen)
    found = users.complaint()
    assert bool(found) == bool(complaint)
    assert complaint in found
    assert users.end() == seen[1]


def test_the_complaint_says_what_is_compared_with_what() -> None:
    edge = Edge()
    users = watching(edge, old=(200, 3))
    edge.add("a", 60, 30)
    edge.add("b", 40, 33)
    assert users.complaint() == (
        "users got a 5xx for 63 of 100 requests to its candidates, to its incumbents for 3 of 200, and max_failure_ratio "
        "tolerates 0.1."
    )
    assert users.worst() == "b"


def test_what_is_clear_condemns_before_the_watch_is_over_and_stays_said() -> None:
    edge = Edge()
    users = watching(edge)
    edge.add("a", 4, 4)
    assert not users.condemn()
    edge.add("b", 1, 1)
    assert users.condemn()
    edge.add("b", 1000)
    assert "5 of 5" in users.complaint()


def test_what_may_be_chance_waits_for_the_end_of_the_watch() -> None:
    edge = Edge()
    users = watching(edge)
    edge.add("a", 40, 6)
    assert not users.condemn()
    assert "6 of 40" in users.complaint()


def test_an_edge_that_does_not_answer_condemns_nobody_and_is_no_verdict_either() -> None:
    edge = Edge()
    users = watching(edge)
    edge.breaks = True
    assert not users.condemn()
    with pytest.raises(EdgeError):
        users.complaint()


def test_counters_that_begin_anew_count_from_nothing_and_those_that_are_gone_count_nothing() -> None:
    edge = Edge()
    users = watching(edge)
    edge.counters = {"a": Answered(90, 8)}
    assert (users.complaint(), users.end()) == ("", 8)
    users.look_at_candidates(["a"])
    edge.counters = {"a": Answered(50, 10)}
    assert "10 of 50" in users.complaint()
    edge.counters = {"a": Answered(95, 1)}
    assert users.end() == 1


def test_the_next_batch_knows_nothing_of_the_one_before() -> None:
    edge = Edge()
    users = watching(edge)
    edge.add("a", 50, 50)
    assert users.condemn()
    users.look_at_incumbents([])
    assert (users.complaint(), users.end()) == ("", 0)


@given(answered, ratios)
def test_what_is_clear_is_true_at_the_end_as_well(seen: Answered, ratio: float) -> None:
    assert seen.is_worse_than(ratio) or not seen.is_clearly_worse_than(ratio)


@given(answered, ratios, st.integers(0, 100))
def test_more_bad_answers_never_acquit(seen: Answered, ratio: float, more: int) -> None:
    assert not seen.is_worse_than(ratio) or (seen + Answered(more, more)).is_worse_than(ratio)
