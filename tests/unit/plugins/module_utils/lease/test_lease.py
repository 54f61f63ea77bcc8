from __future__ import annotations

import json
import multiprocessing
import stat
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from multiprocessing.synchronize import Barrier
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import HostClock, SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import history
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.held import TTL_SECONDS, Claim, Held, LeaseError, Record
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.lease import BEAT_SECONDS, GONE, Lease
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.hangs import HANGS_AFTER_SECONDS
from tests.unit.effort import examples

ANNA = Claim("anna@laptop", "deploy 1.2.0", "run-a")
BEN = Claim("ben@desk", "deploy 1.3.0", "run-b")
NOON = 1_800_000_000.0
DAY = 86_400.0


@dataclass
class FakeClock:
    """Time passes only while somebody sleeps; what was planned happens on the way."""

    up: float = 1000.0
    time: float = NOON
    planned: list[tuple[float, Callable[[], object]]] = field(default_factory=list)

    def uptime(self) -> float:
        return self.up

    def wall(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        end = self.up + seconds
        while due := sorted((item for item in self.planned if item[0] <= end), key=lambda item: item[0]):
            self.planned.remove(due[0])
            self.up = max(self.up, due[0][0])
            due[0][1]()
        self.up = end

    def after(self, seconds: float, action: Callable[[], object]) -> None:
        self.planned.append((self.up + seconds, action))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def lease(tmp_path: Path, clock: FakeClock) -> Lease:
    return Lease("production", tmp_path, clock)


def renew(lease: Lease, token: int, clock: FakeClock) -> None:
    """What the keeper's shell command does, on the fake clock."""
    beat = lease.directory / f"beat.{token}"
    if beat.exists():
        beat.write_text(f"{clock.up}\n")


def live(lease: Lease, token: int, clock: FakeClock, seconds: float, *, first: float = BEAT_SECONDS) -> None:
    """Plan the renewals of a run that lives for ``seconds``."""
    due = first
    while due <= seconds:
        clock.after(due, lambda: renew(lease, token, clock))
        due += BEAT_SECONDS


def last_line(lease: Lease) -> dict[str, Any]:
    return history.tail(lease.history, 1)[0]


def test_a_free_lease_is_taken_at_once(lease: Lease, clock: FakeClock) -> None:
    record = lease.acquire(ANNA)
    assert record == Record(int(NOON), "anna@laptop", "deploy 1.2.0", "run-a", "2027-01-15T08:00:00Z", 20.0)
    assert clock.up == 1000.0
    assert lease.read() == Held(record, 1000.0, 0.0)
    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in lease.directory.iterdir()}
    assert files == {"lease.json": 0o600, f"beat.{record.token}": 0o600, "lock": 0o600}


def test_each_environment_has_a_lease_of_its_own(tmp_path: Path, clock: FakeClock) -> None:
    Lease("production", tmp_path, clock).acquire(ANNA)
    assert Lease("staging", tmp_path, clock).acquire(BEN).taken_over is None


@pytest.mark.parametrize("name", ["", "..", "a/b", "../x", "-x", "a b", "a\n", "$(x)"])
def test_a_name_that_would_lead_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(LeaseError, match="is not a valid name of an environment"):
        Lease(name, tmp_path)


def test_a_run_that_lives_is_named_within_one_heartbeat(lease: Lease, clock: FakeClock) -> None:
    token = lease.acquire(ANNA).token
    live(lease, token, clock, 100)
    clock.sleep(0.1)
    with pytest.raises(LeaseError) as caught:
        lease.acquire(BEN)
    assert str(caught.value) == (
        "The lease of production is held by anna@laptop (deploy 1.2.0) since 2027-01-15T08:00:00Z, token 1800000000. "
        "Its last sign of life was 0 s ago. Wait for its end with -e lease_wait_seconds=600. "
        "Only when that run is known to be dead: ansible-playbook playbooks/unlock.yml -i <inventory> -e unlock_reason=..."
    )
    assert caught.value.holder
    assert caught.value.holder.record.token == token
    assert 1005.0 <= clock.up <= 1005.0 + 0.3


