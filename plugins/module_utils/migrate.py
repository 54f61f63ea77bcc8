# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""The migration of a prepared release: one container of its own image, from its own files."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.engine import Compose
from ansible_collections.morpheus.deploy.plugins.module_utils.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.hardening import additions
from ansible_collections.morpheus.deploy.plugins.module_utils.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.prepare import pinned_images, require_images


def migrate(host: StackHost, release_id: str) -> str:
    """What the release's migration service printed. The schema that it made is remembered in the host's lineage.

    Compose reads the release's directory: the project still holds the old one.
    """
    manifest = host.releases.read(release_id)
    require_images(host, manifest)
    migration = manifest.stack["migration"]
    if not migration:
        raise DeployError(f"release {release_id} has no migration")
    service = migration["service"]
    workspace = host.releases.workspace(release_id)
    model = host.model(manifest.stack, workspace)
    given = additions(manifest.stack, model).get(service, {})
    # Data is where the application has it, and not below the release.
    volumes = host.mounts(manifest.stack, workspace).placed(model, service, workspace.shipped())
    own = {**given, "image": pinned_images(manifest)[service], "pull_policy": "never", "volumes": volumes}
    pin = {"services": {service: own}}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as override:
        json.dump(pin, override)
        override.flush()
        files = [*workspace.compose_files(manifest.stack["compose_files"]), Path(override.name)]
        compose = Compose(host.stack, workspace.files, files, workspace.interpolation, host.hold)
        output = compose.run_once(service, migration["timeout_seconds"])
    lineage = host.releases.lineage()
    if manifest.schema and lineage.schema.migrated(manifest.schema):
        host.releases.write_lineage(lineage)
    return output
