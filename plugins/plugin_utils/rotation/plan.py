# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rotation of a secret: what is left to do, from what the vault says of it. Pure.

The state lies in the vault itself, beside the value, so that both change in one write. A plan is made from it, so the run after
a crash does the rest. Knows neither files nor hosts. Messages name secrets, never a value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import role_pair
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import url as connection_url

ROLE_PAIR, COMMAND, MANUAL, GENERATED = PROVIDERS = ("postgres_role_pair", "command", "manual", "generated")
# What secrets are called that pull images.
OF_REGISTRIES = "registries."
NEW_VALUE_VARIABLE = "MORPHEUS_NEW_SECRET"
# The line that a rotation writes into the vault, and takes away at its end.
STATE_VARIABLE = "vault_rotation"
STATE_COMMENT = "A rotation is under way: playbooks/rotate_secrets.yml goes on from here and takes these two lines away."


class Phase(str, Enum):
    ADDING = "adding"  # the provider may not know the new value yet; everybody uses the old one
    ROLLING = "rolling"  # both values work; hosts go from the old one to the new one
    WAITING = "waiting"  # nobody uses the old one; a person is to revoke it


class Step(str, Enum):
    """In the order in which they are done. Each may be done again."""

    MAKE = "make"
    ADD = "add"
    SWITCH = "switch"
    SPREAD = "spread"
    ROLL = "roll"
    ATTEST = "attest"
    WAIT = "wait"
    REVOKE = "revoke"
    PROVE = "prove"
    RECORD = "record"


@dataclass(frozen=True)
class State:
    """``new`` is empty until a command has made it. ``id`` is the rotation's own, for commands that must not make two keys."""

    name: str
    id: str
    phase: Phase
    since: str
    old: str = field(repr=False)
    new: str = field(repr=False)

    def as_dict(self) -> dict[str, str]:
        return {
            "name": self.name,
            "id": self.id,
            "phase": self.phase.value,
            "since": self.since,
            "old": self.old,
            "new": self.new,
        }

    @classmethod
    def read(cls, found: Mapping[str, str]) -> State | None:
        """Raises DeployError for what no rotation wrote."""
        if not found:
            return None
        try:
            known: dict[str, Any] = {**found, "phase": Phase(found["phase"])}
            return cls(**known)
        except (KeyError, TypeError, ValueError):
            raise DeployError(
                f"{STATE_VARIABLE} is not what a rotation writes there; put the file's last good version back"
            ) from None

    def cancelled(self) -> State:
        """The way back is the same way: what was old is to be the one that works, what was new is to go."""
        return replace(self, phase=Phase.ADDING, old=self.new, new=self.old)


def remaining(provider: str, state: State | None, *, keeps_old: bool = False, on_hosts: bool = True) -> list[Step]:
    """Steps from ``state`` to the end. ``keeps_old``: the old login is not of the pair and stays; ``on_hosts``: hosts hold it."""
    steps = list(Step)
    if not on_hosts:
        steps = [step for step in steps if step not in (Step.SPREAD, Step.ROLL, Step.ATTEST)]
    if provider == GENERATED:
        # Only the replicas themselves know the value: nobody else accepts or refuses it.
        steps = [step for step in steps if step not in (Step.ADD, Step.REVOKE, Step.PROVE)]
    if state is not None and state.new:
        steps.remove(Step.MAKE)
    if state is not None and state.phase is not Phase.ADDING:
        steps = [step for step in steps if step is not Step.ADD]
    if provider != MANUAL or (state is not None and state.phase is Phase.WAITING):
        steps.remove(Step.WAIT)
    else:
        # What a person has to do in between.
        steps = steps[: steps.index(Step.WAIT) + 1]
    if provider == MANUAL or keeps_old:
        steps = [step for step in steps if step is not Step.REVOKE]
    return [step for step in steps if not (keeps_old and step is Step.PROVE)]


@dataclass(frozen=True)
class Entry:
    """One item of ``stack_rotation``, typed."""

    name: str
    secrets: Sequence[str]
    variable: str
    provider: str
    postgres: Mapping[str, Any]
    command: Mapping[str, Any]
    probe: Mapping[str, Any]

    def new_login(self, old: str) -> str:
        return role_pair.new_login(old, self.postgres["roles"])

    @property
    def on_hosts(self) -> list[str]:
        """Those of its secrets that hosts keep; what images are pulled with is in the vault alone."""
        return [name for name in self.secrets if not name.startswith(OF_REGISTRIES)]

    def is_foreign(self, value: str) -> bool:
        """Whether ``value`` is a login that is not of the pair: nobody but a person may change or close it."""
        return self.provider == ROLE_PAIR and bool(value) and role_pair.role_of(value) not in self.postgres["roles"]

    def label(self, value: str, which: str) -> str:
        """What people call a value: a login by its role, a key by ``which`` it is."""
        return role_pair.role_of(value) if self.provider == ROLE_PAIR and value else f"the {which} value"


