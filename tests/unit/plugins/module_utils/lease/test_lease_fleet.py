"""The lease of a fleet under attack: partitions, clocks, reboots, hosts rebuilt, files lost, controllers that are stopped or
killed.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import fence, history
from ansible_collections.morpheus.deploy.plugins.plugin_utils.lease import vote
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.unit.effort import examples
from tests.unit.lease_fleet import ENVIRONMENT, Host, Run, World

CONTROLLERS = ("anna", "ben", "carla")
HOUR = 3600.0
DAMAGES = ("gone", "torn", "garbage")
STACKS = ("shop", "cart")
# Each stands in for the others.
FENCES = ("stacks/fence.json", *(f"stacks/{name}/fence.json" for name in STACKS))
LEASE = f"leases/{ENVIRONMENT}/lease.json"
FILES = (*FENCES, LEASE, f"leases/{ENVIRONMENT}/beat.*")
# In memory where there is one: thousands of files are flushed.
MEMORY = Path("/dev/shm") if Path("/dev/shm").is_dir() else None


def damage(host: Host, what: str, how: str) -> None:
    """What becomes of a file of the host, where it is there."""
    for path in sorted(host.root.glob(what)):
        content = path.read_bytes()
        path.unlink() if how == "gone" else path.write_bytes(content[: len(content) // 2] if how == "torn" else b"\xff\xfe")


class Fleet(RuleBasedStateMachine):
    steps = 0

    @initialize(size=st.sampled_from([1, 2, 3, 3, 3, 4, 5, 7]))
    def begin(self, size: int) -> None:
        self.directory = TemporaryDirectory(dir=MEMORY)
        self.world = World()
        for number in range(1, size + 1):
            name = f"app-{number}"
            self.world.hosts[name] = Host(name, Path(self.directory.name) / name, self.world)

    def teardown(self) -> None:
        if hasattr(self, "directory"):
            try:
                self.see_that_a_run_that_is_alone_and_reaches_enough_gets_the_lease()
            finally:
                self.directory.cleanup()

    def see_that_a_run_that_is_alone_and_reaches_enough_gets_the_lease(self) -> None:
        """Whatever was before, with one vote and one more; the hosts that it does without are the first ones."""
        for run in self.living():
            self.world.end(run, "interrupted")
        names = list(self.world.hosts)
        dead = vote.keepers(names)[: (len(vote.keepers(names)) - 1) // 2]
        self.world.cut.clear()
        for host in self.world.hosts.values():
            host.up = host.name not in dead
        run = Run("the last", "carla")
        self.world.runs.append(run)
        began = self.world.now
        for _ in self.world.vote(run, [name for name in names if name not in dead]):
            type(self).steps += 1
        assert run.token, run.problem
        # One that gives no more signs of life is waited for: on all hosts side by side, and one after the other here.
        assert self.world.now - began <= 22 * len(names)
        assert all(name in dead or self.world.hosts[name].accepts(run.token, run.name) for name in names)

    def a_host(self, data: st.DataObject) -> Host:
        return self.world.hosts[data.draw(st.sampled_from(sorted(self.world.hosts)), "host")]

    def living(self) -> list[Run]:
        return [run for run in self.world.runs if not run.over]

    @precondition(lambda self: len(self.living()) < 4)
    @rule(
        data=st.data(), controller=st.sampled_from(CONTROLLERS), everywhere=st.booleans(), steps=st.sampled_from([20, 20, 2, 1])
    )
    def start(self, data: st.DataObject, controller: str, everywhere: bool, steps: int) -> None:
        """With --limit to what can be reached, or without."""
        run = Run(f"run-{len(self.world.runs)}", controller)
        reached = [name for name in self.world.hosts if self.world.reaches(run, name)]
        limit = reached and data.draw(st.lists(st.sampled_from(reached), min_size=1, unique=True), "limit")
        run.steps = self.world.vote(run, reached if everywhere else [name for name in reached if name in limit])
        self.world.runs.append(run)
        self.go(run, steps)

    def go(self, run: Run, steps: int) -> None:
        for _ in range(0 if run.stopped else steps):
            type(self).steps += 1
            next(run.steps, None)

    @precondition(lambda self: any(not run.token for run in self.living()))
    @rule(data=st.data(), steps=st.sampled_from([1, 2, 20]))
    def go_on(self, data: st.DataObject, steps: int) -> None:
        self.go(data.draw(st.sampled_from([run for run in self.living() if not run.token]), "run"), steps)

    @precondition(lambda self: any(run.token for run in self.living()))
    @rule(data=st.data(), awake=st.booleans(), stack=st.sampled_from(STACKS))
    def write(self, data: st.DataObject, awake: bool, stack: str) -> None:
        """Those that were stopped, too, when they wake up; and on hosts that were not asked when the lease was taken."""
        for run in self.living():
            run.stopped = run.stopped and not awake
        runs = [run for run in self.living() if run.token and not run.stopped]
        for run in data.draw(st.permutations(runs), "order"):
            for name in self.world.hosts:
                if self.world.reaches(run, name):
                    type(self).steps += 1
                    self.world.hosts[name].accepts(run.token, run.name, stack)

    @precondition(lambda self: any(run.token and not run.stopped for run in self.living()))
    @rule(data=st.data(), seconds=st.sampled_from([0.0, 4.0, 21.0]))
    def stop(self, data: st.DataObject, seconds: float) -> None:
        data.draw(st.sampled_from([run for run in self.living() if run.token and not run.stopped]), "run").stopped = True
        self.world.pass_(seconds)

    @precondition(lambda self: bool(self.living()))
    @rule(data=st.data(), verdict=st.sampled_from(["deployed", "interrupted"]))
    def end(self, data: st.DataObject, verdict: str) -> None:
        run = data.draw(st.sampled_from(self.living()), "run")
        in_office = run in self.world.in_office()
        reached = self.world.end(run, verdict)
        keepers = vote.keepers(list(self.world.hosts))
        if verdict != "deployed" or not in_office or len(reached) < len(run.keepers) or len(keepers) < 3:
            return
        # Whatever single host is lost, the history of the others knows how it ended.
        for lost in keepers:
            told = history.merged([self.world.hosts[name].lines() for name in keepers if name != lost])
            assert [line["verdict"] for line in told if line["run"] == run.name] == ["deployed"]

    @rule(data=st.data(), how=st.sampled_from(["split", "some", "heal"]))
    def partition(self, data: st.DataObject, how: str) -> None:
        """Split: anna reaches hosts that ben does not, and the other way round."""
        names = list(self.world.hosts)
        if how == "some":
            self.world.cut |= {(data.draw(st.sampled_from(CONTROLLERS), "controller"), self.a_host(data).name)}
            return
        middle = data.draw(st.integers(0, len(names)), "middle") if how == "split" else 0
        self.world.cut = {("anna", name) for name in names[middle:]} | {("ben", name) for name in names[:middle]}
        if how == "heal":
            self.world.cut.clear()

    @rule(data=st.data(), what=st.sampled_from(["reboot", "power off", "power on", "clock", "unlock"]))
    def trouble(self, data: st.DataObject, what: str) -> None:
        host = self.a_host(data)
        if what == "power off":
            host.up = False
        elif what == "clock":
            host.drift += data.draw(st.sampled_from([-24 * HOUR, -HOUR, -1.0, 1.0, HOUR, 24 * HOUR]), "jump")
        elif what == "unlock" and host.up:
            host.lease.break_("why not", "carla")
        elif what in ("reboot", "power on"):
            host.up, host.booted = True, self.world.now - data.draw(st.sampled_from([0.0, 3.0, 30.0]), "uptime")

    @rule(data=st.data())
    def rebuild(self, data: st.DataObject) -> None:
        """The host has a new disk: it knows nothing any more, so it counts as another one from here on."""
        host = self.a_host(data)
        shutil.rmtree(host.root, ignore_errors=True)
        host.up, host.booted, host.writes = True, self.world.now, []

    @rule(data=st.data(), what=st.sampled_from(FILES), how=st.sampled_from(DAMAGES))
    def damage(self, data: st.DataObject, what: str, how: str) -> None:
        """Of what knows the run that was let in last one stays: all of it is not lost at once."""
        host = self.a_host(data)
        knows = [one for one in (*FENCES, LEASE) if one != what and fence.read(host.root / one).token >= host.mark.token]
        if what not in (*FENCES, LEASE) or [one for one in knows if one != LEASE or fence.read(host.root / one).run]:
            damage(host, what, how)

    @rule(seconds=st.sampled_from([0.5, 4.0, 19.0, 21.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self.world.pass_(seconds)

    @invariant()
    def no_host_lets_an_older_run_in_after_a_newer_one(self) -> None:
        for host in self.world.hosts.values() if hasattr(self, "world") else ():
            for (before, one), (after, other) in zip(host.writes, host.writes[1:], strict=False):
                assert before < after or (before, one) == (after, other), host.writes

    @invariant()
    def no_two_runs_have_the_lease_of_three_hosts_or_more(self) -> None:
        if hasattr(self, "world") and len(self.world.hosts) > 2:
            assert len(self.world.in_office()) <= 1


TestFleet = Fleet.TestCase
TestFleet.settings = settings(max_examples=examples(20), stateful_step_count=60, deadline=None)


@pytest.fixture
def pair(tmp_path: Path) -> World:
    """Two hosts, of which anna reaches the first one and ben the second one."""
    world = World(cut={("anna", "app-2"), ("ben", "app-1")})
    world.hosts = {name: Host(name, tmp_path / name, world) for name in ("app-1", "app-2")}
    return world


def run_of(world: World, controller: str, *hosts: str) -> Run:
    run = Run(f"run of {controller}", controller)
    world.runs.append(run)
    for _ in world.vote(run, list(hosts)):
        pass
    return run


@pytest.mark.parametrize(("needed", "in_office"), [(2, ["ben"]), (1, ["anna", "ben"])], ids=["most", "a minority, to break it"])
def test_of_two_sides_that_cannot_hear_of_each_other_the_greater_one_has_the_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, needed: int, in_office: list[str]
) -> None:
    monkeypatch.setattr(vote, "needed", lambda keepers: needed)
    world = World(cut={("anna", "app-2"), ("anna", "app-3"), ("ben", "app-1")})
    world.hosts = {name: Host(name, tmp_path / name, world) for name in ("app-1", "app-2", "app-3")}
    run_of(world, "anna", "app-1")
    run_of(world, "ben", "app-2", "app-3")
    assert [run.controller for run in world.in_office()] == in_office


def test_two_runs_that_were_given_one_number_are_never_both_let_in(pair: World) -> None:
    anna, ben = run_of(pair, "anna", "app-1"), run_of(pair, "ben", "app-2")
    assert anna.token == ben.token > 0
    pair.cut.clear()
    writes = [pair.hosts[name].accepts(run.token, run.name) for name in pair.hosts for run in (ben, anna)]
    assert writes == [False, True, True, False]


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("what", FILES)
def test_whichever_file_of_a_host_is_lost_it_lets_no_run_in_again_that_another_one_has_followed(
    pair: World, what: str, how: str
) -> None:
    pair.cut.clear()
    anna = run_of(pair, "anna", "app-1", "app-2")
    assert all(host.accepts(anna.token, anna.name) for host in pair.hosts.values())
    anna.stopped = True
    pair.pass_(21.0)
    ben = run_of(pair, "ben", "app-1", "app-2")
    assert all(host.accepts(ben.token, ben.name) for host in pair.hosts.values())
    damage(pair.hosts["app-1"], what, how)
    assert [host.accepts(anna.token, anna.name) for host in pair.hosts.values()] == [False, False]
    assert [host.accepts(ben.token, ben.name) for host in pair.hosts.values()] == [True, True]


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("lost", [FENCES[:1], FENCES], ids=["the host's fence", "every fence"])
def test_a_run_that_comes_late_to_a_stack_that_is_new_on_a_host_is_stopped_by_what_is_left_there(
    pair: World, lost: tuple[str, ...], how: str
) -> None:
    pair.cut.clear()
    anna = run_of(pair, "anna", "app-1", "app-2")
    anna.stopped = True
    pair.pass_(21.0)
    ben = run_of(pair, "ben", "app-1", "app-2")
    assert all(host.accepts(ben.token, ben.name) for host in pair.hosts.values())
    for what in lost:
        damage(pair.hosts["app-1"], what, how)
    assert not pair.hosts["app-1"].accepts(anna.token, anna.name, "cart")
    assert pair.hosts["app-1"].accepts(ben.token, ben.name, "cart")


@pytest.mark.parametrize("behind", [1.0, HOUR, 24 * HOUR])
def test_a_first_host_whose_clock_is_behind_fences_nobody_off(pair: World, behind: float) -> None:
    """The one before had the other host only, so the first one has never heard of its token."""
    ben = run_of(pair, "ben", "app-2")
    pair.end(ben, "deployed")
    pair.cut.clear()
    pair.hosts["app-1"].drift = -behind
    carla = run_of(pair, "carla", "app-1", "app-2")
    assert carla.token == ben.token + 1
    assert all(host.accepts(carla.token, carla.name) for host in pair.hosts.values())
    # One keeper on each host, although the first one was asked twice.
    assert pair.end(carla, "deployed") == ["app-1", "app-2"]
    assert [host.lease.read() for host in pair.hosts.values()] == [None, None]


def test_a_fence_that_is_years_ahead_stops_nobody_for_good(pair: World) -> None:
    pair.cut.clear()
    pair.hosts["app-2"].accepts(4_000_000_000, "run of a clock that was wrong")
    anna = run_of(pair, "anna", "app-1", "app-2")
    assert anna.token == 4_000_000_001
    assert all(host.accepts(anna.token, anna.name) for host in pair.hosts.values())


def test_a_run_that_lost_its_lease_is_stopped_wherever_the_next_one_has_it_and_has_written_nothing_yet(pair: World) -> None:
    pair.cut.clear()
    anna = run_of(pair, "anna", "app-1", "app-2")
    assert all(host.accepts(anna.token, anna.name) for host in pair.hosts.values())
    anna.stopped = True
    pair.pass_(21.0)
    assert run_of(pair, "ben", "app-1", "app-2").token > anna.token
    assert [host.accepts(anna.token, anna.name) for host in pair.hosts.values()] == [False, False]
