"""Ctrl-C in a deploy: the run ends at once in its own verdict, the host does what was said, and the next run does the rest."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.acceptance.world import Environment, Run, eventually, says
from tests.hangs import HANGS_AFTER_SECONDS


@contextmanager
def as_in_a_terminal() -> Iterator[None]:
    """What is started meanwhile hears of a Ctrl-C, whatever the tests themselves do: a job in the background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def interrupted(run: subprocess.Popen[str]) -> Run:
    """Press Ctrl-C once: the terminal tells every process of the command."""
    os.killpg(run.pid, signal.SIGINT)
    output, _ = run.communicate(timeout=HANGS_AFTER_SECONDS)
    return Run(run.returncode, output, 0.0)


def goes_on(production: Environment, run: Run, host: str) -> None:
    """The verdict is true of the hosts, on the screen and in the file: what goes on, how to watch it and how to stop it."""
    assert run.code == 99, run.output
    says(
        run,
        [
            "VERDICT mixed: production 1.1.0 (was 1.0.0)",
            "the run was interrupted by Ctrl-C",
            f"{host}: the rollout goes on there by itself, to its end",
            "watch it: ansible-playbook playbooks/status.yml -i ",
            "stop it: ansible-playbook rollback.yml -i ",
            ", or any other deploy. Once that one has the lease, the hosts refuse the next step of this one",
        ],
    )
    verdict = production.verdict()
    assert (verdict["verdict"], verdict["failed"], verdict["release"]) == ("mixed", True, "1.1.0")
    assert "watch it: ansible-playbook playbooks/status.yml -i " in "\n".join(verdict["messages"])


@pytest.mark.deep
@pytest.mark.parametrize("host", ["production-app-1", "production-app-2"])
def test_after_ctrl_c_the_host_goes_on_to_its_end_and_the_same_deploy_does_the_rest(production: Environment, host: str) -> None:
    first, second = production.hosts
    with production.load() as load:
        with as_in_a_terminal(), production.begun("1.1.0") as run:
            eventually(lambda: production.at_step("watch", host), f"{host} watches its candidates")
            ended = interrupted(run)
        goes_on(production, ended, host)
        eventually(lambda: not production.lease(), "the lease is given back")
        eventually(lambda: not production.rolling(host), "the rollout has come to its end by itself")
        serves = {name: production.play("playbooks/status.yml", "--limit", name).output for name in production.hosts}
        says(Run(0, serves[host], 0), [f"{host} 1.1.0"])
        if host == first:
            says(Run(0, serves[second], 0), [f"{second} 1.0.0"])
        done = production.deployed("1.1.0")
        says(done, [f"{name} runs 1.1.0" for name in production.hosts])
        load.wait_for_release("1.1.0", seconds=20)
    failed = f"{load.report.failed} failed of {load.report.sent}: {dict(load.report.by_kind)}"
    print(f"\nCtrl-C while {host} rolled, then the rest: {failed}")
    assert production.health()[1]["version"] == "1.1.0"
    assert [len(production.containers(name, "api")) for name in production.hosts] == [2, 2]
    assert load.report.is_clean, load.report.failures


@pytest.mark.deep
def test_after_ctrl_c_a_rollback_stops_the_host_before_its_next_step(production: Environment) -> None:
    first, second = production.hosts
    untouched = production.containers(second)
    with production.load() as load:
        with as_in_a_terminal(), production.begun("1.1.0") as run:
            eventually(lambda: production.at_step("watch", first), f"{first} watches its candidates")
            ended = interrupted(run)
        goes_on(production, ended, first)
        # As it was said: the other host may have run the same release before, and then they would not agree on where to go.
        target = re.search(r"stop it: ansible-playbook rollback\.yml -i \S+ -e (rollback_to=1\.0\.0-\w+), ", ended.output)
        assert target, ended.output
        back = production.play("rollback.yml", "-e", target[1])
        assert back.code == 0, back.output
        says(back, [f"{name} runs 1.0.0" for name in production.hosts])
    print(f"\nCtrl-C and a rollback: {load.report.failed} failed of {load.report.sent}: {dict(load.report.by_kind)}")
    assert production.health()[1]["version"] == "1.0.0"
    assert [production.rolling(name) for name in production.hosts] == ["", ""]
    assert production.containers(second) == untouched
    assert [len(production.containers(name, "api")) for name in production.hosts] == [2, 2]
    assert load.report.is_clean, load.report.failures
