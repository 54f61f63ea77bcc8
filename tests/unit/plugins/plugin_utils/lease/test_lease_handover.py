from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.lease import handover
from ansible_collections.morpheus.deploy.plugins.plugin_utils.lease.handover import Handover, Process, finish

from tests.hangs import HANGS_AFTER_SECONDS


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + HANGS_AFTER_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture(params=["proc", "ps"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Both ways to look at a process."""
    if request.param == "ps":
        if not shutil.which("ps"):
            pytest.skip("needs ps")
        monkeypatch.setattr(handover, "PROC", tmp_path)


@pytest.mark.usefixtures("_way")
def test_a_process_runs_until_it_has_ended_also_when_nobody_has_noticed(sleeper: subprocess.Popen[bytes]) -> None:
    process = Process.of(sleeper.pid)
    assert process.runs()
    sleeper.kill()
    # Not waited for, so from now on it is a zombie.
    until(lambda: not process.runs())
    sleeper.wait()
    assert not process.runs()


@pytest.mark.usefixtures("_way")
def test_a_process_that_is_stopped_runs_but_does_nothing(sleeper: subprocess.Popen[bytes]) -> None:
    process = Process.of(sleeper.pid)
    assert not process.stopped()
    sleeper.send_signal(signal.SIGSTOP)
    until(process.stopped)
    assert process.runs()
    sleeper.send_signal(signal.SIGCONT)
    until(lambda: not process.stopped())


@pytest.mark.usefixtures("_way")
def test_a_later_process_with_the_same_number_is_another_one() -> None:
    assert not Process(os.getpid(), "long ago").runs()


def test_a_name_that_looks_like_a_state_is_not_taken_for_one(tmp_path: Path) -> None:
    program = tmp_path / "x) T 1 ("
    shutil.copy(shutil.which("sleep") or "", program)
    with subprocess.Popen([program, "600"]) as started:
        process = Process.of(started.pid)
        seen = process.runs(), process.stopped()
        started.kill()
    assert seen == (True, False)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Handover:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return Handover.create()


def with_keeper(made: Handover, process: subprocess.Popen[bytes]) -> Handover:
    found = Handover.from_result({"keeper": Handover(process.pid, made.directory).as_result()})
    assert found is not None
    return found


def keep(made: Handover, process: subprocess.Popen[bytes], seen: list[object]) -> threading.Thread:
    """What a keeper does with a line, on behalf of ``process``."""

    def body() -> None:
        until(lambda: made.line() is not None)
        seen.append(made.line())
        made.remove()
        process.kill()
        process.wait()

    thread = threading.Thread(target=body)
    thread.start()
    return thread


def test_a_handover_ends_when_the_keeper_has_taken_the_line_and_is_gone(made: Handover, sleeper: subprocess.Popen[bytes]) -> None:
    assert made.line() is None
    assert made.directory.stat().st_mode & 0o777 == 0o700
    seen: list[object] = []
    keeper = keep(made, sleeper, seen)
    assert finish([with_keeper(made, sleeper)], {"verdict": "deployed", "why": "Käse"}, seconds=HANGS_AFTER_SECONDS) == 1
    keeper.join()
    assert seen == [{"verdict": "deployed", "why": "Käse"}]
    assert not made.directory.exists()
    assert sleeper.poll() is not None


def test_a_keeper_that_was_killed_before_is_not_waited_for(made: Handover, sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    sleeper.wait()
    assert not finish([with_keeper(made, sleeper)], {"verdict": "deployed"}, seconds=600)
    assert not made.directory.exists()


def test_a_keeper_that_dies_meanwhile_is_not_waited_for(made: Handover, sleeper: subprocess.Popen[bytes]) -> None:
    def body() -> None:
        until(lambda: made.line() is not None)
        sleeper.kill()

    thread = threading.Thread(target=body)
    thread.start()
    assert not finish([with_keeper(made, sleeper)], {"verdict": "deployed"}, seconds=600)
    thread.join()
    assert not made.directory.exists()


def test_a_keeper_that_is_busy_is_not_waited_for_longer_than_asked_and_keeps_the_line(
    made: Handover, sleeper: subprocess.Popen[bytes]
) -> None:
    assert not finish([with_keeper(made, sleeper)], {"verdict": "deployed"}, seconds=0.1)
    assert made.line() == {"verdict": "deployed"}


def test_a_keeper_that_has_given_back_but_lives_is_waited_for(made: Handover, sleeper: subprocess.Popen[bytes]) -> None:
    """The command returns when nothing of it is left on the controller."""

    def body() -> None:
        until(lambda: made.line() is not None)
        made.remove()

    thread = threading.Thread(target=body)
    thread.start()
    assert not finish([with_keeper(made, sleeper)], {"verdict": "deployed"}, seconds=0.3)
    thread.join()


def test_a_keeper_that_has_ended_long_ago_leaves_nothing_to_hand_over_to(
    made: Handover, sleeper: subprocess.Popen[bytes]
) -> None:
    made.remove()
    assert not finish([with_keeper(made, sleeper)], {"verdict": "deployed"}, seconds=600)
    assert not made.directory.exists()


@pytest.mark.parametrize(
    "result",
    [{}, {"keeper": None}, {"keeper": "x"}, {"keeper": {"pid": 1, "handover": "/etc"}}],
    ids=["nothing was taken", "null", "no mapping", "not a path of ours"],
)
def test_a_result_without_a_keeper_has_no_handover(result: dict[str, object]) -> None:
    assert Handover.from_result(result) is None


def test_a_result_can_be_passed_on_as_json(made: Handover) -> None:
    assert Handover.from_result(json.loads(json.dumps({"keeper": made.as_result()}))) == made