def describe(entry: Entry, state: State | None, old: str) -> dict[str, str]:
    """Step -> a sentence for people."""
    before, after = entry.label(old, "old"), "the new value"
    if entry.provider == ROLE_PAIR:
        after = entry.label(state.new, "new") if state else role_pair.next_role(old, entry.postgres["roles"])
    secrets = ", ".join(entry.secrets)
    sentences = {
        Step.MAKE: f"make a new value of {secrets} and keep it in the vault",
        Step.ADD: f"let the provider accept {after}, and see that it does",
        Step.SWITCH: f"write {after} into {entry.variable}",
        Step.SPREAD: f"write {secrets} on every host",
        Step.ROLL: "replace the replicas that read it, of the live release",
        Step.ATTEST: f"make sure that no replica uses {before}",
        Step.WAIT: f"wait for a person to revoke {before} at the provider",
        Step.REVOKE: f"revoke {before}",
        Step.PROVE: f"see that {before} is refused",
        Step.RECORD: "take the rotation's state out of the vault",
    }
    return {step.value: sentence for step, sentence in sentences.items()}


def entries(given: Sequence[Mapping[str, Any]]) -> list[Entry]:
    """``given`` must have no config_problems."""
    mappings = ("postgres", "command", "probe")
    return [Entry(**{**one, **{key: one.get(key) or {} for key in mappings}}) for one in given]


def config_problems(given: Sequence[Mapping[str, Any]], secrets: Mapping[str, str]) -> list[str]:
    """What is wrong with ``stack_rotation`` beyond its shape. ``secrets``: the environment's, by name."""
    problems: list[str] = []
    names: dict[str, int] = {}
    for number, one in enumerate(given):
        path = f"stack_rotation[{number}]"
        if one.get("name") in names:
            problems.append(f'{path}.name: "{one["name"]}" is already used by stack_rotation[{names[one["name"]]}]')
        names.setdefault(str(one.get("name")), number)
        problems += [f"{path}.{problem}" for problem in _entry_problems(one, secrets)]
    return problems


def _entry_problems(one: Mapping[str, Any], secrets: Mapping[str, str]) -> list[str]:
    problems = []
    names = one.get("secrets") or []
    unknown = [name for name in names if name not in secrets]
    if unknown:
        problems.append(f"secrets: unknown: {', '.join(unknown)}; known: {', '.join(secrets) or 'none'}")
    elif not names:
        problems.append("secrets: must name at least one")
    elif len({secrets[name] for name in names}) > 1:
        problems.append(f"secrets: {', '.join(names)} do not have the same value, so they cannot be rotated together")
    provider = one.get("provider")
    if provider not in PROVIDERS:
        return [*problems, f'provider: "{provider}" is not one of {", ".join(PROVIDERS)}']
    pulling = [name for name in names if name.startswith(OF_REGISTRIES)]
    if pulling and provider not in (COMMAND, MANUAL):
        problems.append(
            f"provider: {provider} cannot renew {', '.join(pulling)}, which a registry gives out; use {MANUAL} or {COMMAND}"
        )
    needed = {ROLE_PAIR: ("postgres",), COMMAND: ("command", "probe"), MANUAL: ("probe",), GENERATED: ()}[provider]
    problems += [f"{key}: required by the provider {provider}" for key in needed if not one.get(key)]
    if provider == ROLE_PAIR and one.get("postgres"):
        known = [secrets[name] for name in names if name in secrets]
        problems += [f"postgres.{problem}" for problem in _pair_problems(one["postgres"], known)]
    if provider == COMMAND and one.get("command"):
        problems += [
            f"command.{key}: must hold a program and its arguments" for key in ("create", "revoke") if not one["command"].get(key)
        ]
    if provider in (COMMAND, MANUAL) and one.get("probe"):
        problems += _probe_problems(one["probe"])
    return problems


def _pair_problems(pair: Mapping[str, Any], urls: Sequence[str]) -> list[str]:
    roles = pair.get("roles") or []
    problems = [f"roles: {problem}" for role in [*roles, pair.get("owner") or ""] if (problem := role_pair.role_problem(role))]
    if len(set(roles)) != 2:
        problems.append("roles: must be two different ones")
    if pair.get("owner") in roles:
        problems.append("owner: must not be one of the roles; it is the role that owns what the application has in the database")
    try:
        admin = connection_url.parse(pair.get("admin_url") or "")
        if role_pair.role_of(pair["admin_url"]) in roles:
            problems.append("admin_url: must not log in as one of the roles; one of them is closed in each rotation")
        projects = [connection_url.projects(connection_url.parse(url)) for url in urls]
        if any(found and connection_url.projects(admin) not in (set(), found) for found in projects):
            problems.append("admin_url: leads to another Supabase project than the secret")
    except DeployError as exc:
        problems.append(f"admin_url: it, or the secret, {exc}")
    return problems


def _probe_problems(probe: Mapping[str, Any]) -> list[str]:
    problems = []
    if not str(probe.get("url")).startswith(("http://", "https://")):
        problems.append("probe.url: must begin with http:// or https://")
    value = str(probe.get("value"))
    if "{basic}" in value and not probe.get("username"):
        problems.append("probe.username: required, because probe.value holds {basic}; the user that the password belongs to")
    elif "{secret}" not in value and "{basic}" not in value:
        problems.append('probe.value: must hold {secret}, for example "Bearer {secret}"')
    return problems


def value_problem(new: str, old: str) -> str:
    """Why a value that somebody else made cannot be the new one; empty when it can."""
    if not new.strip():
        return "is empty"
    if new != new.strip() or "\n" in new or "\r" in new or "\0" in new:
        return "must be one line, without spaces around it"
    return "is the old one" if new == old else ""
