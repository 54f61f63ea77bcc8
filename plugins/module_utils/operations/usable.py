# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a release that was prepared before can still be run here: its images, its files, its secrets."""

from __future__ import annotations

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import ConfigError, DeployError, EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.host import images as local_images
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.host.target import Target
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.room import require_room
from ansible_collections.morpheus.deploy.plugins.module_utils.release import project_drift
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest


def images_of(manifest: Manifest) -> dict[str, tuple[str, str]]:
    """service -> (reference, identity of the content), as compose_model.desired_services takes them."""
    return {name: (image["reference"], image["id"]) for name, image in manifest.images.items()}


def missing_images(host: StackHost, manifest: Manifest) -> list[str]:
    """References of the release's images that this host no longer has."""
    return sorted({image["reference"] for image in local_images.missing(host.engine, manifest.images.values())})


def require_images(host: StackHost, manifest: Manifest) -> None:
    """Raise EngineError, naming every image of ``manifest`` that this host no longer has."""
    missing = missing_images(host, manifest)
    if missing:
        raise EngineError(
            f"this host has lost {', '.join(missing)}, which release {manifest.id} needs; "
            "deploy that release again to pull it, or choose another one"
        )


def restore_images(host: StackHost, manifest: Manifest, live: str) -> list[str]:
    """Bring back what somebody took away; what was done, in words. Nothing when the disk has no room for it."""
    engine, entries = host.engine, list(manifest.images.values())
    gone = [one["id"] for one in local_images.missing(engine, entries) if one["digest"]]
    if gone:
        services = [name for name, one in manifest.images.items() if one["id"] in gone]
        # What an older version prepared says nothing of it.
        keep_free_mb = int(manifest.stack.document.get("keep_free_mb", 0))
        require_room(engine, host.releases, services, live=live, count=len(gone), keep_free_mb=keep_free_mb)
    return [*local_images.restore(engine, entries), *local_images.fetch(engine, entries)]


def target_of(host: StackHost, manifest: Manifest, section: str = "update_config") -> Target:
    """A release of this host, ready to be compared with what runs. Raises DeployError, which says what was lost."""
    try:
        workspace = host.releases.workspace(manifest.id)
        return host.target(manifest, workspace, images=images_of(manifest), section=section)
    except (EngineError, ConfigError, OSError):
        # Compose tells where it stopped, and not why the file is not what it was.
        require_files(host, manifest)
        require_secrets(host, manifest)
        raise


def require_files(host: StackHost, manifest: Manifest) -> None:
    """Raise DeployError when what is kept of a release is not what was tried and found good."""
    broken = project_drift.kept(host.releases, manifest)
    if broken:
        raise DeployError(f"{'; '.join(broken)}. Deploy release {manifest.id} again to restore them, or choose another one")


def missing_secrets(host: StackHost, manifest: Manifest) -> list[str]:
    """``<file>: <variable>`` (``<file>`` for a file secret) of what the release reads and this host no longer has."""
    found = []
    for name, needed in sorted(manifest.secrets.items()):
        present = host.releases.secret_names(name)
        if present is None and not needed:
            found.append(name)
        found += [f"{name}: {variable}" for variable in needed if present is None or variable not in present]
    return found


def require_secrets(host: StackHost, manifest: Manifest) -> None:
    """Raise DeployError, naming every secret that the release needs and that has been taken away since."""
    missing = missing_secrets(host, manifest)
    if missing:
        raise DeployError(
            f"release {manifest.id} reads secrets that this host no longer has ({', '.join(missing)}). Put them back into "
            "stack_secrets or stack_secret_files and deploy the live release again; then run this again"
        )


def pinned_images(host: StackHost, manifest: Manifest) -> dict[str, str]:
    """service -> how to run exactly its image here."""
    return {name: local_images.pinned(host.engine, image) for name, image in manifest.images.items()}
