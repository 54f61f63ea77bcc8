"""Other versions of the collection, beside this one and with its sandbox."""

from __future__ import annotations

import io
import subprocess
import tarfile
import time
from pathlib import Path

from tests.acceptance.world import ROOT, Environment, Run, activated, command_line
from tests.hangs import HANGS_AFTER_SECONDS

# What belongs to this machine and is in no commit.
LOCAL = (".sandbox", ".venv")


def checked_out(commit: str, directory: Path) -> Path:
    """Its own ansible.cfg leads to its own collection. Raises CalledProcessError when there is no such commit."""
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as found:
        found.extractall(directory, filter="tar")
    for name in LOCAL:
        (directory / name).symlink_to((ROOT / name).resolve())
    return directory


def play(tree: Path, environment: Environment, playbook: str, *options: str) -> Run:
    """A command typed at the root of ``tree``, whose collection is the only one that Ansible finds."""
    variables = activated() | {"ANSIBLE_COLLECTIONS_PATH": str(tree / "collections")}
    command = command_line(playbook, f"inventories/{environment.name}", *options)
    start = time.monotonic()
    done = subprocess.run(
        command, cwd=tree, env=variables, capture_output=True, text=True, timeout=HANGS_AFTER_SECONDS, check=False
    )
    return Run(done.returncode, done.stdout + done.stderr, time.monotonic() - start)
