# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release as the controller describes it to a host."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from ansible_collections.morpheus.deploy.plugins.module_utils.release import schema_files
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import config_hash, release_id, variables
from ansible_collections.morpheus.deploy.plugins.module_utils.release.secret_files import Rights
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack


@dataclass(frozen=True)
class Wanted:
    """A release as the controller describes it. ``files``, ``live_files`` and ``secrets``: relative path -> content.

    ``rights``: of secrets. ``executable``: those of the files that can be run.

    ``digests``: image reference -> digest that another host of this run has found; empty where each host may look itself.
    """

    release: str
    environment: str
    stack: Stack
    files: Mapping[str, bytes]
    secrets: Mapping[str, str]
    git_sha: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)
    rights: Mapping[str, Rights] = field(default_factory=dict)
    live_files: Mapping[str, bytes] = field(default_factory=dict)
    executable: Collection[str] = ()

    @property
    def secret_names(self) -> dict[str, list[str]]:
        return {name: variables(name, content) for name, content in self.secrets.items()}

    @property
    def config_hash(self) -> str:
        return config_hash(self.environment, self.stack, self.files, self.secret_names, self.executable)

    @property
    def id(self) -> str:
        return release_id(self.release, self.config_hash)

    @property
    def versions(self) -> list[str]:
        """Versions of the schema that its files bring, oldest first."""
        migration = self.stack.migration
        return schema_files.schema_versions(self.files, migration.directory, migration.preset) if migration else []

    @property
    def schema(self) -> dict[str, str]:
        versions, migration = self.versions, self.stack.migration
        if not versions or not migration:
            return {}
        requires = {"requires": migration.requires} if migration.requires else {}
        return {"head": versions[-1], "compatible_since": migration.compatible_since, **requires}
