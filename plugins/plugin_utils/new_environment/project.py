# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new environment's files, in the directory of a project: what is missing is written, what is there stays as it is.

Everything is decided before the first file is written. Contacts no host.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.spoken import told
from ansible_collections.morpheus.deploy.plugins.module_utils.secrets import fingerprints
from ansible_collections.morpheus.deploy.plugins.plugin_utils.new_environment import compose_says, password_client
from ansible_collections.morpheus.deploy.plugins.plugin_utils.new_environment import files as environment_files
from ansible_collections.morpheus.deploy.plugins.plugin_utils.new_environment.asked import Asked, problems
from ansible_collections.morpheus.deploy.plugins.plugin_utils.new_environment.files import CLIENT, Answers

INVENTORIES = "inventories"
PASSWORDS = ".vault"
IGNORE = ("/.vault/", "/.deploy/")
COMPOSE = ("compose.yml", "compose.yaml", "docker-compose.yml", "docker-compose.yaml")
_ENCRYPTED = "$ANSIBLE_VAULT"
# A file of a collection that is no module must not have it.
_SHEBANG = "#!/usr/bin/env python3\n"

# The variables in an encrypted file, or None when no password that is here opens it.
Opens = Callable[[Path], Mapping[str, Any] | None]
# A text under a vault id and a password.
Encrypts = Callable[[str, str, str], str]


@dataclass(frozen=True)
class File:
    """One to be written. ``before``: what stands there, or None."""

    path: str
    text: str
    before: str | None
    mode: int = 0o644