def test_a_lease_that_is_given_back_meanwhile_is_taken(lease: Lease, clock: FakeClock) -> None:
    first = lease.acquire(ANNA)
    clock.after(3.1, lambda: lease.release(first.token))
    record = lease.acquire(BEN)
    assert record.taken_over is None
    assert record.token == first.token + 1
    assert 1003.1 <= clock.up < 1003.5
    assert not lease.history.exists()


@pytest.mark.parametrize("wait_seconds", [0.0, 5.0, 600.0])
def test_a_run_that_gives_no_sign_of_life_is_taken_over_once_its_ttl_has_passed(
    lease: Lease, clock: FakeClock, wait_seconds: float
) -> None:
    first = lease.acquire(ANNA)
    live(lease, first.token, clock, 7)
    record = lease.acquire(BEN, wait_seconds) if wait_seconds > 5 else None
    if record is None:
        clock.sleep(7)
        record = lease.acquire(BEN, wait_seconds)
    # Its last renewal was five seconds after it was taken.
    assert 1005.0 + TTL_SECONDS <= clock.up <= 1005.0 + TTL_SECONDS + 0.3
    why = "no sign of life for 20 s"
    assert record.taken_over == {"token": first.token, "owner": "anna@laptop", "reason": "deploy 1.2.0", "why": why}
    assert lease.read() == Held(record, clock.up, 0.0)
    assert [path.name for path in lease.directory.glob("beat.*")] == [f"beat.{record.token}"]
    assert last_line(lease) == {
        "at": "2027-01-15T08:00:00Z",
        "run": "run-a",
        "owner": "anna@laptop",
        "what": "deploy 1.2.0",
        "environment": "production",
        "verdict": "vanished",
        "token": first.token,
        "why": f"{why}; taken over by ben@desk",
    }


def test_the_end_of_a_run_that_lives_is_waited_for_as_long_as_asked(lease: Lease, clock: FakeClock) -> None:
    token = lease.acquire(ANNA).token
    live(lease, token, clock, 300)
    clock.after(123.0, lambda: lease.release(token))
    assert lease.acquire(BEN, wait_seconds=600).owner == "ben@desk"
    assert 1123.0 <= clock.up < 1123.5


def test_a_run_that_goes_on_for_longer_than_was_waited_for_is_refused_then(lease: Lease, clock: FakeClock) -> None:
    token = lease.acquire(ANNA).token
    live(lease, token, clock, 300)
    with pytest.raises(LeaseError):
        lease.acquire(BEN, wait_seconds=60)
    assert 1060.0 <= clock.up < 1060.5


def test_whoever_was_quicker_is_the_one_that_is_named(lease: Lease, clock: FakeClock) -> None:
    first = lease.acquire(ANNA)

    def quicker() -> None:
        lease.release(first.token)
        lease.acquire(replace(ANNA, owner="carla@tablet"))

    clock.after(1.1, quicker)
    with pytest.raises(LeaseError, match="held by carla@tablet"):
        lease.acquire(BEN)
    assert clock.up < 1002.0


def test_the_ttl_that_counts_is_that_of_whoever_has_the_lease(lease: Lease, clock: FakeClock) -> None:
    lease.acquire(replace(ANNA, ttl_seconds=60.0))
    lease.acquire(BEN)
    assert 1060.0 <= clock.up < 1060.5


@pytest.mark.parametrize("jump", [-DAY, DAY, -NOON], ids=["a day back", "a day forth", "to 1970"])
def test_a_clock_that_is_set_changes_nothing(lease: Lease, clock: FakeClock, jump: float) -> None:
    first = lease.acquire(ANNA)
    live(lease, first.token, clock, 7)
    clock.time += jump
    with pytest.raises(LeaseError, match="held by anna@laptop"):
        lease.acquire(BEN)
    second = lease.acquire(BEN)
    assert 1005.0 + TTL_SECONDS <= clock.up <= 1005.0 + TTL_SECONDS + 0.3
    assert second.token > first.token


