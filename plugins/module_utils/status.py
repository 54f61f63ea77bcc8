# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""What runs on a host beside what should: replicas that are well, the edge, and drift from the live release's manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils import edge_drift, project_drift
from ansible_collections.morpheus.deploy.plugins.module_utils.errors import DeployError, EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.gate import SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.haproxy import Socket
from ansible_collections.morpheus.deploy.plugins.module_utils.host import HostGate, StackHost, Target
from ansible_collections.morpheus.deploy.plugins.module_utils.identity import HostIdentity
from ansible_collections.morpheus.deploy.plugins.module_utils.maintenance import Maintenance
from ansible_collections.morpheus.deploy.plugins.module_utils.plan import DesiredService, Replica, State
from ansible_collections.morpheus.deploy.plugins.module_utils.prepare import missing_secrets, target_of
from ansible_collections.morpheus.deploy.plugins.module_utils.release import Manifest
from ansible_collections.morpheus.deploy.plugins.module_utils.spoken import spoken

# One question to a replica, and one more when the first went wrong by chance.
ASK = {"successes": 1, "interval_seconds": 0.2, "timeout_seconds": 2.0, "deadline_seconds": 3.0}


@spoken()
def look(host: StackHost) -> dict[str, Any]:
    """``services``: name, wanted, running and healthy replicas; ``drift``: sentences, empty when all is as the release says."""
    lineage = host.releases.lineage()
    found: dict[str, Any] = {"live": lineage.live, "release": "", "since": "", "services": [], "drift": []}
    found["environment"], unclaimed = _environment()
    found["drift"] = unclaimed
    found["rolling"] = lineage.rolling.id if lineage.rolling else ""
    found["edge"] = _edge(host)
    if not lineage.live:
        return found
    manifest = host.releases.read(lineage.live)
    target = target_of(host, manifest)
    try:
        replicas = host.observe(host.edge(target))
    except DeployError:
        replicas = host.engine.observe(set())
    found["release"] = manifest.release
    found["since"] = lineage.fates[lineage.live].at if lineage.live in lineage.fates else ""
    found["services"] = [_service(host, target, service, replicas) for service in target.desired]
    found["drift"] = [
        *unclaimed,
        *_replica_drift(target, replicas),
        *_file_drift(host, target, manifest),
        *_strangers(host, manifest),
    ]
    return found


@dataclass
class _Asking(HostGate):
    """The gate's own question, asked once."""

    def _health(self, service: str) -> Mapping[str, Any] | None:
        health = super()._health(service)
        return {**health, **ASK} if health else None


def _service(host: StackHost, target: Target, service: DesiredService, replicas: Sequence[Replica]) -> dict[str, Any]:
    own = [one for one in replicas if one.service == service.name and one.state is State.RUNNING]
    serving = [one for one in own if one.admitted or not service.routed]
    if target.services.get(service.name, {}).get("health"):
        results = _Asking(host, target, SystemClock()).wait(service.name, serving) if serving else []
        healthy = sum(one.healthy for one in results)
    else:
        healthy = sum(host.engine.health(one) in ("healthy", "") for one in serving)
    return {"name": service.name, "wanted": service.replicas, "running": len(own), "healthy": healthy}


def _replica_drift(target: Target, replicas: Sequence[Replica]) -> list[str]:
    desired = {service.name: service for service in target.desired}
    found = []
    for one in replicas:
        service = desired.get(one.service)
        if not one.fingerprint:
            found.append(f"{one.name} was started by hand")
        elif service is None:
            found.append(f"{one.name} is of a service that the release does not have")
        elif one.fingerprint != service.fingerprint:
            changed = sorted(
                name for name in service.parts.keys() | one.parts.keys() if service.parts.get(name) != one.parts.get(name)
            )
            found.append(f"{one.name} differs in {', '.join(changed) or 'its configuration'}")
    return found


def _file_drift(host: StackHost, target: Target, manifest: Manifest) -> list[str]:
    found = [*host.releases.notes, *project_drift.kept(host.releases, manifest)]
    lost = missing_secrets(host, manifest)
    if lost:
        found.append(f"secrets that the release reads are gone ({', '.join(lost)}): deploy it again, which brings them")
    # What cannot be compared is told by the state of the edge.
    with suppress(EdgeError):
        found += host.damage(manifest, target, host.edge(target))
    return list(dict.fromkeys([*found, *edge_drift.problems(host.edge_paths)]))


def _strangers(host: StackHost, manifest: Manifest) -> list[str]:
    names = host.engine.strangers({image["id"] for image in manifest.images.values()})
    return [f"{name} runs an image of the release and was started by hand" for name in names]


def _environment() -> tuple[str, list[str]]:
    """Whose host this is, and why nobody can tell."""
    identity = HostIdentity()
    try:
        environment = identity.read().environment
    except DeployError as exc:
        return "", [str(exc)]
    lost = f"this host belongs to no environment ({identity.path} is missing): claim it with playbooks/provision.yml"
    return environment, [] if environment else [lost]


def _edge(host: StackHost) -> str:
    try:
        Socket(str(host.edge_paths.socket)).ask("show info")
    except DeployError:
        return "down"
    try:
        return "maintenance" if "on" in Maintenance(host.edge_paths).look().values() else "up"
    except DeployError:
        # An older version provisioned it, without maintenance.
        return "up"