class NewEnvironment:
    """``root``: the project's directory; ``variables``: of the shell. ``files``: all to be written, in this order."""

    def __init__(self, root: Path, asked: Asked, opens: Opens, encrypts: Encrypts, variables: Mapping[str, str]) -> None:
        self.asked, self.here = asked, f"{INVENTORIES}/{asked.name}"
        self.files: list[File] = []
        self.left: list[str] = []
        self.notes: list[str] = []
        # For the commands that come next.
        self.release, self.vault_names = "1.0.0", list[str]()
        self._root, self._opens, self._encrypts, self._variables = root, opens, encrypts, variables
        refuse(problems(asked))
        refuse(self._directory_problems())
        self._others = [
            path.parent for path in sorted((root / INVENTORIES).glob("*/group_vars")) if path.parent.name != asked.name
        ]
        self.answers = self._answers()
        self._plan()

    def write(self) -> None:
        for file in self.files:
            path = self._root / file.path
            if path.parent.name == PASSWORDS:
                with told(path.parent, "made"):
                    path.parent.mkdir(mode=0o700, exist_ok=True)
            # What is added to keeps the mode that it has.
            write_atomically(path, file.text, mode=file.mode if file.before is None else path.stat().st_mode & 0o777)

    def open_ends(self) -> list[str]:
        """Of files that are written now; those of older ones are found by config."""
        new = {file.path for file in self.files}
        ends = [(f"{self.here}/{end.partition(':')[0]}", f"{self.here}/{end}") for end in self.answers.open_ends()]
        return [end for path, end in ends if path in new]

    def _directory_problems(self) -> list[str]:
        if self._root.stat().st_mode & 0o002:
            return [
                f"{self._root}: everybody may write here, so Ansible would ignore an ansible.cfg; chmod o-w {self._root}, or run "
                "this in a directory of your own"
            ]
        return []

    def _plan(self) -> None:
        name, answers = self.asked.name, self.answers
        self._plan_vault()
        self._new(f"{self.here}/hosts.yml", environment_files.hosts(answers), self.asked.typed("hosts"))
        options = self.asked.typed("user", "site", "compose", "service", "port", "health")
        self._new(f"{self.here}/group_vars/all/stack.yml", self._stack(answers), options)
        for path, text in self._with_the_name():
            self._added(path, environment_files.environments_with(text, name))
        client = _SHEBANG + Path(password_client.__file__).read_text()
        self._new(CLIENT, client, mode=0o755)
        config = self._read("ansible.cfg")
        if config is None:
            self._new("ansible.cfg", environment_files.config(name))
        else:
            self._added("ansible.cfg", environment_files.config_with(config, name, str(self._root / "ansible.cfg")))

    def _plan_vault(self) -> None:
        """The password is written before the vault: nothing is ever encrypted with one that is lost."""
        name, vault = self.asked.name, f"{self.here}/group_vars/vault.yml"
        prints = f"{self.here}/fingerprints.json"
        self._added(".gitignore", environment_files.ignore_with(self._read(".gitignore") or "", IGNORE))
        if self._read(vault) is not None:
            self._refuse_loss(vault)
            self.left.append(vault)
            if self._read(prints) is None:
                self.notes.append(f"{prints} is missing: ansible-playbook morpheus.deploy.fingerprint -i {self.here}")
            return
        if self._read(prints) is not None:
            raise DeployError(f"{prints}: is of a vault that is gone. Bring {vault} back, or remove {prints}, and run this again")
        password = password_client.known(name, self._variables, password_client.from_keyring, self._root / PASSWORDS)
        if not password:
            password = secrets.token_urlsafe(32)
            self._new(f"{PASSWORDS}/{name}", f"{password}\n", mode=0o600)
        key = self._key_of_others() or secrets.token_hex(32)
        self._new(vault, self._encrypts(environment_files.vault(name, key, self._imported()), name, password), mode=0o600)
        self._new(prints, fingerprints.text(fingerprints.make(name, key, {}, date.today().isoformat())))

    def _imported(self) -> Mapping[str, str]:
        """Variables of the vault whose values are known: they are written into a new one."""
        return {}

    def _refuse_loss(self, vault: str) -> None:
        imported = self._imported()
        opened = (self._opens(self._root / vault) or {}) if imported else {}
        if lacks := sorted(imported.keys() - opened.keys()):
            raise DeployError(
                f"{vault}: is there already and stays as it is, so nothing can be imported into it. Leave import_secrets out, "
                f"and write {', '.join(lacks)} into it: ansible-vault edit {vault}"
            )

    def _key_of_others(self) -> str:
        """All environments have one key, so that their fingerprints can be compared; "" when there is none yet."""
        found = ""
        for other in self._others:
            here, prints = self._shown(other), other / "fingerprints.json"
            opened = self._opens(other / "group_vars" / "vault.yml")
            key = str((opened or {}).get("vault_fingerprint_key") or "")
            again = f"ansible-playbook morpheus.deploy.fingerprint -i {here}"
            if not prints.exists():
                self.notes.append(f"{here}/fingerprints.json is missing, and every deploy compares with it: {again}")
            elif opened is None:
                variable = f"MORPHEUS_VAULT_PASSWORD_{other.name.upper().replace('-', '_')}"
                raise DeployError(
                    f"{here}/group_vars/vault.yml: does not open, and the vault_fingerprint_key in it is needed, because all "
                    f"environments have the same. Give its password once: export {variable}=..."
                )
            elif not key or fingerprints.key_fingerprint(key) != fingerprints.read(prints)["key"]:
                raise DeployError(
                    f"{here}/fingerprints.json: was made with another key than the vault_fingerprint_key of its vault, which all "
                    f"environments have in common: {again}"
                )
            found = found or key
        return found

    def _with_the_name(self) -> Iterator[tuple[str, str]]:
        """Files of other environments that do not name this one yet, and their texts."""
        for other in self._others:
            found = [
                (path, text, names)
                for path, text in self._plain(other)
                if (names := environment_files.environments(text)) is not None
            ]
            for path, text, names in found:
                if self.asked.name not in names:
                    yield self._shown(path), text
            if not found and self.asked.name not in ("staging", "production"):
                self.notes.append(
                    f"{self._shown(other)} does not say preflight_environments in one line: add {self.asked.name} to it"
                )

    def _plain(self, inventory: Path) -> Iterator[tuple[Path, str]]:
        for path in sorted(path for path in (inventory / "group_vars").rglob("*.yml") if path.is_file()):
            text = path.read_text()
            if not text.startswith(_ENCRYPTED):
                yield path, text

    def _names(self) -> list[str]:
        found = []
        for other in self._others:
            listed = [environment_files.environments(text) for _, text in self._plain(other)]
            found += next((names for names in listed if names), [other.name])
        return list(dict.fromkeys([*found, self.asked.name]))

    def _answers(self) -> Answers:
        asked, path = self.asked, self._compose()
        texts = {}
        if path.is_file():
            override = path.with_name(f"{path.stem}.{asked.name}{path.suffix}")
            texts = {one.name: one.read_text() for one in (path, override) if one.is_file()}
        elif asked.compose:
            raise DeployError(f"compose: {path} does not exist; name the Compose file, for example -e compose=deploy/compose.yml")
        else:
            self.notes.append(
                f"No Compose file lies here: a deploy reads {self._shown(path)}. Copy yours to it, or name it in "
                f"stack.compose_files of {self.here}/group_vars/all/stack.yml"
            )
        try:
            said = compose_says.read(texts, asked.name, asked.service) if texts else compose_says.Said()
        except DeployError as exc:
            raise DeployError(f"compose: {path.parent}/{exc}") from None
        if asked.service and texts and asked.service not in said.services:
            has = ", ".join(said.services) or "none"
            raise DeployError(f'service: "{asked.service}" is not a service that runs by {path}; it has {has}')
        inventory = self._root / self.here
        return Answers(
            name=asked.name,
            names=self._names(),
            stack=_as_project(said.project or path.parent.name),
            source="{{ inventory_dir }}/" + os.path.relpath(path.parent, inventory),
            compose=list(texts) or [path.name],
            hosts=asked.hosts,
            user=asked.user,
            site=asked.site,
            service=asked.service or said.service,
            port=int(asked.port or said.port),
            health=asked.health or said.health,
        )

    def _compose(self) -> Path:
        if self.asked.compose:
            return (self._root / Path(self.asked.compose).expanduser()).resolve()
        return next((path for name in COMPOSE if (path := self._root / name).is_file()), self._root / COMPOSE[0])

    def _new(self, path: str, text: str, options: str = "", mode: int = 0o644) -> None:
        """``options``: those that this file would hold. Where it is there and holds something else, they would be lost."""
        before = self._read(path)
        if before is None:
            self.files.append(File(path, text, None, mode))
            return
        if options and before != text:
            raise DeployError(f"{path}: is there already and stays as it is, so {self._lost(path, options)}")
        self.left.append(path)

    def _stack(self, answers: Answers) -> str:
        return environment_files.stack(answers)

    def _lost(self, path: str, options: str) -> str:
        return f"{options} would be lost. Write it there, or run this without it"

    def _added(self, path: str, text: str) -> None:
        before = self._read(path)
        if before == text:
            self.left.append(path)
        else:
            self.files.append(File(path, text, before))

    def _read(self, path: str) -> str | None:
        try:
            return (self._root / path).read_text()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as exc:
            why = exc.strerror if isinstance(exc, OSError) else "no text"
            raise DeployError(
                f"{path}: cannot be read ({why}); nothing is written over it. Move it away, and run this again"
            ) from None

    def _shown(self, path: Path) -> str:
        return str(path.relative_to(self._root))


def refuse(found: Sequence[str]) -> None:
    if found:
        raise DeployError("\n".join(found))


def _as_project(name: str) -> str:
    """As Compose makes a project's name of a directory's."""
    return re.sub(r"[^a-z0-9_-]", "", name.lower()).lstrip("_-") or "app"


def variables(text: str) -> Mapping[str, Any]:
    """Of an opened vault."""
    found = yaml.safe_load(text)
    return found if isinstance(found, Mapping) else {}