def test_the_token_grows_on_another_lease_host_too(tmp_path: Path, clock: FakeClock) -> None:
    first = Lease("production", tmp_path / "one", clock)
    for _ in range(3):
        token = first.acquire(ANNA).token
        first.release(token)
    clock.time += 60
    assert Lease("production", tmp_path / "two", clock).acquire(ANNA).token > token


@pytest.mark.parametrize(
    ("up", "taken_at"),
    [(3.0, TTL_SECONDS), (19.0, TTL_SECONDS), (20.0, TTL_SECONDS), (900.0, 900.0)],
    ids=["just up", "nearly over", "over", "long up"],
)
def test_after_the_host_has_come_up_again_a_lease_lives_for_its_ttl(
    lease: Lease, clock: FakeClock, up: float, taken_at: float
) -> None:
    lease.acquire(ANNA)
    clock.up = up
    record = lease.acquire(BEN)
    assert record.taken_over
    assert taken_at <= clock.up <= taken_at + 0.3


def test_a_run_that_has_outlived_a_reboot_of_the_host_keeps_its_lease(lease: Lease, clock: FakeClock) -> None:
    token = lease.acquire(ANNA).token
    clock.up = 3.0
    live(lease, token, clock, 100, first=1.0)
    with pytest.raises(LeaseError, match="held by anna@laptop"):
        lease.acquire(BEN)


def test_the_first_sign_of_life_is_not_in_the_future(lease: Lease, clock: FakeClock) -> None:
    """Rounded up it would look like one from before a reboot, and the lease would be lost at once."""
    clock.up = 1000.016
    lease.acquire(ANNA)
    held = lease.read()
    assert held
    assert held.alive


UNREADABLE = [b"", b'{"token": 18', b"[]", b"null", b'"x"', b"\xff\xfe", b'{"token": "x"}', b'{"token": 1e999}', b"\0" * 100]


@pytest.mark.parametrize("content", UNREADABLE, ids=repr)
def test_an_unreadable_lease_is_respected_while_its_run_lives_and_taken_over_when_it_does_not(
    lease: Lease, clock: FakeClock, content: bytes
) -> None:
    token = lease.acquire(ANNA).token
    (lease.directory / "lease.json").write_bytes(content)
    clock.sleep(0.1)
    live(lease, token, clock, 7)
    with pytest.raises(LeaseError, match=f"held by unknown .lease.json cannot be read. since unknown, token {token}"):
        lease.acquire(BEN)
    record = lease.acquire(BEN)
    assert record.token > token
    assert record.taken_over == {
        "token": token,
        "owner": "unknown",
        "reason": "lease.json cannot be read",
        "why": "no sign of life for 20 s",
    }
    assert last_line(lease)["verdict"] == "vanished"


@pytest.mark.parametrize("content", UNREADABLE, ids=repr)
def test_an_unreadable_lease_that_was_given_back_is_free(lease: Lease, content: bytes) -> None:
    lease.release(lease.acquire(ANNA).token)
    (lease.directory / "lease.json").write_bytes(content)
    assert lease.read() is None
    assert lease.acquire(BEN).taken_over is None


def test_a_sign_of_life_that_was_torn_by_a_crash_counts_as_none_since_the_host_came_up(lease: Lease, clock: FakeClock) -> None:
    (lease.directory / f"beat.{lease.acquire(ANNA).token}").write_text("")
    clock.up = 5.0
    assert lease.acquire(BEN).taken_over
    assert TTL_SECONDS <= clock.up <= TTL_SECONDS + 0.3


def test_what_a_crash_leaves_between_two_writes_is_the_old_lease(lease: Lease, clock: FakeClock) -> None:
    first = lease.acquire(ANNA)
    (lease.directory / "beat.1900000000").write_text("1000.0\n")
    held = lease.read()
    assert held
    assert held.record == first
    lease.release(first.token)
    assert lease.read() is None
    # Nobody has been given that token, but a file says that it might have been.
    assert lease.acquire(BEN).token == 1_900_000_001


