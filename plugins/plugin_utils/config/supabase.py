# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""stack.migration with the engine supabase: its files, and the secret by which they reach the database. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import url as connection_url
from ansible_collections.morpheus.deploy.plugins.plugin_utils.supabase import files as supabase_files

ENGINE = "supabase"
DIRECTORY = "supabase/migrations"


def complete(config: dict[str, Any], files: Mapping[str, str], secrets: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    """What the task needs that applies the files; empty with another engine. Into ``config`` goes what follows from them.

    ``files``: path -> base64 of what the release ships; ``secrets``: name -> value.
    """
    migration = config.get("migration")
    if not migration or migration["engine"] != ENGINE:
        return {}
    database = config.get("database") or {}
    migration["directory"] = migration["directory"] or DIRECTORY
    migration["secret"] = migration["secret"] or database.get("secret") or ""
    shipped = {path: base64.b64decode(content) for path, content in files.items()}
    found = supabase_files.read(shipped, migration["directory"])
    problems += [f"stack.migration.directory: {problem}" for problem in found.problems]
    problems += _secret_problems(migration["secret"], secrets, database.get("project_ref") or "")
    # By hand only where the files do not say it.
    migration["compatible_since"] = migration["compatible_since"] or found.compatible_since
    migration["requires"] = found.requires
    migration["breaking"] = {one["version"]: one["since"] for one in found.as_list() if one["since"]}
    of_database = {name: database.get(name) or "" for name in ("project_ref", "system_identifier")}
    limits = {name: migration[name] for name in ("lock_timeout_seconds", "statement_timeout_seconds", "timeout_seconds")}
    return {"files": found.as_list(), "secret": migration["secret"], **of_database, **limits}


def _secret_problems(name: str, secrets: Mapping[str, str], project: str) -> list[str]:
    option = "stack.migration.secret"
    if not name:
        return [f"{option}: required, because nothing says by which secret the database is reached; or set stack.database.secret"]
    if name not in secrets:
        return [f'{option}: "{name}" is not a secret of this environment; there is {", ".join(secrets) or "none"}']
    try:
        address = connection_url.parse(secrets[name])
    except DeployError as exc:
        return [f"{option}: {name} {exc}"]
    problem = connection_url.project_problem(address, project) or connection_url.pooler_problem(address)
    return [f"{option}: {name} {problem}"] if problem else []
