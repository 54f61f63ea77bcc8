# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs on a host beside what should: replicas that are well, the edge, and drift from the live release's manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.spoken import spoken
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import precautions
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import drift as edge_drift
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import served
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.admission import Edge
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.maintenance import Maintenance
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.sockets import Socket
from ansible_collections.morpheus.deploy.plugins.module_utils.health import dependencies
from ansible_collections.morpheus.deploy.plugins.module_utils.health.gate import Endpoint
from ansible_collections.morpheus.deploy.plugins.module_utils.health.http import HttpProbe
from ansible_collections.morpheus.deploy.plugins.module_utils.health.seen import Answer, Rules
from ansible_collections.morpheus.deploy.plugins.module_utils.host import images as local_images
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host_gate import HostGate
from ansible_collections.morpheus.deploy.plugins.module_utils.host.stale import seen
from ansible_collections.morpheus.deploy.plugins.module_utils.host.target import Target
from ansible_collections.morpheus.deploy.plugins.module_utils.operations import obstructed
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.jobs import Jobs
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.usable import missing_secrets, target_of
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership.host import HostIdentity
from ansible_collections.morpheus.deploy.plugins.module_utils.release import project_drift
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.reasons import outlives
from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import DesiredService, trouble
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica, State
from ansible_collections.morpheus.deploy.plugins.module_utils.service.routing import Routing, service_at
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import HealthCheck


@spoken()
def look(host: StackHost) -> dict[str, Any]:
    """``services``: name, wanted, running and healthy replicas; ``drift``: sentences, empty when all is as the release says and
    users are served; ``mend``: commands, to be typed in this order; ``dependencies``: sentences, what services say is down.
    """
    lineage = host.releases.lineage()
    found: dict[str, Any] = {"live": lineage.live, "release": "", "since": "", "services": [], "drift": [], "mend": []}
    found["dependencies"], found["pins"] = [], {}
    found["environment"], unclaimed = _environment()
    found["rolling"] = lineage.rolling.id if lineage.rolling else ""
    found["edge"], of_edge = _edge(host)
    is_well = not of_edge
    of_edge += [*host.stack_troubles(), *host.edge_image_trouble()]
    found["drift"] = [*unclaimed, *of_edge]
    inventory = f"inventories/{found['environment'] or '<environment>'}"
    if of_edge:
        found["mend"] = [f"ansible-playbook playbooks/provision.yml -i {inventory} --tags edge"]
    unfinished = host.edge_unfinished()
    if unfinished:
        # Before all else: nothing else may change the edge until then.
        of_edge = [unfinished, *of_edge]
        found["drift"] = [*unclaimed, *of_edge]
        found["mend"] = [f"ansible-playbook playbooks/edge_upgrade.yml -i {inventory}"]
    if not lineage.live:
        return found
    manifest = host.releases.read(lineage.live)
    target = target_of(host, manifest)
    edge = None if found["edge"] == "down" else host.edge(target)
    replicas, strange = host.look(edge)
    replicas = seen(host.engine, target.desired, replicas)
    found["release"] = manifest.release
    found["pins"] = manifest.stack.document.get("ml_pins") or {}
    found["since"] = lineage.fates[lineage.live].at if lineage.live in lineage.fates else ""
    asked = [_service(host, target, service, replicas) for service in target.desired if not service.job]
    found["services"] = [service for service, _ in asked]
    found["dependencies"] = [sentence for _, sentences in asked for sentence in sentences]
    mended = [*_replica_drift(target, replicas), *_missing(target, replicas), *_image_drift(host, manifest)]
    if edge and is_well:
        # What has been named with its cause needs no consequence.
        named = {sentence.partition(" ")[0] for sentence in mended}
        mended += [one for one in _user_drift(host, target, replicas, edge) if one.partition(" ")[0] not in named]
    mended += _file_drift(host, target, manifest, edge)
    others = [*_volume_drift(host, target), *_strangers(host, manifest), *Jobs.of(host.releases, host.one_offs).at_work()]
    others += [*edge_drift.problems(host.edge_paths), *obstructed.problems(host.releases)]
    found["drift"] = [*unclaimed, *of_edge, *strange, *mended, *others]
    if mended:
        found["mend"].append(f"ansible-playbook deploy.yml -i {inventory} -e stack_release={manifest.release}")
    return found


@dataclass
class _Asking(HostGate):
    """The gate's own question, asked once."""

    def _rules(self, health: HealthCheck) -> Rules:
        return served.ASK


