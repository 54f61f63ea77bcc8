"""What is counted of users' requests while a rollout is at work."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.operations import traffic
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.traffic import LONGEST, Counted, Traffic, counted
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.step import Action, Step

HEAD = "# pxname,svname,hrsp_1xx,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,rtime,"


def table(good: int, bad: int = 0, milliseconds: int = 12) -> str:
    rows = [
        f"shop.web,BACKEND,0,{good},0,0,{bad},{milliseconds},",
        "shop.web.tunnels,BACKEND,,,,,,32000,",
        "shopping.web,BACKEND,0,7000,0,0,7000,7000,",
        "maintenance,BACKEND,0,0,0,0,9000,9000,",
    ]
    return "\n".join([HEAD, *rows, ""])


class Watched:
    """A look at answers that are given, one second after the other."""

    def __init__(self, *answers: str | Exception) -> None:
        self.answers: Iterator[str | Exception] = iter(answers)
        self.seconds = 100.0
        self.traffic = Traffic(self.look, "shop", lambda: self.seconds)

    def look(self) -> str:
        answer = next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def sample(self) -> None:
        self.seconds += 1.0
        self.traffic.sample()


@pytest.fixture(autouse=True)
def never(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks only where a test says so."""
    monkeypatch.setattr(traffic, "EVERY_SECONDS", threading.TIMEOUT_MAX)


def test_of_one_stack_alone_and_of_all_its_backends() -> None:
    assert counted(table(100, 3), "shop") == Counted(103, 3, 12)


def test_each_second_counts_for_itself_and_says_what_was_done() -> None:
    watched = Watched(table(100, 1), table(210, 1, 20), table(300, 5), table(300, 5))
    with watched.traffic:
        watched.sample()
        watched.traffic.did("intent", Step(Action.DRAIN, "web"))
        watched.traffic.did("done", Step(Action.ADMIT, "web"))
        watched.traffic.did("failed", Step(Action.WATCH, "web"))
        watched.sample()
        watched.seconds += 0.5
    assert watched.traffic.as_dict() == {
        "samples": [[1.0, 110, 0, 20], [2.0, 94, 4, 12], [2.5, 0, 0, 12]],
        "steps": [[1.0, "web: admit"], [1.0, "web: watch failed"]],
    }


def test_a_worker_that_has_just_begun_counts_from_nothing() -> None:
    watched = Watched(table(100, 9), table(40, 2), table(60, 2))
    with watched.traffic:
        watched.sample()
    assert watched.traffic.as_dict()["samples"] == [[1.0, 42, 2, 12], [1.0, 20, 0, 12]]


@pytest.mark.parametrize(
    "silence", [EdgeError("it is away"), OSError("gone"), "Unknown command", HEAD + "\nshop.web,BACKEND,x,,,,,,"]
)
def test_an_edge_that_does_not_answer_leaves_a_gap_and_fails_nothing(silence: str | Exception) -> None:
    watched = Watched(table(100), silence, table(300), table(300))
    with watched.traffic:
        watched.sample()
        watched.sample()
    counts = [sample[1] for sample in watched.traffic.as_dict()["samples"]]
    assert sum(counts) in (200, 300)


def test_a_long_rollout_is_kept_in_wider_steps_and_nothing_is_lost() -> None:
    count = 5 * LONGEST
    watched = Watched(*(table(10 * number) for number in range(count + 2)))
    with watched.traffic:
        for _ in range(count):
            watched.sample()
    samples = watched.traffic.as_dict()["samples"]
    assert len(samples) <= LONGEST + 1
    assert sum(sample[1] for sample in samples) == 10 * (count + 1)
    assert [sample[0] for sample in samples] == sorted(sample[0] for sample in samples)


def test_it_looks_by_itself_and_ends_with_the_rollout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "EVERY_SECONDS", 0.001)
    looked, seen = threading.Event(), iter(range(0, 1_000_000, 10))

    def look() -> str:
        number = next(seen)
        if number > 50:
            looked.set()
        return table(number)

    before = threading.active_count()
    with Traffic(look, "shop") as watched:
        assert looked.wait(600)
    assert threading.active_count() == before
    assert {sample[1] for sample in watched.as_dict()["samples"]} == {10}
