"""Who has the lock of a stack on a host, and what is said about it: with real processes, one of which is stopped."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.host import lock
from ansible_collections.morpheus.deploy.plugins.module_utils.host.lock import STOPPED_SECONDS, alone
from ansible_collections.morpheus.deploy.plugins.module_utils.host.lock_holders import holders

from tests.unit.clock import Clock

HOLD = "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); sys.stdin.read()"


@pytest.fixture
def host(tmp_path: Path) -> Any:
    root = tmp_path / "stacks" / "shop"
    root.mkdir(parents=True)
    return SimpleNamespace(stack="shop", hold=[], releases=SimpleNamespace(root=root))


@pytest.fixture
def other(host: Any) -> Iterator[subprocess.Popen[str]]:
    """A process that has the lock."""
    path = str(host.releases.root / "rollout.lock")
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def refusal(host: Any, token: int, clock: Clock) -> str:
    with pytest.raises(DeployError) as caught, alone(host, token, "run-b" if token else "", clock):
        pass
    return str(caught.value)


def test_whoever_has_the_lock_is_named(host: Any, other: subprocess.Popen[str]) -> None:
    command = re.escape(f"{sys.executable} -c import fcntl")
    assert re.fullmatch(
        rf"another rollout of shop is at work on this host: process {other.pid} \({command}.*\), since \d{{4}}-\d\d-\d\dT.*Z; "
        "wait for its end and run this again",
        refusal(host, 0, Clock()),
    )


def test_one_that_is_at_work_is_waited_for_as_long_as_a_step_takes(
    host: Any, other: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each five seconds every process of this machine is looked at.
    monkeypatch.setattr(lock, "GHOST_SECONDS", 3 * STOPPED_SECONDS)
    clock = Clock()
    assert f"process {other.pid} " in refusal(host, 7, clock)
    assert clock.seconds >= 3 * STOPPED_SECONDS


@pytest.mark.parametrize("token", [0, 7])
def test_one_that_is_stopped_is_not_waited_for_and_the_way_on_is_said(
    host: Any, other: subprocess.Popen[str], token: int
) -> None:
    os.kill(other.pid, signal.SIGSTOP)
    os.waitpid(other.pid, os.WUNTRACED)
    clock = Clock()
    said = refusal(host, token, clock)
    assert said.endswith(
        f"Z. It is stopped and will not end by itself. On the host, let it go on (kill -CONT {other.pid}), and it ends at its "
        f"next step when another run has the lease; or end it (kill -KILL {other.pid}). Then run this again: it goes on from "
        "what is there"
    )
    assert clock.seconds <= STOPPED_SECONDS + 0.2
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    with alone(host, token, "run-b" if token else "", Clock()):
        pass


def test_who_has_a_file_open_and_not_locked_is_no_holder(host: Any) -> None:
    path = host.releases.root / "rollout.lock"
    with path.open("a"):
        assert holders(path) == []


def test_a_token_without_its_run_is_refused(host: Any) -> None:
    with pytest.raises(DeployError) as caught, alone(host, 7):
        pass
    assert str(caught.value) == 'token without run: say which run holds it, with run: "{{ lease_taken.run }}"'