class _Listening(HttpProbe):
    """Keeps the last answer of each endpoint, by its name."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: dict[str, Answer] = {}

    def __call__(self, endpoint: Endpoint, timeout: float) -> Answer:
        self.heard[endpoint.name] = answer = super().__call__(endpoint, timeout)
        return answer


def _service(
    host: StackHost, target: Target, service: DesiredService, replicas: Sequence[Replica]
) -> tuple[dict[str, Any], list[str]]:
    """How many replicas it has, and what they say of what they depend on."""
    own = [one for one in replicas if one.service == service.name and one.state is State.RUNNING]
    serving = [one for one in own if (one.admitted and not one.cut_off) or not service.routed]
    probe = _Listening()
    if target.stack.health(service.name):
        results = _Asking(host, target, SystemClock(), probe=probe).wait(service.name, serving) if serving else []
        healthy = sum(one.healthy for one in results)
    else:
        healthy = sum(host.engine.health(one) in ("healthy", "") for one in serving)
    counts = {"name": service.name, "wanted": service.replicas, "running": len(own), "healthy": healthy}
    return counts, _dependencies(service.name, [answer.body for answer in probe.heard.values()])


def _dependencies(service: str, bodies: Sequence[bytes]) -> list[str]:
    said = Counter(one for body in bodies for one in dependencies.down(body).items())
    who = f"of {len(bodies)} replicas say" if len(bodies) > 1 else "replica says"
    return [f"{service}: {count} {who} that {name} is not well: {words}" for (name, words), count in sorted(said.items())]


def _replica_drift(target: Target, replicas: Sequence[Replica]) -> list[str]:
    desired = {service.name: service for service in target.desired}
    running: dict[str, list[Replica]] = {}
    for one in (one for one in replicas if one.state is State.RUNNING):
        running.setdefault(one.service, []).append(one)
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
        elif one.state is not State.RUNNING:
            found.append(f"{one.name} does not run ({one.word})")
        elif why := trouble(one, service) or outlives(one, service, running):
            found.append(f"{one.name} {why}")
    return found


def _missing(target: Target, replicas: Sequence[Replica]) -> list[str]:
    found = []
    for service in target.desired:
        there = sum(one.service == service.name for one in replicas)
        if there < service.replicas:
            found.append(f"{service.name}: {service.replicas - there} of {service.replicas} replicas are gone")
    return found


def _image_drift(host: StackHost, manifest: Manifest) -> list[str]:
    entries = list(manifest.images.values())
    gone, nameless = local_images.missing(host.engine, entries), local_images.nameless(host.engine, entries)
    return [
        *(f"image {one['reference']} is gone from this host, so no replica can be started from it" for one in gone),
        *(f"image {one['reference']} has lost its name on this host (docker rmi); it is {one['id']}" for one in nameless),
    ]


def _user_drift(host: StackHost, target: Target, replicas: Sequence[Replica], edge: Edge) -> list[str]:
    """What keeps users from being served although everything runs."""
    try:
        routing = edge.routing()
        led_astray = sorted(key for key, service in routing.wanted.items() if routing.now.get(key) != service)
        found = [_led_astray(key, routing) for key in led_astray]
        found += [
            f"{one.name} is not admitted at the edge"
            for one in replicas
            if one.service in target.routed and one.state is State.RUNNING and one.fingerprint and not one.admitted
        ]
        return found + [f"{name} {why}" for name, why in host.unanswered(target, replicas, edge).items()]
    except EdgeError as exc:
        return [str(exc)]


def _led_astray(key: str, routing: Routing) -> str:
    service = service_at(routing.wanted[key])
    if service_at(routing.now.get(key, "")) == service:
        return f"the route {key} to {service} has other options at the edge than the release"
    return f"the route {key} does not lead to {service}"


def _volume_drift(host: StackHost, target: Target) -> list[str]:
    return precautions.lost_data(precautions.missing_data(target.model, host.volumes(target.model)))


def _file_drift(host: StackHost, target: Target, manifest: Manifest, edge: Edge | None) -> list[str]:
    """What deploying the release again mends."""
    found = [*host.releases.notes, *project_drift.kept(host.releases, manifest)]
    lost = missing_secrets(host, manifest)
    if lost:
        found.append(f"secrets that the release reads are gone ({', '.join(lost)}): deploy it again, which brings them")
    if edge:
        # What cannot be compared is told by the state of the edge.
        with suppress(EdgeError):
            found += host.damage(manifest, target, edge)
    return list(dict.fromkeys(found))


def _strangers(host: StackHost, manifest: Manifest) -> list[str]:
    names = host.engine.strangers({image["id"] for image in manifest.images.values()})
    return [f"{name} runs an image of the release and was started by hand" for name in names]


def _environment() -> tuple[str, list[str]]:
    """The owner of this host, and why it is unknown."""
    identity = HostIdentity()
    try:
        environment = identity.read().environment
    except DeployError as exc:
        return "", [str(exc)]
    lost = f"this host belongs to no environment ({identity.path} is missing): claim it with playbooks/provision.yml"
    return environment, [] if environment else [lost]


def _edge(host: StackHost) -> tuple[str, list[str]]:
    """The state of the edge in a word, and what keeps it from its work."""
    problems = host.edge_troubles()
    try:
        Socket(str(host.edge_paths.socket)).ask("show info")
    except EdgeError as exc:
        return "down", problems or [str(exc)]
    if problems:
        return "cut off", problems
    try:
        return ("maintenance" if "on" in Maintenance(host.edge_paths).look().values() else "up"), []
    except DeployError:
        # An older version provisioned it, without maintenance.
        return "up", []
