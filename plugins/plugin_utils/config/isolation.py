# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What in a configuration would mix two environments up: shared secrets, another's database, another's values.

Runs on the controller, reads fingerprints and contacts nobody. Problems name keys, never a secret's value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import schema
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import url as connection_url
from ansible_collections.morpheus.deploy.plugins.module_utils.secrets import fingerprints
from ansible_collections.morpheus.deploy.plugins.module_utils.secrets.fingerprints import Fingerprints

MINIMUM_KEY_LENGTH = 16
_DIFFERENCES = {
    "missing": "{name} is not in {path}",
    "changed": "{name} is not the value recorded in {path}",
    "gone": "{name} is recorded in {path} and is there no longer",
}


@dataclass(frozen=True)
class Comparison:
    """What the secrets of ``environment`` are compared with; without ``others``, every inventory beside the own one."""

    environment: str
    path: str
    key: str
    others: Sequence[str] | None
    allowed: Sequence[str]


def key_problem(key: str) -> str:
    """Why ``key`` cannot be the key of fingerprints."""
    if not key:
        return (
            "stack_fingerprint_key: required, because stack_fingerprints is set; the same text in the vault of every environment"
        )
    if len(key) < MINIMUM_KEY_LENGTH:
        return f"stack_fingerprint_key: {len(key)} characters are too few for a key; use at least {MINIMUM_KEY_LENGTH}"
    return ""


def secrets_problems(
    wanted: Comparison, secrets: Mapping[str, str], *, some: bool = False, endpoints: Mapping[str, str] | None = None
) -> list[str]:
    """Why the secrets do not match the environment's own fingerprints, and which of them another environment has too.

    ``some``: the environment has more secrets than these. ``endpoints``: ids of its ML endpoints, of which the same is said.
    """
    problem = key_problem(wanted.key)
    if problem:
        return [problem]
    now = fingerprints.make(wanted.environment, wanted.key, secrets, "", endpoints=endpoints)
    found = [*_own_problems(wanted, now, but_gone=some), *_shared(wanted, now)]
    return [f"stack_fingerprints: {problem}" for problem in found]


def shared_problems(wanted: Comparison, secrets: Mapping[str, str]) -> list[str]:
    """Which of some secrets, that are not the environment's yet, another environment has."""
    return _shared(wanted, fingerprints.make(wanted.environment, wanted.key, secrets, ""))


def _shared(wanted: Comparison, now: Fingerprints) -> list[str]:
    problems = []
    for path in other_files(wanted):
        try:
            found = fingerprints.shared(now, [fingerprints.read(path)], wanted.allowed)
        except DeployError as exc:
            found = [f"nothing can be compared with the environment of {exc}"]
        problems += found
    return problems


def fingerprint_problems(environment: str, environments: Sequence[str], path: str, key: Any) -> list[str]:
    """Why no fingerprints of ``environment`` can be made."""
    found = []
    if environment not in environments:
        found.append(
            f'stack_environment: "{environment}" is not one of {", ".join(environments)}; '
            "name it in preflight_environments if it is meant"
        )
    if not path:
        found.append("stack_fingerprints: required; the file to write, inventories/<environment>/fingerprints.json")
    problem = key_problem(key) if isinstance(key, str) else f"stack_fingerprint_key: must be a string, not {schema.kind(key)}"
    return [*found, problem] if problem else found


def file_before(path: str) -> tuple[Fingerprints | None, list[str]]:
    """The file as it is, or nothing and why it will be recreated."""
    if not Path(path).exists():
        return None, []
    try:
        return fingerprints.read(path), []
    except DeployError as exc:
        return None, [f"the file is recreated: {exc}"]


def _own_problems(wanted: Comparison, now: Fingerprints, *, but_gone: bool = False) -> list[str]:
    try:
        own = fingerprints.read(wanted.path)
    except DeployError as exc:
        return [str(exc)]
    if own["environment"] != wanted.environment:
        return [f"{wanted.path}: is of {own['environment']} and not of {wanted.environment}; run playbooks/fingerprint.yml"]
    if own["key"] != now["key"]:
        return [f"{wanted.path}: was made with another key than stack_fingerprint_key; run playbooks/fingerprint.yml"]
    return [
        _DIFFERENCES[how].format(name=name, path=wanted.path) + "; if it is meant, run playbooks/fingerprint.yml"
        for name, how in fingerprints.differences(own, now).items()
        if not (but_gone and how == "gone")
    ]


def other_files(wanted: Comparison) -> list[Path]:
    """Files of the other environments. An inventory without one is among them: what is not there cannot be compared."""
    own = Path(wanted.path).resolve()
    if wanted.others is not None:
        found = [Path(path) for path in wanted.others]
    else:
        found = [directory.parent / own.name for directory in sorted(own.parent.parent.glob("*/group_vars"))]
    return [path for path in found if path.resolve() != own]


def database_problems(database: Mapping[str, Any] | None, secrets: Mapping[str, str]) -> list[str]:
    """Why the declared secret is no way to the declared database, as far as its URL tells."""
    if not database or not database["secret"]:
        return []
    name = database["secret"]
    if name not in secrets:
        known = ", ".join(secrets) or "none"
        return [f'stack.database.secret: "{name}" is not a secret of this environment; there is {known}']
    try:
        problem = connection_url.project_problem(connection_url.parse(secrets[name]), database["project_ref"])
    except DeployError as exc:
        problem = str(exc)
    return [f"stack.database.secret: {name} {problem}"] if problem else []


def value_problems(allowed: Sequence[Mapping[str, Any]], env: Mapping[str, Any]) -> list[str]:
    """Plain values that are not on the environment's list."""
    problems = []
    for number, rule in enumerate(allowed):
        option, path, values = f"stack.allowed_values[{number}]", str(rule["path"]), rule["values"] or []
        root, name, variable = (*path.split("."), "", "")[:3]
        group = env.get(name)
        if root != "env" or not variable or path.count(".") != 2:
            problems.append(f'{option}.path: "{path}" must be env.<name>.<variable>')
        elif not isinstance(group, Mapping) or variable not in group:
            problems.append(f'{option}.path: "{path}" is not a value of stack.env')
        elif group[variable] not in values:
            problems.append(f'stack.{path}: "{group[variable]}" is not one of {", ".join(values)} ({option})')
    return problems
