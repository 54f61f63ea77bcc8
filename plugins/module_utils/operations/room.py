# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether images fit onto the engine's disk, asked before the first of them is pulled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Protocol

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.images import Disk
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases


class Engine(Protocol):
    def size(self, reference: str) -> int: ...

    def disk(self) -> Disk: ...


def require_room(
    engine: Engine, releases: Releases, services: Iterable[str], *, live: str, count: int, keep_free_mb: int
) -> None:
    """Raise DeployError when ``count`` images of these services are not to be pulled. A registry does not say how large one is:
    it is taken to be as large as the service's image in the ``live`` release, or else as the largest one that is here.
    """
    expected = _expected(engine, releases, set(services), live)
    disk, keep_free = engine.disk(), keep_free_mb * 1_000_000
    if disk.free < expected + keep_free:
        raise DeployError(
            f"the engine's disk ({disk.path}) has {_mb(disk.free)} free of {_mb(disk.total)}, and {_mb(expected + keep_free)} "
            f"are needed: about {_mb(expected)} for {count} {'image' if count == 1 else 'images'} to be pulled (the size of what "
            f"this host has of the same services) and {_mb(keep_free)} to be kept free (stack.keep_free_mb). Nothing was pulled "
            "or changed. See what takes the space with: docker system df"
        )


def _expected(engine: Engine, releases: Releases, services: set[str], live: str) -> int:
    """Bytes. Services that share an image count once."""
    sizes: dict[str, int] = {}
    kept = [*_kept(releases)]
    for service in services:
        images = [(found.id == live, found.images[service]["id"]) for found in kept if service in found.images]
        here = [(is_live, engine.size(identity), identity) for is_live, identity in images]
        _, size, identity = max((one for one in here if one[1]), default=(False, 0, ""))
        sizes[identity] = size
    return sum(sizes.values())


def _kept(releases: Releases) -> Iterator[Manifest]:
    for identity in releases.ids():
        # What cannot be read tells nothing here; whoever needs it says so.
        with suppress(DeployError):
            yield releases.read(identity)


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
