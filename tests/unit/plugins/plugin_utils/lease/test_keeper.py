from __future__ import annotations

import base64
import json
import os
import re
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.lease import GONE, Lease
from ansible_collections.morpheus.deploy.plugins.plugin_utils.lease.handover import Handover, Process
from ansible_collections.morpheus.deploy.plugins.plugin_utils.lease.keeper import ForkedCommand, Keeper, Kept, detach

from tests.hangs import HANGS_AFTER_SECONDS

KEPT = Kept(7, "anna@laptop", "deploy 1.2.0", "run-a", 20.0)


@dataclass
class FakeCommand:
    code: int | None
    killed: bool = False

    def poll(self) -> int | None:
        return self.code

    def kill(self) -> None:
        self.killed = True


@dataclass
class World:
    """A run, a lease host and their time. ``answers`` are the exit codes of coming commands; None hangs, no more means 0."""

    handover: Handover
    now: float = 0.0
    alive: bool = True
    asleep: bool = False
    answers: list[int | None] = field(default_factory=list)
    commands: list[tuple[float, str, FakeCommand]] = field(default_factory=list)
    planned: list[tuple[float, Callable[[], object]]] = field(default_factory=list)

    def runs(self) -> bool:
        return self.alive

    def stopped(self) -> bool:
        return self.asleep

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for item in [item for item in self.planned if item[0] <= self.now]:
            self.planned.remove(item)
            item[1]()

    def start(self, command: str) -> FakeCommand:
        started = FakeCommand(self.answers.pop(0) if self.answers else 0)
        self.commands.append((self.now, command, started))
        return started

    def die(self) -> None:
        self.alive = False

    def hand_over(self, **line: Any) -> None:
        (self.handover.directory / "line.json").write_text(json.dumps(line))

    def keep(self, tmp_path: Path) -> None:
        Keeper(Lease("production", tmp_path / "root"), KEPT, self, self.handover, self.start, WorldClock(self)).keep()

    def renewals(self) -> list[float]:
        return [round(at, 1) for at, command, _ in self.commands if "base64" not in command]

    def returns(self) -> list[tuple[float, dict[str, Any], bool]]:
        """When the lease was given back, with which line, and whether only if it was still held."""
        found = []
        for at, command, _ in self.commands:
            encoded = re.search(r"printf %s (\S+) \|", command)
            if encoded:
                found.append((round(at, 1), json.loads(base64.b64decode(encoded[1])), "[ -e beat.7 ]" in command))
        return found


@dataclass
class WorldClock:
    world: World

    def now(self) -> float:
        return self.world.now

    def sleep(self, seconds: float) -> None:
        self.world.sleep(seconds)


@pytest.fixture
def world(tmp_path: Path) -> World:
    directory = tmp_path / "morpheus.deploy.lease.x"
    directory.mkdir()
    return World(Handover(1, directory))


def test_the_lease_is_renewed_every_five_seconds_while_the_run_lives(world: World, tmp_path: Path) -> None:
    world.planned = [(21.0, world.die)]
    world.keep(tmp_path)
    assert world.renewals() == pytest.approx([5.0, 10.0, 15.0, 20.0], abs=0.7)


def test_a_run_that_was_killed_gives_the_lease_back_at_once(world: World, tmp_path: Path) -> None:
    world.planned = [(3.1, world.die)]
    world.keep(tmp_path)
    [(at, line, only_if_held)] = world.returns()
    assert at <= 3.1 + 0.3
    assert only_if_held
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", line.pop("at"))
    assert line == {
        "format": 1,
        "environment": "production",
        "owner": "anna@laptop",
        "run": "run-a",
        "token": 7,
        "verdict": "interrupted",
        "what": "deploy 1.2.0",
        "why": "the run on the controller ended without a verdict",
    }
    assert not world.handover.directory.exists()


def test_a_run_that_ends_hands_over_its_verdict_and_the_keeper_adds_what_it_knows(world: World, tmp_path: Path) -> None:
    world.planned = [(3.1, lambda: world.hand_over(verdict="deployed", to="1.2.0", what="a deploy"))]
    world.keep(tmp_path)
    [(at, line, only_if_held)] = world.returns()
    assert at <= 3.1 + 0.3
    assert not only_if_held
    assert line["at"]
    assert (line["verdict"], line["to"], line["what"], line["run"], line["token"]) == (
        "deployed",
        "1.2.0",
        "a deploy",
        "run-a",
        7,
    )
    assert line["why"] == ""
    assert not world.handover.directory.exists()


def test_a_run_that_hands_over_and_ends_in_the_same_moment_has_handed_over(world: World, tmp_path: Path) -> None:
    original = world.runs

    def ends_just_after() -> bool:
        alive = original()
        if not alive:
            world.hand_over(verdict="deployed")
        return alive

    world.runs = ends_just_after  # type: ignore[method-assign]
    world.planned = [(3.1, world.die)]
    world.keep(tmp_path)
    assert [line["verdict"] for _, line, _ in world.returns()] == ["deployed"]


def test_a_run_that_is_stopped_is_not_kept_alive_and_one_that_wakes_up_asks_at_once(world: World, tmp_path: Path) -> None:
    def asleep(state: bool) -> Callable[[], None]:
        return lambda: setattr(world, "asleep", state)

    world.planned = [(6.0, asleep(True)), (31.0, asleep(False)), (33.0, world.die)]
    world.keep(tmp_path)
    first, second = world.renewals()
    assert first == 5.0
    assert 31.0 <= second <= 31.3


