# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The migration of a prepared release: one container of its own image, from its own files."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.spoken import told
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.hardening import additions
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.compose_command import Compose
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.one_offs import MIGRATION, OneOff, OneOffs
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.tools import TOOLS
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.journal import Journal
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.migrations import Migrations
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.usable import pinned_images, require_images
from ansible_collections.morpheus.deploy.plugins.module_utils.release import project_files, schema_files, variable_secrets
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest


def migrate(host: StackHost, release_id: str, migrations: Migrations) -> str:
    """What the release's migration service printed. The schema that it made is remembered in the host's lineage."""
    manifest = host.releases.read(release_id)
    require_images(host, manifest)
    migration = manifest.stack.migration
    if not migration:
        raise DeployError(f"release {release_id} has no migration")
    migrations.settle(migration, release_id)
    output = migrations.finish(_start(host, manifest, migration.service, migrations.one_offs), migration.timeout_seconds)
    directory, preset = migration.directory, migration.preset
    files = schema_files.read(host.releases.workspace(release_id).files, directory, preset)
    lineage = host.releases.lineage()
    if manifest.schema:
        applied = schema_files.digests(files, directory, preset)
        news = [lineage.schema.migrated(manifest.schema), lineage.schema.applied(applied)]
        if any(news):
            host.releases.write_lineage(lineage)
            journal = Journal(host.releases.root / "journal.jsonl")
            journal.write("migrated", release=release_id, schema=dict(manifest.schema), files=applied)
    return output


def _start(host: StackHost, manifest: Manifest, service: str, one_offs: OneOffs) -> OneOff:
    def ours() -> list[OneOff]:
        return [one for one in one_offs.find(service) if one.release == manifest.id]

    egress = manifest.stack.egress
    with _compose(host, manifest, service) as compose:
        try:
            host.through.let(egress, beside=True)
            compose.run_detached(service, {MIGRATION: manifest.id})
            # The first one of a stack brings its network.
            host.through.let(egress, beside=True)
            found = ours()
            if not found:
                raise EngineError("its container was gone before anybody could look at it; is something pruning containers here?")
        except DeployError:
            with suppress(EngineError):
                for one in ours():
                    one_offs.stop(one)
                    one_offs.remove(one)
            raise
    return found[0]


def preset_command(manifest: Manifest, service: Mapping[str, Any]) -> dict[str, list[str]]:
    """That of the preset, where the Compose files have none."""
    migration = manifest.stack.migration
    if not migration or not migration.preset or service.get("command"):
        return {}
    return {"command": list(TOOLS[migration.preset].command)}


@contextmanager
def _compose(host: StackHost, manifest: Manifest, service: str) -> Iterator[Compose]:
    """Compose in the release's own directory, with its own image: the project still holds the old one."""
    workspace = host.releases.workspace(manifest.id)
    model = host.model(manifest.stack, workspace)
    given = additions(manifest.stack, model).get(service, {})
    # Data is where the application has it, and not below the release.
    volumes = host.mounts(manifest.stack, workspace).placed(model, service, workspace.shipped())
    own = {
        **given,
        **preset_command(manifest, model["services"].get(service) or {}),
        "image": pinned_images(host, manifest)[service],
        "pull_policy": "never",
        "volumes": volumes,
    }
    inline = host.mounts(manifest.stack, workspace).inline(model)
    given = variable_secrets.place(host.releases.values, model, workspace.given())
    pin = {"services": {service: own}, **({"configs": inline} if inline else {}), **given}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as override, tempfile.NamedTemporaryFile("w", suffix=".yml") as reset:
        with told(override.name):
            json.dump(pin, override)
            override.flush()
        with told(reset.name):
            reset.write(project_files.forgetting(inline, given.get("secrets", ())))
            reset.flush()
        generated = [*([Path(reset.name)] if inline or given else []), Path(override.name)]
        files = [*workspace.compose_files(manifest.stack.compose_files), *generated]
        yield Compose(host.stack, workspace.files, files, workspace.variables, host.hold, manifest.stack.profiles)
