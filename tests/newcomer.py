"""Somebody who has installed the collection and has nothing else of this project: a home, a directory and what is typed there."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Newcomer:
    """``home``: where ansible-galaxy puts collections; ``here``: the current directory; ``variables``: more of the shell."""

    home: Path
    here: Path
    variables: dict[str, str] = field(default_factory=dict)

    def types(self, command: str) -> subprocess.CompletedProcess[str]:
        program, *options = command.split()
        own = {"PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin", "HOME": str(self.home), "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1"}
        own |= {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
        return subprocess.run(
            [program, *options],
            cwd=self.here,
            env=own | self.variables,
            executable=str(BIN / program) if program.startswith("ansible") else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )

    def well(self, command: str) -> str:
        """What it prints; it must succeed."""
        done = self.types(command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def files(self) -> dict[str, str]:
        return {str(path.relative_to(self.here)): path.read_text() for path in self.here.rglob("*") if path.is_file()}


def install(home: Path) -> None:
    """Type in this checkout what README says there, without any network."""
    section = (ROOT / "README.md").read_text().partition("\n## Install it\n")[2].partition("\n## ")[0]
    lines = [line.strip() for line in section.splitlines() if line.startswith("    ")]
    assert len(lines) == 2, lines
    script = "\n".join(lines).replace("collection install ", "collection install --offline ")
    own = {"PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(["bash", "-euc", script], cwd=ROOT, env=own, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (home / ".ansible" / "collections" / "ansible_collections" / "morpheus" / "deploy").is_dir(), done.stdout


def new_environment(options: str) -> str:
    return f"ansible-playbook morpheus.deploy.new_environment {options}".strip()


def commands(said: str) -> list[str]:
    """What it says to type next."""
    lines = said.partition("\nNext:\n")[2].splitlines()
    return [line.partition("  # ")[0].strip() for line in lines if line.startswith("  ")]
