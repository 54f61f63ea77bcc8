"""Jobs at work: awaited, quoted, found again, never twice. Containers and time exist only here, and the lineage on a disk."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.one_offs import OneOff
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.lineage import Kind
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.jobs import Jobs
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.migrations import Migrations
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

from tests.unit.clock import Clock

STACK = Stack.of({"jobs": {"setup": {"timeout_seconds": 5}}})
STARTED = 1_700_000_000.0
OURS = OneOff("id1", "shop-setup-run-1", "1.0-a", at_work=True, since="2026-11-26T01:02:03Z", started=STARTED, service="setup")
LOG = "\nThe last log lines of shop-setup-run-1:\nrow 1\nrow 2"
AT_WORK = (
    "the job setup of release 1.0-a is still at work on this host: container shop-setup-run-1, since 2026-11-26T01:02:03Z. "
    "Two at "
    "once are never run. Wait for its end (docker logs --follow shop-setup-run-1) or stop it (docker stop shop-setup-run-1); "
    "then run "
    "this again"
)


class KilledError(BaseException):
    pass


@dataclass
class Containers:
    """one_offs.OneOffs: containers that end by themselves after ``lasts`` seconds. ``fuse``: what kills us."""

    clock: Clock
    found: list[OneOff] = field(default_factory=list)
    lasts: float = 3.0
    exit_code: int = 0
    fuse: str = ""
    calls: list[str] = field(default_factory=list)

    def jobs(self, names: Collection[str]) -> list[OneOff]:
        return [self.seen(one) for one in self.found if one.release or one.service in names]

    def look(self, identity: str) -> OneOff | None:
        return next((self.seen(one) for one in self.found if one.id == identity), None)

    def seen(self, one: OneOff) -> OneOff:
        ended = one.at_work and self.clock.now() - 1000.0 >= self.lasts
        return replace(one, at_work=False, exit_code=self.exit_code) if ended else one

    def stop(self, one: OneOff) -> None:
        self.calls.append(f"stop {one.name}")
        self.found = [replace(each, at_work=False, exit_code=137) for each in self.found]

    def remove(self, one: OneOff) -> None:
        if self.fuse == "remove":
            raise KilledError
        self.calls.append(f"remove {one.name}")
        self.found = [each for each in self.found if each.id != one.id]

    def output(self, one: OneOff) -> str:
        return ""

    def last_words(self, one: OneOff) -> str:
        return "row 1\nrow 2"


@dataclass
class Bench:
    jobs: Jobs
    containers: Containers
    starts: int = 0

    def run(self, identity: str = "1.0-a") -> None:
        def start() -> None:
            self.starts += 1
            self.containers.found.append(replace(OURS, release=identity))

        self.jobs.run(STACK, "setup", identity, start)

    @property
    def done(self) -> dict[str, list[str]]:
        return self.jobs.releases.lineage().jobs

    def refusal(self) -> str:
        with pytest.raises(DeployError) as caught:
            self.run()
        return str(caught.value)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    containers = Containers(Clock(1000.0))
    releases = Releases("shop", tmp_path)
    releases.root.mkdir(parents=True, exist_ok=True)
    migrations = Migrations(containers, clock=containers.clock, now=lambda: STARTED)  # type: ignore[arg-type]
    return Bench(Jobs(releases, containers, migrations), containers)  # type: ignore[arg-type]


def test_a_job_that_ended_well_is_remembered_removed_and_not_run_again(bench: Bench) -> None:
    bench.run()
    bench.run()
    assert (bench.starts, bench.done, bench.containers.found) == (1, {"1.0-a": ["setup"]}, [])


def test_the_next_release_runs_it_again_and_a_release_that_goes_takes_its_mark_along(bench: Bench) -> None:
    bench.run()
    bench.run("1.1-b")
    assert bench.starts == 2
    lineage = bench.jobs.releases.lineage()
    lineage.forget("1.0-a")
    assert lineage.jobs == {"1.1-b": ["setup"]}


def test_what_was_live_has_run_its_jobs_whichever_host_ran_them(bench: Bench) -> None:
    lineage = bench.jobs.releases.lineage()
    lineage.went_live("1.0-a", Kind.DEPLOY)
    bench.jobs.releases.write_lineage(lineage)
    bench.run()
    assert bench.starts == 0


def test_one_that_fails_is_quoted_removed_and_run_again_the_next_time(bench: Bench) -> None:
    bench.containers.exit_code = 3
    assert bench.refusal() == f'the job "setup" failed: shop-setup-run-1 exited with code 3.{LOG}'
    assert (bench.done, bench.containers.found) == ({}, [])
    bench.containers.exit_code = 0
    bench.run()
    assert (bench.starts, bench.done) == (2, {"1.0-a": ["setup"]})


def test_one_that_takes_too_long_is_stopped_and_names_its_option(bench: Bench) -> None:
    bench.containers.lasts = 99.0
    assert bench.refusal() == (
        'the job "setup" failed: shop-setup-run-1 did not end within 5 s (stack.jobs.setup.timeout_seconds) and was stopped; '
        f"nothing of it is at work on this host any more.{LOG}"
    )
    assert bench.containers.calls == ["stop shop-setup-run-1", "remove shop-setup-run-1"]


def test_one_that_a_killed_run_has_left_at_work_is_waited_for_and_not_run_beside(bench: Bench) -> None:
    bench.containers.found = [OURS]
    bench.run()
    assert (bench.starts, bench.done, bench.containers.found) == (0, {"1.0-a": ["setup"]}, [])


def test_when_that_one_fails_that_is_the_answer(bench: Bench) -> None:
    bench.containers.found, bench.containers.exit_code = [OURS], 3
    assert bench.refusal() == (
        "the job setup of release 1.0-a, which an earlier run had started at 2026-11-26T01:02:03Z, failed: shop-setup-run-1 "
        "exited "
        f"with code 3.{LOG}"
    )


def test_one_that_ended_well_when_nobody_waited_counts(bench: Bench) -> None:
    bench.containers.found = [replace(OURS, at_work=False)]
    bench.run()
    assert (bench.starts, bench.done, bench.containers.found) == (0, {"1.0-a": ["setup"]}, [])


def test_one_that_ended_badly_when_nobody_waited_is_run_again(bench: Bench) -> None:
    bench.containers.found = [replace(OURS, id="id0", at_work=False, exit_code=1)]
    bench.run()
    assert (bench.starts, bench.done) == (1, {"1.0-a": ["setup"]})


def test_a_run_that_is_killed_when_it_has_ended_leaves_the_mark(bench: Bench) -> None:
    bench.containers.fuse = "remove"
    with pytest.raises(KilledError):
        bench.run()
    assert (bench.done, len(bench.containers.found)) == ({"1.0-a": ["setup"]}, 1)
    bench.containers.fuse = ""
    bench.run()
    assert (bench.starts, bench.containers.found) == (1, [])


def test_one_of_another_release_is_neither_waited_for_nor_stopped(bench: Bench) -> None:
    bench.containers.found = [OURS]
    with pytest.raises(DeployError) as caught:
        bench.run("1.1-b")
    assert (str(caught.value), bench.containers.calls, bench.starts) == (AT_WORK, [], 0)


def test_one_that_a_person_has_started_is_not_ours(bench: Bench) -> None:
    bench.containers.found = [replace(OURS, release="")]
    assert bench.refusal().startswith("the job setup, which a person has started, is still at work on this host: container ")


def test_in_check_mode_it_is_said_and_not_waited_for(bench: Bench) -> None:
    bench.containers.found = [OURS]
    assert bench.jobs.settle(STACK, ["setup"], "1.0-a", look_only=True) == [
        "the job setup of release 1.0-a is at work on this host (shop-setup-run-1, since 2026-11-26T01:02:03Z); a deploy "
        "would wait "
        "for it"
    ]
    assert (bench.containers.calls, bench.done) == ([], {})


def test_a_way_back_is_told_of_it_and_does_not_wait(bench: Bench) -> None:
    bench.containers.found = [OURS]
    assert bench.jobs.at_work_of_others("0.9-z") == [AT_WORK]
    assert bench.jobs.at_work_of_others("1.0-a") == []


def test_one_that_does_not_start_says_so_and_leaves_nothing(bench: Bench) -> None:
    def start() -> None:
        bench.containers.found.append(OURS)
        raise EngineError("no such image")

    with pytest.raises(DeployError) as caught:
        bench.jobs.run(STACK, "setup", "1.0-a", start)
    assert (str(caught.value), bench.containers.found) == ('the job "setup" did not start: no such image', [])


def test_a_lost_lineage_knows_from_the_journal_which_have_run(bench: Bench) -> None:
    bench.run()
    (bench.jobs.releases.root / "lineage.json").unlink()
    assert bench.jobs.releases.lineage().jobs == {"1.0-a": ["setup"]}