def test_a_lease_that_is_lost_is_not_renewed_but_the_verdict_still_written(world: World, tmp_path: Path) -> None:
    world.answers = [0, GONE]
    world.planned = [(60.0, lambda: world.hand_over(verdict="refused"))]
    world.keep(tmp_path)
    assert world.renewals() == pytest.approx([5.0, 10.0], abs=0.3)
    assert [line["verdict"] for _, line, _ in world.returns()] == ["refused"]


def test_a_renewal_that_fails_is_tried_again(world: World, tmp_path: Path) -> None:
    world.answers = [255, 255]
    world.planned = [(18.0, world.die)]
    world.keep(tmp_path)
    assert world.renewals() == pytest.approx([5.0, 10.0, 15.0], abs=0.5)


def test_a_renewal_that_hangs_is_given_up_and_tried_again(world: World, tmp_path: Path) -> None:
    world.answers = [None]
    world.planned = [(17.0, world.die)]
    world.keep(tmp_path)
    first, second = world.renewals()
    assert first == 5.0
    assert 15.0 <= second <= 15.5
    assert [command.killed for _, _, command in world.commands] == [True, False, False]


def test_a_run_is_not_kept_waiting_by_a_renewal_that_hangs(world: World, tmp_path: Path) -> None:
    world.answers = [None]
    world.planned = [(6.0, lambda: world.hand_over(verdict="deployed"))]
    world.keep(tmp_path)
    assert world.commands[0][2].killed
    [(at, _, _)] = world.returns()
    assert at <= 6.3


def test_a_lease_host_that_is_out_of_reach_is_tried_for_three_times_the_ttl(world: World, tmp_path: Path) -> None:
    world.answers = [255] * 1000
    world.planned = [(3.0, world.die)]
    world.keep(tmp_path)
    assert len(world.returns()) > 30
    assert 63.0 <= world.now <= 65.0
    assert not world.handover.directory.exists()


def test_a_run_that_waits_for_a_keeper_in_vain_finds_its_directory(world: World, tmp_path: Path) -> None:
    """So it can tell failure, where the directory remains, from success."""
    world.answers = [255] * 1000
    world.planned = [(3.0, lambda: world.hand_over(verdict="deployed"))]
    world.keep(tmp_path)
    assert world.handover.directory.exists()


def test_a_command_that_hangs_at_the_end_is_given_up_and_tried_again(world: World, tmp_path: Path) -> None:
    world.answers = [None, 0]
    world.planned = [(3.0, world.die)]
    world.keep(tmp_path)
    first, second = world.returns()
    assert 10.0 <= second[0] - first[0] <= 12.0
    assert world.commands[0][2].killed


def test_a_lease_that_somebody_has_taken_over_needs_not_be_given_back(world: World, tmp_path: Path) -> None:
    world.answers = [GONE]
    world.planned = [(3.0, world.die)]
    world.keep(tmp_path)
    assert len(world.returns()) == 1
    assert not world.handover.directory.exists()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + HANGS_AFTER_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def exit_code(command: ForkedCommand) -> int:
    codes: list[int] = []

    def ended() -> bool:
        code = command.poll()
        codes.extend([] if code is None else [code])
        return bool(codes)

    until(ended)
    return codes[0]


def fails() -> int:
    raise ValueError


@pytest.mark.parametrize(("execute", "code"), [(lambda: 0, 0), (lambda: GONE, GONE), (fails, 1)], ids=["well", "gone", "error"])
def test_a_command_of_its_own_process_gives_its_exit_code(execute: Callable[[], int], code: int) -> None:
    assert exit_code(ForkedCommand(execute)) == code


def test_a_command_that_hangs_ends_with_all_that_it_started(tmp_path: Path) -> None:
    def hang() -> int:
        child = os.fork()
        if child == 0:
            (tmp_path / "child").write_text(str(os.getpid()))
        while True:
            signal.pause()

    command = ForkedCommand(hang)
    until(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text() != "")
    child = Process.of(int((tmp_path / "child").read_text()))
    assert (command.poll(), child.runs()) == (None, True)
    command.kill()
    until(lambda: not child.runs())


def test_what_is_detached_belongs_to_nobody_and_holds_no_file_of_its_maker(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    report, finish = tmp_path / "report", tmp_path / "finish"

    def body() -> None:
        numbers = [int(path.name) for path in Path("/proc/self/fd").iterdir()]
        files = {str(Path(f"/proc/self/fd/{number}").readlink()) for number in numbers if is_open(number)}
        draft = tmp_path / "draft"
        draft.write_text(json.dumps({"session": os.getsid(0), "files": sorted(files)}))
        draft.replace(report)
        until(finish.exists)
        (tmp_path / "came to its end").touch()

    process = Process.of(detach(body))
    os.close(writer)
    # The end of the pipe is seen although the process lives on.
    assert os.read(reader, 1) == b""
    until(report.exists)
    assert process.runs()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(process.pid, number)
    found = json.loads(report.read_text())
    assert found["files"] == ["/dev/null"]
    assert found["session"] not in (os.getsid(0), process.pid)
    with pytest.raises(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)
    finish.touch()
    until(lambda: not process.runs())
    assert (tmp_path / "came to its end").exists()
    os.close(reader)


def is_open(number: int) -> bool:
    with suppress(OSError):
        os.fstat(number)
        return True
    return False


def test_what_is_detached_and_fails_never_comes_back_into_its_makers_code(tmp_path: Path) -> None:
    process = Process.of(detach(lambda: [][1]))
    until(lambda: not process.runs())
    (tmp_path / "only once").touch(exist_ok=False)
