# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with stack.migration: its service, its ledger, and the versions of the schema that the release ships. Pure."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger import shipped
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.tools import PLAIN, TOOLS, Ledger
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import role_pair
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import url as connection_url
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import supabase
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.supabase import ENGINE

ENGINES = ("command", ENGINE)
REQUIRED = "required; a service of the Compose files behind a profile. Its command runs once in the new image"


def complete(config: dict[str, Any], files: Mapping[str, str], secrets: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    """As supabase.complete. Into ``config`` goes which table of which tool the ledger is."""
    migration = config.get("migration")
    if migration and migration["ledger"] and migration["preset"] in TOOLS:
        table = TOOLS[migration["preset"]].table if migration["ledger"] == PLAIN.table else migration["ledger"]
        migration["ledger"] = str(Ledger(migration["preset"], table))
    return supabase.complete(config, files, secrets, problems)


def files(config: Mapping[str, Any], contents: Mapping[str, str]) -> list[dict[str, Any]]:
    """The migrations that the release ships. ``config``: the checked stack; ``contents``: path -> base64 of what it ships."""
    migration = config.get("migration") or {}
    directory, preset = migration.get("directory") or "", migration.get("preset") or ""
    decoded = {path: base64.b64decode(content) for path, content in contents.items()} if directory else {}
    return [one.as_dict() for one in shipped.shipped(decoded, directory, preset)]


def problems(
    config: Mapping[str, Any], services: Mapping[str, Any], files: Mapping[str, str], secrets: Mapping[str, str]
) -> list[str]:
    """``config``: the stack; ``services``: of the Compose files; ``files``: path -> base64 of what the release ships;
    ``secrets``: name -> value.
    """
    migration = config.get("migration")
    if not migration:
        return []
    name, with_supabase = migration["service"], migration["engine"] == ENGINE
    if with_supabase and (name or migration["preset"]):
        option, value = ("service", name) if name else ("preset", migration["preset"])
        verb = "runs with" if name else "is for"
        return [
            f'stack.migration.{option}: "{value}" {verb} the engine command; take it out, or set stack.migration.engine: command'
        ]
    if migration["engine"] not in ENGINES:
        return [f'stack.migration.engine: "{migration["engine"]}" is not one of {", ".join(ENGINES)}']
    if migration["preset"] and migration["preset"] not in TOOLS:
        return [f'stack.migration.preset: "{migration["preset"]}" is not one of {", ".join(TOOLS)}']
    if not with_supabase and not name:
        return [f"stack.migration.service: {REQUIRED}"]
    decoded = {path: base64.b64decode(content) for path, content in files.items()}
    return [
        *_of_schema(migration, decoded),
        *_of_reader(migration, secrets, config.get("database") or {}),
        *(() if with_supabase else _of_service(migration, services)),
    ]


def _of_service(migration: Mapping[str, Any], services: Mapping[str, Any]) -> Iterator[str]:
    name = migration["service"]
    service = services.get(name)
    if service is None:
        yield f'stack.migration.service: the Compose files have no service "{name}"'
    elif not service.get("profiles"):
        yield (f'stack.migration.service: "{name}" must be behind a profile in the Compose files, or it would run all the time')


def _of_schema(migration: Mapping[str, Any], files: Mapping[str, bytes]) -> Iterator[str]:
    if migration["ledger"] and (problem := Ledger.of(migration["ledger"]).problem):
        yield f"stack.migration.ledger: {problem}"
    directory, since, preset = migration["directory"], migration["compatible_since"], migration["preset"]
    versions = [one.version for one in shipped.shipped(files, directory, preset)]
    yield from (f"stack.migration.directory: {problem}" for problem in shipped.problems(files, directory, preset))
    if directory and not versions:
        numbers = "" if preset else "; the version is a number"
        yield f'stack.migration.directory: "{directory}" holds no {shipped.FORMS[preset]} among stack.files{numbers}'
    for version in migration["accept_edited"] or []:
        if version not in versions:
            yield f'stack.migration.accept_edited: "{version}" is not a version in "{directory}"; remove it'
    if since and not directory:
        yield "stack.migration.compatible_since: needs stack.migration.directory, which says what the schema's versions are"
    elif since and versions and since not in versions:
        yield (f'stack.migration.compatible_since: "{since}" is not a version in "{directory}"; it has {", ".join(versions)}')


def _of_reader(migration: Mapping[str, Any], secrets: Mapping[str, str], database: Mapping[str, Any]) -> Iterator[str]:
    option, name = "stack.migration.reader", migration["reader"]
    if not name:
        return
    owner = migration["secret"] or database.get("secret") or ""
    if name not in secrets:
        yield f'{option}: "{name}" is not a secret of this environment; there is {", ".join(secrets) or "none"}'
        return
    if not migration["ledger"] or not owner:
        lacks = "stack.migration.ledger" if not migration["ledger"] else "stack.database.secret"
        yield f"{option}: needs {lacks}, which says what it is to read; or take it out"
        return
    try:
        address = connection_url.parse(secrets[name])
    except DeployError as exc:
        yield f"{option}: {name} {exc}"
        return
    role = role_pair.role_of(secrets[name])
    problem = connection_url.project_problem(address, database.get("project_ref") or "")
    if problem:
        yield f"{option}: {name} {problem}"
    elif not address.password:
        yield f"{option}: {name} has no password"
    elif role_pair.role_problem(role):
        yield f"{option}: the role of {name}, {role_pair.role_problem(role)}"
    elif owner in secrets and _role(secrets[owner]) == role:
        yield (
            f"{option}: {name} logs in as {role}, as {owner} does; it lies on every host only to read the ledger, so give it a "
            "role of its own, which a deploy makes"
        )


def _role(url: str) -> str:
    try:
        return role_pair.role_of(url)
    except DeployError:
        return ""
