"""What a rollout needs at its worst moment, by the planner's own steps."""

from __future__ import annotations

from ansible_collections.morpheus.deploy.plugins.module_utils.rollout import peak
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.step import Action, Step
from hypothesis import given
from hypothesis import strategies as st

SIZES = st.integers(1, 1000)
COUNTS = st.integers(1, 5)


def batches(service: str, wave: int, count: int, at_once: int, *, stop_first: bool = False) -> list[Step]:
    steps: list[Step] = []
    for number in range(0, count, at_once):
        names = tuple(f"{service}-{one}" for one in range(number, min(number + at_once, count)))
        start = Step(Action.START, service, wave=wave, batch=number, count=len(names))
        stop = Step(Action.STOP, service, wave=wave, batch=number, replicas=names)
        steps += [stop, start] if stop_first else [start, stop]
    return steps


@given(count=COUNTS, at_once=COUNTS, size=SIZES)
def test_old_and_new_are_side_by_side_for_one_batch(count: int, at_once: int, size: int) -> None:
    same = {"web": size}
    assert peak.most(batches("web", 0, count, at_once), same, same) == min(count, at_once) * size
    assert peak.most(batches("web", 0, count, at_once, stop_first=True), same, same) == 0


@given(count=COUNTS, size=SIZES, more=SIZES)
def test_replicas_that_grow_add_up_until_the_last_one(count: int, size: int, more: int) -> None:
    found = peak.most(batches("web", 0, count, 1), {"web": size + more}, {"web": size})
    assert found == (size + more) + (count - 1) * more


@given(a=SIZES, b=SIZES)
def test_services_of_one_wave_roll_at_the_same_time_and_those_of_others_do_not(a: int, b: int) -> None:
    sizes = {"api": a, "web": b}
    assert peak.most([*batches("api", 0, 1, 1), *batches("web", 0, 1, 1)], sizes, sizes) == a + b
    assert peak.most([*batches("api", 0, 1, 1), *batches("web", 1, 1, 1)], sizes, sizes) == max(a, b)


@given(a=SIZES, b=SIZES, more=SIZES)
def test_what_an_earlier_wave_has_added_stays(a: int, b: int, more: int) -> None:
    steps = [*batches("api", 0, 1, 1), *batches("web", 1, 1, 1)]
    assert peak.most(steps, {"api": a + more, "web": b}, {"api": a, "web": b}) == more + max(a, b)


@given(job=SIZES, size=SIZES)
def test_a_job_gives_back_what_it_takes(job: int, size: int) -> None:
    steps = [Step(Action.RUN, "setup"), *batches("web", 1, 1, 1)]
    sizes = {"setup": job, "web": size}
    assert peak.most(steps, sizes, sizes) == max(job, size)


def test_nothing_to_do_needs_nothing() -> None:
    assert peak.most([], {}, {}) == 0
