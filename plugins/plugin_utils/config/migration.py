# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with stack.migration: its service, and the versions of the schema that the release ships. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.ownership import marker as database_identity
from ansible_collections.morpheus.deploy.plugins.module_utils.release import schema_files
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.supabase import ENGINE

ENGINES = ("command", ENGINE)
REQUIRED = "required; a service of the Compose files behind a profile. Its command runs once in the new image"


def problems(migration: Mapping[str, Any], services: Mapping[str, Any], files: Collection[str]) -> list[str]:
    """``services``: of the Compose files; ``files``: what the release ships."""
    if not migration:
        return []
    name, with_supabase = migration["service"], migration["engine"] == ENGINE
    if with_supabase and name:
        return [
            f'stack.migration.service: "{name}" runs with the engine command; take it out, or set stack.migration.engine: command'
        ]
    if migration["engine"] not in ENGINES:
        return [f'stack.migration.engine: "{migration["engine"]}" is not one of {", ".join(ENGINES)}']
    if not with_supabase and not name:
        return [f"stack.migration.service: {REQUIRED}"]
    return [*_of_schema(migration, files), *(() if with_supabase else _of_service(name, services))]


def _of_service(name: str, services: Mapping[str, Any]) -> Iterator[str]:
    service = services.get(name)
    if service is None:
        yield f'stack.migration.service: the Compose files have no service "{name}"'
    elif not service.get("profiles"):
        yield (f'stack.migration.service: "{name}" must be behind a profile in the Compose files, or it would run all the time')


def _of_schema(migration: Mapping[str, Any], files: Collection[str]) -> Iterator[str]:
    if migration["ledger"] and not re.fullmatch(database_identity.TABLE, migration["ledger"]):
        yield f'stack.migration.ledger: "{migration["ledger"]}" is not a <schema>.<table> (letters, digits and _)'
    directory, since = migration["directory"], migration["compatible_since"]
    versions = schema_files.schema_versions(files, directory)
    yield from (f"stack.migration.directory: {problem}" for problem in schema_files.problems(files, directory))
    if directory and not versions:
        yield (
            f'stack.migration.directory: "{directory}" holds no <version>_<name> file among stack.files; the version is a number'
        )
    for version in migration["accept_edited"] or []:
        if version not in versions:
            yield f'stack.migration.accept_edited: "{version}" is not a version in "{directory}"; remove it'
    if since and not directory:
        yield "stack.migration.compatible_since: needs stack.migration.directory, which says what the schema's versions are"
    elif since and versions and since not in versions:
        yield (f'stack.migration.compatible_since: "{since}" is not a version in "{directory}"; it has {", ".join(versions)}')
