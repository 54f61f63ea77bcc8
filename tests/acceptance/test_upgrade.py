"""A real host on which two versions of the collection work in turn: this one, and the one of the commit before.

UPGRADE_FROM=<commit> compares with another one.
"""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.acceptance.world import ROOT, Environment, Run, activated, command_line, says

# What belongs to this machine and is in no commit.
LOCAL = (".sandbox", ".venv")


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """A checkout of the commit before, with this sandbox. Its own ansible.cfg leads to its own collection."""
    try:
        commit = os.environ.get("UPGRADE_FROM", "HEAD~1")
        archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the commit before this one: this is a shallow clone, or no clone")
    with tarfile.open(fileobj=io.BytesIO(archive)) as found:
        found.extractall(tmp_path / "before", filter="tar")
    for name in LOCAL:
        (tmp_path / "before" / name).symlink_to((ROOT / name).resolve())
    return tmp_path / "before"


def play(tree: Path, playbook: str, *options: str) -> Run:
    """A command typed at the root of ``tree``, whose collection is the only one that Ansible finds."""
    environment = activated() | {"ANSIBLE_COLLECTIONS_PATH": str(tree / "collections")}
    command = command_line(playbook, "inventories/staging", *options)
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=540, check=False)
    return Run(done.returncode, done.stdout + done.stderr, 0.0)


def deploy(tree: Path, release: str) -> Run:
    return play(tree, "deploy.yml", "-e", f"stack_release={release}")


@pytest.mark.deep
@pytest.mark.parametrize("upgrade", [True, False], ids=["the commit before, then this one", "this one, then the commit before"])
def test_one_version_deploys_and_another_goes_on_and_rolls_back_under_load(
    staging: Environment, before: Path, upgrade: bool
) -> None:
    first, then = (before, ROOT) if upgrade else (ROOT, before)
    try:
        with staging.load() as load:
            run = deploy(first, "1.0.0")
            assert run.code == 0, run.output
            run = deploy(first, "1.1.0")
            says(run, ["VERDICT deployed: staging 1.1.0 (was 1.0.0)", "staging-app-1 runs 1.1.0"])

            says(play(then, "playbooks/status.yml"), ["1.1.0"])
            run = play(then, "rollback.yml")
            assert run.code == 0, run.output
            says(run, ["VERDICT rolled_back: staging 1.0.0 (was 1.1.0)", "staging-app-1 runs 1.0.0"])
            assert "what it said is taken from" not in run.output, "the one must read what the other wrote"

            run = deploy(first, "1.1.0")
            says(run, ["VERDICT deployed: staging 1.1.0 (was 1.0.0)"])
            assert staging.health()[1]["version"] == "1.1.0"
        assert load.report.is_clean, load.report.failures
    finally:
        staging.deployed("1.0.0")
