# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release's migration files are compared with: those that this host knows to be applied."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import ConfigError
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.lineage import Lineage
from ansible_collections.morpheus.deploy.plugins.module_utils.release import schema_files
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Migration


def accepted_edits(releases: Releases, lineage: Lineage, migration: Migration, files: Mapping[str, bytes]) -> dict[str, str]:
    """Digests of the applied files whose edit is accepted. Raises ConfigError naming every other one that was edited."""
    applied = _live(releases, lineage.live) | lineage.schema.files
    accepted = migration.accept_edited
    problems = schema_files.edited(applied, files, migration.directory, accepted, migration.preset)
    if problems:
        raise ConfigError(problems)
    now = schema_files.digests(files, migration.directory, migration.preset)
    return {version: now[version] for version in accepted if version in applied and version in now}


def _live(releases: Releases, live: str) -> dict[str, str]:
    """What is live was applied, also where another host did it."""
    migration = releases.read(live).stack.migration if live and releases.has(live) else None
    if not migration:
        return {}
    files = schema_files.read(releases.workspace(live).files, migration.directory, migration.preset)
    return schema_files.digests(files, migration.directory, migration.preset)
