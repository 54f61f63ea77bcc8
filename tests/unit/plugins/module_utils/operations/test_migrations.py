"""Migrations at work: awaited, stopped, found again. Containers and time exist only here."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, EngineError, FencedError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.one_offs import OneOff
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.migrations import Migrations, at_work
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Migration

from tests.unit.clock import Clock

MIGRATION = {"service": "migrate", "timeout_seconds": 5.0}
STARTED = 1_700_000_000.0
OURS = OneOff("id1", "shop-migrate-run-1", "1.0-a", at_work=True, since="2026-11-26T01:02:03Z", started=STARTED)
LOG = "\nThe last log lines of shop-migrate-run-1:\nrow 1\nrow 2"


@dataclass
class Containers:
    """one_offs.OneOffs: containers that end by themselves after ``lasts`` seconds of being looked at.

    ``stubborn``: stopping does not end them; ``broken``: the engine answers nothing from that moment on, ``deaf`` not to a stop.
    """

    clock: Clock
    found: list[OneOff] = field(default_factory=list)
    lasts: float = 1e9
    exit_code: int = 0
    stubborn: bool = False
    deaf: bool = False
    broken: tuple[float, float] = (1e9, 1e9)
    log: str = "row 1\nrow 2"
    calls: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._begun = self.clock.now()

    def _say(self) -> None:
        if self.broken[0] <= self.clock.now() - self._begun < self.broken[1]:
            raise EngineError("the engine did not answer")

    def find(self, service: str) -> list[OneOff]:
        assert service == "migrate"
        return [one for identity in [one.id for one in self.found] if (one := self.look(identity))]

    def look(self, identity: str) -> OneOff | None:
        self._say()
        one = next((one for one in self.found if one.id == identity), None)
        if one and one.at_work and self.clock.now() - self._begun >= self.lasts:
            return replace(one, at_work=False, exit_code=self.exit_code)
        return one

    def stop(self, one: OneOff) -> None:
        self.calls.append(f"stop {one.name} after {self.clock.now() - self._begun:g} s")
        if self.deaf:
            raise EngineError("the engine could not stop it: tried to kill container, but did not receive an exit event")
        self._say()
        if not self.stubborn:
            self.found = [replace(each, at_work=False, exit_code=137) if each.id == one.id else each for each in self.found]

    def remove(self, one: OneOff) -> None:
        self._say()
        self.calls.append(f"remove {one.name}")
        self.found = [each for each in self.found if each.id != one.id]

    def output(self, one: OneOff) -> str:
        return '{"applied": []}'

    def last_words(self, one: OneOff) -> str:
        return self.log


@pytest.fixture
def containers() -> Containers:
    return Containers(Clock(1000.0), [OURS])


def migrations(containers: Containers, now: float = STARTED) -> Migrations:
    return Migrations(containers, clock=containers.clock, now=lambda: now)  # type: ignore[arg-type]


def failure(containers: Containers, one: OneOff = OURS) -> str:
    with pytest.raises(DeployError) as caught:
        migrations(containers).finish(one, 5.0)
    return str(caught.value)


def test_a_migration_that_ends_well_tells_what_it_printed_and_is_removed(containers: Containers) -> None:
    containers.lasts = 3.0
    assert migrations(containers).finish(OURS, 5.0) == '{"applied": []}'
    assert containers.calls == ["remove shop-migrate-run-1"]


def test_a_migration_that_fails_is_quoted_and_removed(containers: Containers) -> None:
    containers.lasts, containers.exit_code = 3.0, 3
    assert failure(containers) == f"shop-migrate-run-1 exited with code 3.{LOG}"
    assert containers.found == []


def test_a_migration_without_memory_says_so_and_one_without_words_too(containers: Containers) -> None:
    containers.found, containers.log = [replace(OURS, at_work=False, exit_code=137, out_of_memory=True)], ""
    assert failure(containers) == "shop-migrate-run-1 exited with code 137 (out of memory), and had printed nothing"


def test_after_the_timeout_nothing_is_at_work_and_the_log_is_quoted(containers: Containers) -> None:
    """C23."""
    assert failure(containers) == (
        "shop-migrate-run-1 did not end within 5 s (stack.migration.timeout_seconds) and was stopped; nothing of it is at work "
        f"on this host any more.{LOG}"
    )
    assert containers.calls == ["stop shop-migrate-run-1 after 5 s", "remove shop-migrate-run-1"]


MAY_GO_ON = (
    "It may still be at work, so the next run looks for it first and starts no second one. See what it does with: docker logs "
    "shop-migrate-run-1; stop it with: docker stop shop-migrate-run-1"
)


def test_what_does_not_end_when_it_is_stopped_is_not_called_stopped_and_stays_to_be_found(containers: Containers) -> None:
    late = "shop-migrate-run-1 did not end within 5 s (stack.migration.timeout_seconds)"
    containers.stubborn = True
    assert failure(containers) == f"{late} and did not end when it was stopped. {MAY_GO_ON}"
    assert containers.found == [OURS]
    containers.deaf = True
    assert failure(containers) == (
        f"{late} and could not be stopped: the engine could not stop it: tried to kill container, but did not receive an exit "
        f"event. {MAY_GO_ON}"
    )
    assert containers.found == [OURS]


def test_an_engine_that_starts_anew_does_not_end_the_wait(containers: Containers) -> None:
    containers.lasts, containers.broken = 4.0, (1.0, 3.0)
    assert migrations(containers).finish(OURS, 5.0) == '{"applied": []}'


def test_an_engine_that_is_down_at_the_end_leaves_the_migration_to_the_next_run(containers: Containers) -> None:
    containers.broken = (1.0, 1e9)
    assert "could not be stopped: the engine did not answer. It may still be at work" in failure(containers)
    assert containers.found == [OURS]


def test_a_migration_that_somebody_removes_ends_nobody_knows_how(containers: Containers) -> None:
    containers.found = []
    assert failure(containers) == (
        "shop-migrate-run-1 was removed while it was at work, so nobody knows how it ended; run this again"
    )


def test_a_run_that_was_fenced_off_leaves_its_migration_to_the_one_that_has_taken_over(containers: Containers) -> None:
    def fenced() -> None:
        if containers.clock.now() >= 1002:
            raise FencedError("another run")

    with pytest.raises(FencedError):
        Migrations(containers, fenced, containers.clock).finish(OURS, 5.0)  # type: ignore[arg-type]
    assert containers.calls == []


def test_a_migration_of_the_same_release_is_waited_for_as_long_as_its_own_run_would_have_done(containers: Containers) -> None:
    containers.lasts = 2.0
    assert migrations(containers, now=STARTED + 2).settle(Migration.of(MIGRATION), "1.0-a") == [
        "the migration of release 1.0-a, which an earlier run had started at 2026-11-26T01:02:03Z, was waited for; it ended well"
    ]
    assert containers.found == []


@pytest.mark.parametrize(("age", "waited"), [(2.0, 3), (5.0, 0), (900.0, 0), (-3600.0, 5)])
def test_its_time_counts_from_its_own_start_whatever_the_clock_does(containers: Containers, age: float, waited: int) -> None:
    with pytest.raises(DeployError) as caught:
        migrations(containers, now=STARTED + age).settle(Migration.of(MIGRATION), "1.0-a")
    assert str(caught.value).startswith(
        "the migration of release 1.0-a, which an earlier run had started at 2026-11-26T01:02:03Z, failed: shop-migrate-run-1 "
        "did not end within 5 s (stack.migration.timeout_seconds) and was stopped"
    )
    assert containers.calls[0] == f"stop shop-migrate-run-1 after {waited} s"


def test_one_that_was_waited_for_and_failed_is_the_answer(containers: Containers) -> None:
    containers.lasts, containers.exit_code = 1.0, 4
    with pytest.raises(DeployError) as caught:
        migrations(containers).settle(Migration.of(MIGRATION), "1.0-a")
    assert str(caught.value) == (
        "the migration of release 1.0-a, which an earlier run had started at 2026-11-26T01:02:03Z, failed: shop-migrate-run-1 "
        f"exited with code 4.{LOG}"
    )


@pytest.mark.parametrize(
    ("release", "whose"), [("0.9-b", "the migration of release 0.9-b"), ("", "a migration that a person has started")]
)
def test_any_other_migration_at_work_is_refused_and_left_alone(containers: Containers, release: str, whose: str) -> None:
    containers.found = [replace(OURS, release=release)]
    with pytest.raises(DeployError) as caught:
        migrations(containers).settle(Migration.of(MIGRATION), "1.0-a")
    assert str(caught.value) == (
        f"{whose} is still at work on this host: container shop-migrate-run-1, since 2026-11-26T01:02:03Z. Two at once are never "
        "run. Wait for its end (docker logs --follow shop-migrate-run-1) or stop it (docker stop shop-migrate-run-1); then run "
        "this again"
    )
    assert containers.calls == []


def test_what_has_ended_is_removed_unless_a_person_has_started_it(containers: Containers) -> None:
    own, others = replace(OURS, at_work=False, release="0.9-b"), OneOff("id2", "shop-migrate-run-2", exit_code=1)
    containers.found = [own, others]
    assert migrations(containers).settle(Migration.of(MIGRATION), "1.0-a") == []
    assert containers.found == [others]


def test_check_mode_says_what_is_at_work_and_neither_waits_nor_removes(containers: Containers) -> None:
    containers.found.append(OneOff("id2", "shop-migrate-run-2", "0.9-b"))
    assert migrations(containers).settle(Migration.of(MIGRATION), "1.0-a", look_only=True) == [
        "the migration of release 1.0-a is at work on this host (shop-migrate-run-1, since 2026-11-26T01:02:03Z); a deploy would "
        "wait for it"
    ]
    assert containers.calls == []
    assert containers.clock.now() == 1000.0


def test_a_host_that_a_run_leaves_out_tells_what_is_at_work_there(containers: Containers) -> None:
    containers.found += [OneOff("id2", "shop-migrate-run-2", "0.9-b"), OneOff("id3", "shop-migrate-run-3", at_work=True)]
    assert [said.partition(" is still at work")[0] for said in at_work(containers, "migrate")] == [  # type: ignore[arg-type]
        "the migration of release 1.0-a",
        "a migration that a person has started",
    ]
    assert containers.calls == []
