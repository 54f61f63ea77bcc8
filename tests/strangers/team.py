"""A team with a Compose file and the installed collection: what they type, what they write themselves, and what that changes."""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from tests.newcomer import Newcomer
from tests.strangers import FILES

ENVIRONMENT = "staging"
_INVENTORY = f"inventories/{ENVIRONMENT}"
_STACK = f"{_INVENTORY}/group_vars/all/stack.yml"
# Of every environment, whatever the project is.
_SAME_FOR_ALL = ("ansible.cfg", ".gitignore", ".vault/", ".deploy/", "inventories/")


@dataclass(frozen=True)
class Person:
    """What only somebody of the team knows. ``options``: of the first look; ``written``: (as it was written, instead) in the
    override and the inventory; ``more``: of the inventory; ``vault``: its variables.
    """

    vault: Mapping[str, str]
    options: str = ""
    written: tuple[tuple[str, str], ...] = ()
    more: str = ""


PEOPLE = {
    "ballots": Person({"vault_database_postgres_password": "ballots-password"}),
    "shop-api": Person(
        {
            "vault_secret_key": "the first key of the shop",
            "vault_first_user_password": "a password of nobody",
            # Empty in the team's .env, too.
            **dict.fromkeys(("vault_smtp_password", "vault_sentry_dsn"), '""'),
            "vault_postgres_password": "a-password-in-a-url",
        },
        written=(("adminer:VERSION", "adminer:5"),),
    ),
    "letters": Person(
        {"vault_app_letters_db_password": "letters-password", "vault_admin_password": "the first one of the admin"},
        options="-e health=/health",
        more='stack_secret_variables: {LETTERS_ADMIN_PASSWORD: "{{ vault_admin_password }}"}\n',
    ),
}


@dataclass
class Team:
    """``newcomer.here`` is a copy of the project, with an environment in it."""

    name: str
    newcomer: Newcomer
    person: Person

    @property
    def compose(self) -> Path:
        return self.newcomer.here / FILES[self.name].name

    @property
    def override(self) -> Path:
        return self.compose.with_name(f"{self.compose.stem}.{ENVIRONMENT}{self.compose.suffix}")

    @property
    def stack(self) -> Path:
        return self.newcomer.here / _STACK

    def plays(self, playbook: str, *options: str) -> str:
        """What a playbook prints; it must succeed."""
        return self.newcomer.well(self._command(playbook, *options))

    def deploys(self, release: str, *options: str) -> str:
        return self.plays("deploy", "-e", f"stack_release={release}", *options)

    def edits_vault(self, **values: str) -> None:
        """As ansible-vault edit does it, whatever the values are. What is there already is written over."""
        script = self.newcomer.home / "editor"
        lines = "".join(f"{name}: {value}\n" for name, value in values.items())
        names = "|".join(values)
        script.write_text(f"#!/bin/sh\nsed -i -E '/^({names}):/d' \"$1\"\ncat >>\"$1\" <<'END'\n{lines}END\n")
        script.chmod(0o755)
        editing = replace(self.newcomer, variables=self.newcomer.variables | {"EDITOR": str(script)})
        editing.well(f"ansible-vault edit {_INVENTORY}/group_vars/vault.yml")
        self.plays("fingerprint")

    @contextmanager
    def changed(self, path: Path, change: Callable[[str], str]) -> Iterator[None]:
        """With one of their files as ``change`` makes it of what it says; as it was again in the end."""
        before = path.read_text()
        after = change(before)
        assert after != before
        path.write_text(after)
        try:
            yield
        finally:
            path.write_text(before)

    def difference(self) -> list[str]:
        """A unified diff from the team's project to what is deployed, without what is the same for every environment."""
        before, after = _texts(FILES[self.name].parent), _texts(self.newcomer.here)
        found: list[str] = []
        for path in sorted({*before, *after}):
            old, new = before.get(path, "").splitlines(), after.get(path, "").splitlines()
            if path == _STACK:
                new = [line for line in new if line.strip() and not line.lstrip().startswith("#")]
            elif path.startswith(_SAME_FOR_ALL):
                continue
            found += difflib.unified_diff(old, new, f"theirs/{path}", f"deployed/{path}", lineterm="", n=0)
        return found

    def _command(self, playbook: str, *options: str) -> str:
        return " ".join([f"ansible-playbook morpheus.deploy.{playbook} -i {_INVENTORY}", *options])


def of(name: str, home: Path, here: Path, host: str, site: str, **variables: str) -> Team:
    """The team after its first look, which has written an environment, and after what it wrote itself."""
    shutil.copytree(FILES[name].parent, here, dirs_exist_ok=True)
    person = PEOPLE[name]
    team = Team(name, Newcomer(home, here, variables), person)
    look = f"-e compose={team.compose.name} -e write={_INVENTORY} -e hosts={host} -e site={site} {person.options}"
    team.newcomer.well(f"ansible-playbook morpheus.deploy.inspect {look}".strip())
    for path in (team.override, team.stack):
        text = path.read_text()
        for old, new in person.written:
            text = text.replace(old, new)
        path.write_text(text)
    team.stack.write_text(team.stack.read_text() + person.more)
    team.edits_vault(**person.vault)
    return team


def counted(difference: list[str]) -> tuple[int, int]:
    """(lines of the team's own files that are changed or gone, lines that came)."""
    body = [line for line in difference if not line.startswith(("---", "+++", "@@"))]
    return sum(line.startswith("-") for line in body), sum(line.startswith("+") for line in body)


def with_stack(text: str, change: Callable[[dict[str, Any]], None]) -> str:
    """An inventory's stack.yml with another ``stack``."""
    lines = yaml.safe_load(text)
    change(lines["stack"])
    return yaml.safe_dump(lines, sort_keys=False)


def _texts(directory: Path) -> dict[str, str]:
    return {str(path.relative_to(directory)): path.read_text() for path in directory.rglob("*") if path.is_file()}
