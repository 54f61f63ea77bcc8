# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a release fits onto this host: its images onto the engine's disk, asked before the first of them is pulled, and its
replicas into memory beside those that they replace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.meminfo import Memory
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.images import Disk
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout import peak
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.step import Step
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica


class Engine(Protocol):
    def size(self, reference: str) -> int: ...

    def disk(self) -> Disk: ...


def require_room(
    engine: Engine, releases: Releases, services: Iterable[str], *, live: str, count: int, keep_free_mb: int
) -> None:
    """Raises DeployError with what ``shortage`` says."""
    problem = shortage(engine, releases, services, live=live, count=count, keep_free_mb=keep_free_mb)
    if problem:
        raise DeployError(problem)


def shortage(engine: Engine, releases: Releases, services: Iterable[str], *, live: str, count: int, keep_free_mb: int) -> str:
    """Why ``count`` images of these services are not to be pulled; empty when they are. A registry does not say how large one
    is: it is taken to be as large as the service's image in the ``live`` release, or else as the largest one that is here.
    """
    expected = _expected(engine, releases, set(services), live)
    disk, keep_free = engine.disk(), keep_free_mb * 1_000_000
    if disk.free >= expected + keep_free:
        return ""
    return (
        f"the engine's disk ({disk.path}) has {_mb(disk.free)} free of {_mb(disk.total)}, and {_mb(expected + keep_free)} "
        f"are needed: about {_mb(expected)} for {count} {'image' if count == 1 else 'images'} to be pulled (the size of what "
        f"this host has of the same services) and {_mb(keep_free)} to be kept free (stack.keep_free_mb). Nothing was pulled "
        "or changed. See what takes the space with: docker system df"
    )


@dataclass(frozen=True)
class Beside:
    """Bytes that a rollout needs at its worst moment beside what runs. ``expected``: when replicas use what those of the same
    service use; ``most``: when they use what they may. ``unlimited``: services that start replicas and may use all there is.
    """

    expected: int = 0
    most: int = 0
    unlimited: Sequence[str] = ()

    def shortage(self, memory: Memory | None, keep_free_mb: int) -> str:
        """Why the replicas are not to be started; empty when they are, or when nobody knows."""
        keep_free = keep_free_mb * 1_000_000
        if memory is None or not self.expected or memory.available >= self.expected + keep_free:
            return ""
        return (
            f"the memory has {_mb(memory.available)} available of {_mb(memory.total)}, and {_mb(self.expected + keep_free)} "
            f"are needed: about {_mb(self.expected)} for replicas that start beside those that they replace (what the running "
            f"ones of the same services use, or their limit) and {_mb(keep_free)} to be kept free (preflight_memory_free_mb). "
            "No replica was touched. See who uses it with: docker stats --no-stream; deploy.update_config with parallelism: 1 "
            "replaces fewer at a time, order: stop-first none side by side"
        )

    def doubt(self, memory: Memory | None, keep_free_mb: int) -> str:
        """What may go wrong although it is expected to fit."""
        keep_free = keep_free_mb * 1_000_000
        if memory is None or memory.available >= self.most + keep_free or self.shortage(memory, keep_free_mb):
            return ""
        return (
            f"the memory has {_mb(memory.available)} available, and replicas that start beside those that they replace may use "
            f"{_mb(self.most)} by their limits, with {_mb(keep_free)} to be kept free (preflight_memory_free_mb). By what runs, "
            f"{_mb(self.expected)} are expected"
        )


class Measured(Protocol):
    def memory(self, identity: str) -> int: ...


def beside(engine: Measured, steps: Sequence[Step], replicas: Sequence[Replica], model: Mapping[str, Any]) -> Beside:
    """``model``: as Compose resolves the release."""
    names = {step.service for step in steps if step.count or step.action.value == "run"}
    limits = {name: limit(model["services"].get(name) or {}) for name in names}
    used: dict[str, int] = {}
    for replica in replicas:
        if replica.service in names:
            used[replica.service] = max(used.get(replica.service, 0), engine.memory(replica.id))
    expected = {name: _least(used.get(name, 0), limits[name]) for name in names}
    return Beside(
        peak.most(steps, expected, used),
        peak.most(steps, {name: limits[name] or expected[name] for name in names}, used),
        sorted(name for name, most in limits.items() if not most),
    )


def limit(service: Mapping[str, Any]) -> int:
    """Bytes that a replica may use; 0 when nothing says so."""
    resources = ((service.get("deploy") or {}).get("resources") or {}).get("limits") or {}
    try:
        return int(service.get("mem_limit") or resources.get("memory") or 0)
    except ValueError:
        return 0


def _least(used: int, most: int) -> int:
    return min(used, most) if used and most else used or most


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