def test_only_the_run_that_has_the_lease_gives_it_back(lease: Lease) -> None:
    token = lease.acquire(ANNA).token
    assert not lease.release(token - 1)
    assert lease.read()
    assert lease.release(token)
    assert lease.read() is None
    assert not lease.release(token)


def test_a_broken_lease_is_free_and_its_run_fenced_off(lease: Lease, clock: FakeClock) -> None:
    first = lease.acquire(ANNA)
    held = lease.break_("her laptop was lost", "ben@desk")
    assert held
    assert held.record == first
    assert lease.read() is None
    assert last_line(lease)["verdict"] == "broken"
    assert last_line(lease)["owner"] == "anna@laptop"
    assert last_line(lease)["why"] == "her laptop was lost (broken by ben@desk)"
    renew(lease, first.token, clock)
    raised = json.loads((lease.directory / "lease.json").read_text())
    assert raised["token"] > first.token
    assert raised["taken_over"]["why"] == "broken by ben@desk: her laptop was lost"
    second = lease.acquire(BEN)
    assert second.token > raised["token"]
    assert second.taken_over is None
    assert not lease.release(first.token)


def test_a_lease_that_nobody_has_is_not_broken(lease: Lease) -> None:
    assert lease.break_("why not", "ben@desk") is None
    lease.release(lease.acquire(ANNA).token)
    assert lease.break_("why not", "ben@desk") is None
    assert not lease.history.exists()


def test_reading_says_how_long_the_lease_lives_and_writes_nothing(lease: Lease, clock: FakeClock, tmp_path: Path) -> None:
    assert lease.read() is None
    assert list(tmp_path.iterdir()) == []
    lease.acquire(ANNA)
    clock.sleep(12.5)
    held = lease.read()
    assert held
    shown = held.as_dict()
    assert (shown["owner"], shown["alive"], shown["beat_seconds"], shown["expires_seconds"]) == ("anna@laptop", True, 12.5, 7.5)
    clock.sleep(30)
    held = lease.read()
    assert held
    assert (held.alive, held.as_dict()["expires_seconds"]) == (False, 0.0)


def shell(command: str) -> int:
    return subprocess.run(["sh", "-c", command], capture_output=True, check=False, timeout=HANGS_AFTER_SECONDS).returncode


@pytest.fixture
def real(tmp_path: Path) -> Lease:
    """On the clock of this machine, below a directory that the shell must quote."""
    return Lease("production", tmp_path / "it's $here")


def test_the_keepers_command_gives_a_sign_of_life(real: Lease) -> None:
    token = real.acquire(ANNA).token
    beat = real.directory / f"beat.{token}"
    beat.write_text("0.0\n")
    before = SystemClock().uptime()
    assert shell(real.renewal(token)) == 0
    assert before <= float(beat.read_text()) <= SystemClock().uptime()
    assert stat.S_IMODE(beat.stat().st_mode) == 0o600
    assert sorted(path.name for path in real.directory.iterdir()) == sorted([beat.name, "lease.json", "lock"])


@pytest.mark.parametrize("remains", [True, False], ids=["taken over", "the lease host was rebuilt"])
def test_a_run_that_has_lost_its_lease_is_told_and_cannot_bring_it_back(real: Lease, remains: bool) -> None:
    token = real.acquire(ANNA).token
    if remains:
        real.break_("why not", "ben@desk")
    else:
        for path in real.directory.iterdir():
            path.unlink()
        real.directory.rmdir()
    assert shell(real.renewal(token)) == GONE
    assert not (real.directory / f"beat.{token}").exists()


