# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files with secrets of one stack: the current ones only, with their owners and modes."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.base import env_file as dotenv
from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import put_right, write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import (
    SECRETS,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import variables


@dataclass(frozen=True)
class Rights:
    """Who may read a file with secrets. ``owner``, ``group``: uid and gid; None is whoever writes it, which is root on a host."""

    owner: int | None = None
    mode: int = 0o600
    group: int | None = None


class SecretFiles:
    """The secrets of one stack on this host, one file each of variables or of a secret that is read whole."""

    def __init__(self, directory: Path) -> None:
        self.secrets = directory

    def write_secrets(
        self, contents: Mapping[str, str], rights: Mapping[str, Rights] | None = None, in_place: Collection[str] = ()
    ) -> list[str]:
        """Names of the secret files that changed. Files that no release reads any more are left: a rollback may.

        ``in_place``: those that replicas have mounted which are to see them so. Whoever has mounted one of the others goes on
        seeing what it was started with.
        """
        changed = self.changed_secrets(contents, rights)
        self.secrets.mkdir(parents=True, exist_ok=True)
        self.secrets.chmod(0o700)
        for name in changed:
            path, own = self.secrets / name, (rights or {}).get(name, Rights())
            if name in in_place and path.is_file() and not path.is_symlink():
                put_right(path, contents[name], mode=own.mode, owner=own.owner, group=own.group)
            else:
                place_secret(path, contents[name], own)
        return changed

    def changed_by(self, secrets: Iterable[str], value: str) -> dict[str, str]:
        """Secret file -> its content once each of ``secrets`` (``<env file>.<variable>``, ``files.<name>``) has ``value``.

        Only files that change. Raises DeployError, naming every secret that is not on this host.
        """
        before: dict[str, str] = {}
        after: dict[str, str] = {}
        missing = []
        for secret in secrets:
            group, _, variable = secret.partition(".")
            name = variable if group == "files" else f"{group}.env"
            path = self.secrets / name
            if name not in after and path.is_file():
                before[name] = after[name] = path.read_text()
            content = value if group == "files" else dotenv.with_value(after.get(name, ""), variable, value)
            if name in after and content is not None:
                after[name] = content
            else:
                missing.append(secret)
        if missing:
            raise DeployError(f"this host has no {', '.join(missing)}; deploy the live release first, which brings its secrets")
        return {name: content for name, content in after.items() if content != before[name]}

    def rewrite_secret(self, name: str, content: str) -> None:
        """Put another content into a secret file; its owner and mode stay."""
        status = (self.secrets / name).stat()
        write_atomically(self.secrets / name, content, mode=status.st_mode & 0o777, owner=status.st_uid)

    def secret_names(self, name: str) -> list[str] | None:
        """Names of the variables in a secret file as it is now; None when there is no such file."""
        try:
            return variables(name, SECRETS.text(self.secrets / name))
        except FileNotFoundError:
            return None

    def remove_secrets(self, names: Iterable[str]) -> None:
        for name in names:
            (self.secrets / name).unlink(missing_ok=True)

    def secret_files(self) -> list[str]:
        return sorted(path.name for path in self.secrets.glob("*") if path.is_file())

    def changed_secrets(self, contents: Mapping[str, str], rights: Mapping[str, Rights] | None = None) -> list[str]:
        """A file with another owner or mode counts as changed too: it is written again."""
        given = rights or {}
        return [name for name in sorted(contents) if self._secret(name, given.get(name, Rights())) != contents[name].encode()]

    def _secret(self, name: str, rights: Rights) -> bytes | None:
        """What the file holds; None when it is not there, or not with these rights."""
        path = self.secrets / name
        try:
            found = path.stat()
        except FileNotFoundError:
            return None
        owner = os.geteuid() if rights.owner is None else rights.owner
        group = os.getegid() if rights.group is None else rights.group
        same = (found.st_mode & 0o7777, found.st_uid, found.st_gid) == (rights.mode, owner, group)
        return path.read_bytes() if same and not path.is_symlink() else None


def place_secret(path: Path, content: str, rights: Rights) -> None:
    write_atomically(path, content, mode=rights.mode, owner=rights.owner, group=rights.group)
