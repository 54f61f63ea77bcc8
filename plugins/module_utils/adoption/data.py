# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the data of what runs are the data of what comes: nothing is copied, so each must be the very same one. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.adoption.found import Container, has_no_name
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import data as compose_data
from ansible_collections.morpheus.deploy.plugins.module_utils.service.mounted import Mounted

Definition = Mapping[str, Any]
# Where the release itself puts what a service may lack: secrets, and what passes with the container.
_PASSING = ("tmpfs", "npipe")


def problems(model: Definition, ground: compose_data.Ground, old: Sequence[Container], leaves: Collection[str]) -> Iterator[str]:
    """Data that a service has now and would not have then, each with its path. ``leaves``: what may be left behind."""
    services = model.get("services") or {}
    seen = set()
    for one in old:
        service = services.get(one.service)
        if service is None:
            continue
        mounts = {mount.target: mount for mount in compose_data.mounts(service)}
        for mounted in one.mounts:
            sentence = _problem(one.project, model, ground, mounted, mounts.get(mounted.target.rstrip("/") or "/"))
            if sentence and mounted.source not in leaves and (one.service, mounted.target) not in seen:
                seen.add((one.service, mounted.target))
                yield f"services.{one.service}.volumes: {sentence}, or -e adopt_leaves={mounted.source} if it may stay behind"


def kept(model: Definition, one: Container) -> list[Mounted]:
    """Volumes and directories that a container has and its service will have, too."""
    mounts = {mount.target: mount for mount in compose_data.mounts((model.get("services") or {}).get(one.service) or {})}
    return [
        mounted for mounted in one.mounts if mounted.target in mounts and source(model, mounts[mounted.target]) == mounted.source
    ]


def shared(model: Definition, project: str, containers: Sequence[Container]) -> Iterator[str]:
    """Volumes of the release that a container of somebody else writes, too."""
    for key, name in sorted(_volumes(model).items()):
        for other in containers:
            writes = any(one.kind == "volume" and one.source == name and one.writable for one in other.mounts)
            if other.running and writes and other.project != project:
                yield (
                    f"volumes.{key}: {other.words} writes to the volume {name} as well, and nobody could say any more whose data "
                    f"it is. Let it mount it read-only, or end it first (docker stop {other.name}), then run this again"
                )


def source(model: Definition, mount: compose_data.Mount) -> str:
    """Name of a volume on the host, or a path."""
    definition = (model.get("volumes") or {}).get(mount.source) or {} if mount.kind == "volume" else {}
    return str(definition.get("name") or mount.source)


def _volumes(model: Definition) -> dict[str, str]:
    """Key -> name of each volume that a service mounts."""
    used = {
        mount.source
        for service in (model.get("services") or {}).values()
        for mount in compose_data.mounts(service)
        if mount.kind == "volume"
    }
    defined = model.get("volumes") or {}
    return {key: str((defined.get(key) or {}).get("name") or key) for key in used if key}


def _problem(project: str, model: Definition, ground: compose_data.Ground, now: Mounted, then: compose_data.Mount | None) -> str:
    if now.kind in _PASSING or (now.kind != "volume" and not (now.writable and ground.holds_data(now.source))):
        # A file or a socket of the host, or something to read: what the release mounts there is its own matter.
        return ""
    if then is not None and source(model, then) == now.source:
        return ""
    what = "the volume" if now.kind == "volume" else "the directory"
    name = f"{now.source[:12]}... without a name" if now.kind == "volume" and has_no_name(now.source) else now.source
    there = f"{now.container} has {what} {name} at {now.target}"
    if then is None:
        return f"{there}, and the release mounts nothing there, so {now.service} would begin without it; {_line(project, now)}"
    if then.kind == "bind" and not ground.holds_data(then.source):
        return f"{there}, and the release mounts its own {ground.name(then.source)} there; {_line(project, now)}"
    instead = f"the volume {source(model, then)}" if then.kind == "volume" else f"the {then.kind} {ground.name(then.source)}"
    return f"{there}, and the release mounts {instead} there, so {now.service} would begin with other data; {_line(project, now)}"


def _line(project: str, now: Mounted) -> str:
    key = f"{now.service}-data"
    if now.kind != "volume":
        return (
            f'write "{now.source}:{now.target}" there, and {{{now.service}: [volumes]}} in stack.hardening.exempt, because it '
            "lies outside of the stack's own directory"
        )
    if has_no_name(now.source):
        return (
            f'write "{key}:{now.target}" there, {key}: {{name: {now.source}, external: true}} under the top-level volumes, and '
            f"{{{now.service}: [volumes]}} in stack.hardening.exempt"
        )
    own = now.source.removeprefix(f"{project}_")
    if own != now.source:
        return f'write "{own}:{now.target}" there and {own}: {{}} under the top-level volumes'
    return f'write "{key}:{now.target}" there and {key}: {{name: {now.source}}} under the top-level volumes'