def test_a_sign_of_life_waits_for_whoever_is_taking_the_lease_over(real: Lease) -> None:
    """Without the lock, one that is under way would bring back the file of a lease that has just been taken over."""
    token = real.acquire(ANNA).token
    with real._locked():
        renewal = subprocess.Popen(["sh", "-c", real.renewal(token)])
        with pytest.raises(subprocess.TimeoutExpired):
            renewal.wait(0.3)
        (real.directory / f"beat.{token}").unlink()
    assert renewal.wait(30) == GONE
    assert not (real.directory / f"beat.{token}").exists()


@pytest.mark.parametrize("only_if_held", [True, False])
def test_the_keepers_last_command_writes_the_history_and_gives_back(real: Lease, only_if_held: bool) -> None:
    token = real.acquire(ANNA).token
    record = {"verdict": "deployed", "why": 'it\'s "$(quoted)"\nKäse', "hosts": {f"app-{n}": "1.2.0" for n in range(300)}}
    assert shell(real.return_(token, record, only_if_held=only_if_held)) == 0
    assert history.tail(real.history, 2) == [record]
    assert stat.S_IMODE(real.history.stat().st_mode) == 0o600
    assert real.read() is None
    token = real.acquire(BEN).token
    assert shell(real.return_(token, {"verdict": "failed"}, only_if_held=only_if_held)) == 0
    assert history.tail(real.history, 9) == [record, {"verdict": "failed"}]


def test_a_run_that_has_lost_its_lease_still_says_how_it_ended_and_leaves_the_next_one_alone(real: Lease) -> None:
    old = real.acquire(ANNA).token
    real.break_("why not", "ben@desk")
    new = real.acquire(BEN).token
    assert shell(real.return_(old, {"verdict": "refused"}, only_if_held=False)) == 0
    assert last_line(real) == {"verdict": "refused"}
    held = real.read()
    assert held
    assert held.record.token == new


def test_the_end_of_a_lost_lease_is_not_recorded_twice(real: Lease) -> None:
    token = real.acquire(ANNA).token
    real.break_("why not", "ben@desk")
    assert shell(real.return_(token, {"verdict": "interrupted"}, only_if_held=True)) == GONE
    assert [line["verdict"] for line in history.tail(real.history, 9)] == ["broken"]


def test_a_long_history_is_trimmed_when_the_lease_is_taken(lease: Lease) -> None:
    lease.history.parent.mkdir(parents=True)
    lease.history.write_text('{"verdict": "deployed"}\n' * 1500)
    lease.acquire(ANNA)
    assert len(history.tail(lease.history, 9999)) == 1000


RACES = examples(100)
RACERS = 4


class MustWaitError(Exception):
    """Another run has the lease."""


class ImpatientClock(SystemClock):
    def sleep(self, seconds: float) -> None:
        raise MustWaitError


def race(root: Path, name: str, start: Barrier, winners: Any) -> None:
    for number in range(RACES):
        lease = Lease(f"race-{number}", root, ImpatientClock())
        start.wait(60)
        try:
            winners.put((number, name, lease.acquire(Claim(name)).token))
        except MustWaitError:
            continue


