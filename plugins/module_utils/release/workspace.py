# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a release where Compose can read them, written and found again."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.base import env_file
from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import file_mode, write_atomically

# Below env/ and below secrets/: what stack.variables and stack_secret_variables give.
VARIABLES = "variables.env"


def interpolation(release: str, environment: str) -> str:
    """The content of release.env."""
    return f"STACK_RELEASE={release}\nSTACK_ENVIRONMENT={environment}\n"


@dataclass(frozen=True)
class Workspace:
    """Where a release's files can be read as Compose reads them: ``files`` with ``secrets`` linked into it."""

    files: Path
    interpolation: Path

    @property
    def variables(self) -> list[Path]:
        """Env files for Compose's interpolation: the release's, current secrets, and last what nobody may say otherwise."""
        given = [self.files / "env" / VARIABLES, self.files / "secrets" / VARIABLES]
        return [*(path for path in given if path.is_file()), self.interpolation]

    def given(self) -> dict[str, str]:
        """The variables that the stack gives, with their values."""
        found: dict[str, str] = {}
        for path in self.variables[:-1]:
            found |= env_file.values(path.read_text(errors="replace"))
        return found

    def compose_files(self, names: Sequence[str]) -> list[Path]:
        return [self.files / name for name in names]

    def users(self, name: str) -> dict[str, str]:
        """What a current file of secrets holds, for an edge that asks for users; nothing when it has been taken away."""
        path = self.files / "secrets" / f"{name}.env"
        return env_file.values(path.read_text()) if path.is_file() else {}

    def shipped(self) -> dict[str, Path]:
        """Name -> path of every file of the release."""
        found = (path for path in self.files.rglob("*") if path.is_file() and not path.is_symlink())
        return {str(path.relative_to(self.files)): path for path in found}


def place_files(
    directory: Path,
    release: str,
    environment: str,
    files: Mapping[str, bytes],
    secret_files: Path,
    executable: Collection[str] = (),
) -> Workspace:
    """Write a release's files and interpolation variables below ``directory``."""
    for name, content in files.items():
        write_atomically(directory / "files" / name, content, mode=file_mode(name in executable))
    write_atomically(directory / "release.env", interpolation(release, environment), mode=0o644)
    link_secrets(directory / "files", secret_files)
    return Workspace(directory / "files", directory / "release.env")


def link_secrets(directory: Path, target: Path) -> None:
    link = directory / "secrets"
    relative = os.path.relpath(target, directory)
    if link.is_symlink() and link.readlink() == Path(relative):
        return
    link.unlink(missing_ok=True)
    link.symlink_to(relative)
