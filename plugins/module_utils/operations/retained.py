# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host holds of a stack: its releases and what became of them, and whether a rollback to each could run here."""

from __future__ import annotations

from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import DamagedError, NewerFormatError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.spoken import spoken
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import hosted
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.lineage import Fate, Lineage, Status
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.jobs import Jobs
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.migrations import at_work
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.usable import missing_images, missing_secrets
from ansible_collections.morpheus.deploy.plugins.module_utils.release import project_drift
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest, name_in


@spoken()
def releases(host: StackHost) -> dict[str, Any]:
    """Ids of the live and the previous release, a rollout that was not finished, the schema, and every retained release."""
    lineage = host.releases.lineage()
    retained = sorted([*host.releases.ids(), *host.releases.lost(lineage.fates)])
    rolling = lineage.rolling
    return {
        "live": lineage.live,
        "live_release": host.releases.live_release(),
        "previous": lineage.previous(),
        "rolling": {"id": rolling.id, "kind": rolling.kind.value} if rolling and rolling.id != lineage.live else {},
        "schema": {"head": lineage.schema.head, "compatible_since": lineage.schema.compatible_since},
        "migrating": [
            *at_work(host.one_offs, _migration_service(host, lineage.live)),
            *Jobs.of(host.releases, host.one_offs).at_work(),
        ],
        "routes": hosted.now(host.edge_paths, host.stack),
        "releases": [_release(host, lineage, identity) for identity in retained],
    }


def _broken(host: StackHost, manifest: Manifest) -> str:
    found = project_drift.kept(host.releases, manifest)
    return f"{'; '.join(found)}: deploy release {manifest.id} again to restore them" if found else ""


def _migration_service(host: StackHost, live: str) -> str:
    """What people would start by hand; what we have started is known by its label, too."""
    migration = host.releases.read(live).stack.migration if live and host.releases.has(live) else None
    return migration.service if migration else ""


def _release(host: StackHost, lineage: Lineage, identity: str) -> dict[str, Any]:
    fate = lineage.fates.get(identity, Fate(Status.PREPARED))
    found: dict[str, Any] = {"id": identity, "status": fate.status.value, "at": fate.at, "why": fate.why}
    found["jobs"] = lineage.jobs.get(identity, [])
    try:
        manifest = host.releases.read(identity)
        return found | {
            "release": manifest.release,
            "created": manifest.created,
            "git_sha": manifest.git_sha,
            "schema": dict(manifest.schema),
            "missing_images": missing_images(host, manifest),
            "missing_secrets": missing_secrets(host, manifest),
            "problem": _broken(host, manifest),
            "routes": hosted.wanted(manifest.stack),
        }
    except (DamagedError, NewerFormatError) as exc:
        # It is there and cannot be gone back to, which is another thing than not to be there.
        nothing = {"created": "", "git_sha": "", "schema": {}, "missing_images": [], "missing_secrets": [], "routes": {}}
        return found | nothing | {"release": name_in(identity), "problem": str(exc)}