@pytest.mark.parametrize("expired", [False, True], ids=["free leases", "expired ones, which all of them want to take over"])
def test_of_those_who_ask_at_the_same_time_one_gets_the_lease(tmp_path: Path, expired: bool) -> None:
    for number in range(RACES if expired else 0):
        dead = Lease(f"race-{number}", tmp_path)
        token = dead.acquire(replace(ANNA, ttl_seconds=1.0)).token
        (dead.directory / f"beat.{token}").write_text("0.0\n")
    context = multiprocessing.get_context("fork")
    start, winners = context.Barrier(RACERS), context.SimpleQueue()
    racers = [context.Process(target=race, args=(tmp_path, f"racer-{n}", start, winners)) for n in range(RACERS)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(60)
    assert [racer.exitcode for racer in racers] == [0] * RACERS
    found = []
    while not winners.empty():
        found.append(winners.get())
    assert sorted(number for number, _, _ in found) == list(range(RACES))
    for number, name, token in found:
        held = Lease(f"race-{number}", tmp_path).read()
        assert held
        assert (held.record.owner, held.record.token) == (name, token)


@dataclass
class Run:
    """A run as it sees itself: with a lease until its ttl has passed since its last renewal that worked, in true time."""

    token: int
    ttl: float
    renewed: float
    over: bool = False


class LeaseMachine(RuleBasedStateMachine):
    """Runs take, renew, lose and break the lease while clocks are set and the lease host comes up again."""

    def __init__(self) -> None:
        super().__init__()
        # In memory where there is one: thousands of files are flushed.
        directory = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
        self.directory = TemporaryDirectory(dir=directory)
        self.clock = FakeClock()
        self.now = 0.0
        self.lease = Lease("production", Path(self.directory.name), StepClock(self.clock))
        self.runs: list[Run] = []
        self.highest = 0

    def teardown(self) -> None:
        self.directory.cleanup()

    def grown(self, token: int) -> int:
        assert token > self.highest
        self.highest = token
        return token

    @rule(ttl=st.sampled_from([1.0, 5.0, 20.0]))
    def acquire(self, ttl: float) -> None:
        try:
            record = self.lease.acquire(replace(ANNA, run=f"run-{len(self.runs)}", ttl_seconds=ttl))
        except MustWaitError:
            assert any(self.may_live(run) for run in self.runs)
            return
        self.runs.append(Run(self.grown(record.token), ttl, self.now))

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        run = data.draw(st.sampled_from(self.runs))
        beat = self.lease.directory / f"beat.{run.token}"
        if beat.exists():
            beat.write_text(f"{self.clock.up}\n")
            run.renewed = self.now

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        run = data.draw(st.sampled_from(self.runs))
        self.lease.release(run.token)
        run.over = True

    @rule()
    def unlock(self) -> None:
        held = self.lease.break_("why not", "ben@desk")
        if held:
            self.grown(json.loads((self.lease.directory / "lease.json").read_text())["token"])
        for run in self.runs:
            run.over = True

    # Times that a float holds exactly, so that both clocks agree on when a ttl has passed.
    @rule(seconds=st.sampled_from([0.125, 0.875, 1.0, 4.0, 5.0, 19.0, 20.0, 1000.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.clock.up += seconds
        self.clock.time += seconds

    @rule(down=st.sampled_from([0.125, 3.0, 100.0]), up=st.sampled_from([0.0, 2.0, 30.0]))
    def reboot(self, down: float, up: float) -> None:
        self.now += down + up
        self.clock.up = up

    @rule(jump=st.sampled_from([-DAY, -1.0, 1.0, DAY]))
    def set_the_clock(self, jump: float) -> None:
        self.clock.time += jump

    def lives(self, run: Run) -> bool:
        return not run.over and self.now - run.renewed < run.ttl

    def may_live(self, run: Run) -> bool:
        """A lease is kept for longer than needed after a reboot, never for shorter."""
        return not run.over and (self.lease.directory / f"beat.{run.token}").exists()

    @invariant()
    def no_two_runs_have_the_lease(self) -> None:
        living = [run for run in self.runs if self.lives(run)]
        assert len(living) <= 1
        if living:
            held = self.lease.read()
            assert held
            assert (held.record.token, held.alive) == (living[0].token, True)


@dataclass
class StepClock:
    """The machine's clock; whoever would have to wait is told so."""

    clock: FakeClock

    def uptime(self) -> float:
        return self.clock.up

    def wall(self) -> float:
        return self.clock.time

    def sleep(self, seconds: float) -> None:
        raise MustWaitError


TestLeaseMachine = LeaseMachine.TestCase
TestLeaseMachine.settings = settings(max_examples=examples(60), stateful_step_count=40, deadline=None)


def test_the_clock_of_the_host_is_the_one_that_the_shell_reads() -> None:
    clock: HostClock = SystemClock()
    before = clock.uptime()
    read = float(subprocess.run(["cut", "-d ", "-f1", "/proc/uptime"], capture_output=True, text=True, check=True).stdout)
    assert before <= read <= clock.uptime()
