"""Ansible's commands as a person types them, with the vault passwords they are given."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.hangs import HANGS_AFTER_SECONDS

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
ENVIRONMENTS = ("staging", "production")
# They stand in sandbox/world.py, and open nothing but the demo.
PASSWORDS = {name: f"{name}-demo-vault" for name in ENVIRONMENTS}


@dataclass(frozen=True)
class Done:
    code: int
    output: str
    errors: str

    @property
    def words(self) -> str:
        """Everything that was printed, however it was wrapped."""
        return " ".join(f"{self.output} {self.errors}".split())


def environment(*without: str) -> dict[str, str]:
    """A copy of os.environ but for names that begin so, for threads, too: pytest changes it while one walks over it."""
    while True:
        try:
            return {name: value for name, value in os.environ.items() if not name.startswith(without)}
        except (KeyError, RuntimeError):
            continue


def checkout(directory: Path) -> Path:
    """Make ``directory`` look like the repository: a command that runs there writes its .deploy there, and the one at the root
    belongs to whoever tests the sandbox at the same time.
    """
    for one in ROOT.iterdir():
        if one.name in ("inventories", "stacks"):
            shutil.copytree(one, directory / one.name)
        elif not one.name.startswith("."):
            (directory / one.name).symlink_to(one)
    return directory


def offline(command: str, *options: str, passwords: Mapping[str, str], cwd: Path, **variables: str) -> Done:
    """Without SSH, so that no host can be contacted, without a keyring, and without the sandbox's files of passwords."""
    own = environment("MORPHEUS_", "ANSIBLE_")
    own |= {f"MORPHEUS_VAULT_PASSWORD_{name.upper()}": password for name, password in passwords.items()}
    own |= {"MORPHEUS_VAULT_PASSWORD_DIR": "/nowhere", "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
    own |= {"ANSIBLE_SSH_EXECUTABLE": "/bin/false", **variables}
    done = subprocess.run(
        [str(BIN / command), *options],
        cwd=cwd,
        env=own,
        capture_output=True,
        text=True,
        check=False,
        timeout=HANGS_AFTER_SECONDS,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def vault(environment: str) -> str:
    return f"inventories/{environment}/group_vars/vault.yml"
