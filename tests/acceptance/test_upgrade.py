"""A real host on which two versions of the collection work in turn: this one, and the one of the commit before.

UPGRADE_FROM=<commit> compares with another one.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.versions import checked_out, play
from tests.acceptance.world import ROOT, Environment, Run, says


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """A checkout of the commit before."""
    try:
        return checked_out(os.environ.get("UPGRADE_FROM", "HEAD~1"), tmp_path / "before")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the commit before this one: this is a shallow clone, or no clone")


def goes_on_and_rolls_back(environment: Environment, first: Path, then: Path) -> None:
    """One version deploys, the other reads what it wrote and goes back, and the first one goes on from there."""
    name = environment.name

    def run(tree: Path, playbook: str, *options: str) -> Run:
        done = play(tree, environment, playbook, *options)
        assert done.code == 0, done.output
        return done

    def everywhere(release: str) -> list[str]:
        return [f"{host} runs {release}" for host in environment.hosts]

    try:
        with environment.load() as load:
            run(first, "deploy.yml", "-e", "stack_release=1.0.0")
            done = run(first, "deploy.yml", "-e", "stack_release=1.1.0")
            says(done, [f"VERDICT deployed: {name} 1.1.0 (was 1.0.0)", *everywhere("1.1.0")])

            says(run(then, "playbooks/status.yml"), [f"{host} 1.1.0" for host in environment.hosts])
            done = run(then, "rollback.yml")
            says(done, [f"VERDICT rolled_back: {name} 1.0.0 (was 1.1.0)", *everywhere("1.0.0")])
            assert "what it said is taken from" not in done.output, "the one must read what the other wrote"

            done = run(first, "deploy.yml", "-e", "stack_release=1.1.0")
            says(done, [f"VERDICT deployed: {name} 1.1.0 (was 1.0.0)"])
            assert environment.health()[1]["version"] == "1.1.0"
        print(f"\ntwo versions on {name}: {load.report.failed} failed of {load.report.sent}: {dict(load.report.by_kind)}")
        assert load.report.is_clean, load.report.failures
    finally:
        environment.deployed("1.0.0")


TURNS = pytest.mark.parametrize(
    "upgrade", [True, False], ids=["the commit before, then this one", "this one, then the commit before"]
)


@pytest.mark.deep
@TURNS
def test_one_version_deploys_and_another_goes_on_and_rolls_back_under_load(
    staging: Environment, before: Path, upgrade: bool
) -> None:
    goes_on_and_rolls_back(staging, *((before, ROOT) if upgrade else (ROOT, before)))


@pytest.mark.deep
@TURNS
def test_so_it_is_with_two_hosts_that_keep_the_lease_and_a_balancer(production: Environment, before: Path, upgrade: bool) -> None:
    goes_on_and_rolls_back(production, *((before, ROOT) if upgrade else (ROOT, before)))
