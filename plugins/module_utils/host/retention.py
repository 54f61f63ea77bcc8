# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host lets go of after a good rollout: releases beyond the number to retain, their images, unread secret files, and files
in the content store and secrets' values that no container mounts. Never data."""

from __future__ import annotations

from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import all_manifests
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Retention


def prune(host: StackHost, retention: Retention) -> list[str]:
    """Ids of the releases that were removed. To be called while no other rollout of the stack is at work on the host.

    The live one and the one before it count, and stay in any case.
    """
    kept = host.releases
    lineage = kept.lineage()
    doomed = lineage.doomed(kept.ids(), retention.releases, retention.pinned)
    manifests = [kept.read(identity) for identity in doomed if kept.has(identity)]
    for identity in doomed:
        lineage.forget(identity)
    kept.write_lineage(lineage)
    for identity in doomed:
        kept.remove(identity)
    remove_images(host, manifests)
    if doomed:
        # Only now: a file that nobody reads any more may be a secret that should be gone.
        read = {name for identity in kept.ids() for name in kept.read(identity).secrets}
        kept.remove_secrets(set(kept.secret_files()) - read)
    _remove_contents(host)
    return doomed


def _remove_contents(host: StackHost) -> None:
    """What neither the live release nor any container mounts. A release that comes back puts its files there again."""
    contents, named = host.releases.contents, host.releases.mounted()
    values = {str(path): path.name for path in map(host.releases.values.secrets.joinpath, host.releases.values.secret_files())}
    if contents.unused(named) or values.keys() - named:
        named = {*named, *host.engine.mounts()}
        contents.prune(named)
        host.releases.values.remove_secrets(values[path] for path in values.keys() - named)


def remove_images(host: StackHost, manifests: list[Manifest]) -> None:
    """Of the removed releases' images, those that no release of any stack and no container on this host needs."""
    doomed = {image["id"]: image for manifest in manifests for image in manifest.images.values()}
    needed = {image["id"] for manifest in all_manifests(host.releases.root.parent) for image in manifest.images.values()}
    for identity in doomed.keys() - needed - (host.engine.images_in_use() if doomed.keys() - needed else set()):
        host.engine.remove_image(doomed[identity]["reference"], identity, doomed[identity]["digest"])
