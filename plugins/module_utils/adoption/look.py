# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What it means for a running Compose project that a release takes it over: what speaks against it, and the plan in words. Pure.

The stack has the name of the project. So its volumes, networks and containers are the project's by name and label, and the usual
rollout takes the project's containers for replicas of an unknown release, which it replaces.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.adoption import data
from ansible_collections.morpheus.deploy.plugins.module_utils.adoption.found import Container
from ansible_collections.morpheus.deploy.plugins.module_utils.adoption.ports import Ports
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import data as compose_data
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import model as compose_model
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import precautions, rules, shared
from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import Order

Definition = Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """``project``: the stack's name; ``https_port``: of the edge; ``tls``: whether it has a certificate. ``drops``: services that
    may end; ``leaves``: volumes and directories that may be left behind.
    """

    project: str
    https_port: int = 443
    tls: bool = True
    drops: Collection[str] = ()
    leaves: Collection[str] = ()


@dataclass(frozen=True)
class Look:
    """``adopted``: nothing is left of the project that this collection has not started."""

    problems: Sequence[str] = ()
    plan: Sequence[str] = ()
    adopted: bool = False
    ports: Ports = field(default_factory=Ports)


def look(
    asked: Asked,
    model: Definition,
    ground: compose_data.Ground,
    containers: Sequence[Container],
    found: Ports,
    here: precautions.Here,
) -> Look:
    """``model``: the release as Compose resolves it; ``here``: networks and volumes of this host."""
    own = [one for one in containers if one.project == asked.project]
    old = [one for one in own if not one.ours]
    if not own:
        return Look([_nowhere(asked.project, containers)])
    if not old and not found.waits:
        return Look(adopted=True, ports=found)
    problems = [one.damage for one in own if one.damage]
    problems += found.problems
    problems += _without_tls(asked, found)
    problems += _gone(asked, model, old, found)
    problems += data.problems(model, ground, old, asked.leaves)
    problems += data.shared(model, asked.project, containers)
    problems += _squatters(asked, model, containers)
    problems += precautions.problems(model, ground, here)
    return Look(list(dict.fromkeys(problems)), [*_lines(asked, model, ground, old, found)], False, found)


def _nowhere(project: str, containers: Sequence[Container]) -> str:
    others = sorted({one.project for one in containers if one.project} - {"edge"})
    there = f"there are the projects {', '.join(others)}" if others else "there is no Compose project at all"
    return (
        f"stack.name: no container of this host is of the Compose project {project}; {there} (docker compose ls --all). The "
        "stack must have the project's name, because volumes and containers are called by it. On a host where nothing runs yet: "
        "deploy.yml"
    )


def _without_tls(asked: Asked, found: Ports) -> Iterator[str]:
    holder = found.held.get(asked.https_port)
    if holder and not asked.tls:
        yield (
            f"edge_certificate_paths: empty, and {holder.words} serves port {asked.https_port} now, so https would end with it. "
            "Name the site's certificate (certificate, chain and key in one PEM file) by edge_certificate_paths"
        )


def _gone(asked: Asked, model: Definition, old: Sequence[Container], found: Ports) -> Iterator[str]:
    for one in _ending(model, old):
        if one.service not in asked.drops and one.name not in found.holders:
            yield (
                f"services.{one.service}: {one.name} runs, and the release has no service {one.service}, so it would be removed. "
                f"Add it to the Compose file, or -e adopt_drops={one.service} if it may go"
            )


def _ending(model: Definition, old: Sequence[Container]) -> list[Container]:
    kept = compose_model.services(model)
    return [one for one in old if one.running and one.service not in kept]


def _squatters(asked: Asked, model: Definition, containers: Sequence[Container]) -> Iterator[str]:
    names = {one.name: one for one in containers if one.project != asked.project}
    for service, definition in sorted(compose_model.services(model).items()):
        own = [one for one in containers if (one.project, one.service) == (asked.project, service)]
        last = len(own) + rules.replicas(definition)
        for name in [f"{asked.project}-{service}-{number}" for number in range(1, last + 1)]:
            if name in names:
                yield (
                    f"services.{service}: the container {name} has the name of a replica and is not of the project "
                    f"{asked.project}, so it was made by hand. docker rename {name} {name}-other on this host, or, when nobody "
                    f"needs it, docker rm -f {name}; then run this again"
                )


def _lines(asked: Asked, model: Definition, ground: compose_data.Ground, old: Sequence[Container], found: Ports) -> Iterator[str]:
    services = compose_model.services(model)
    ending = {one.name for one in _ending(model, old)}
    for one in sorted(old, key=lambda one: one.name):
        if one.name in ending:
            yield f"{one.service}: {one.name} ends, for the release has no service {one.service}; its volumes stay on this host"
        elif not one.running:
            yield f"{one.service}: {one.name}, which does not run, is removed; its volumes stay on this host"
        else:
            yield from _replaced(asked, model, services[one.service], one)
    for name, ports in found.holders.items():
        words = f"port{'' if len(ports) == 1 else 's'} {' and '.join(map(str, ports))}"
        yield (
            f"edge: {words} from {name}, once every candidate has passed its gate: {name} is stopped and the edge starts at "
            f"once; when it does not answer, {name} is started again"
        )
    yield from _interruptions(asked, services, ground, old, found)


def _replaced(asked: Asked, model: Definition, service: Definition, one: Container) -> Iterator[str]:
    keeps = [
        f"{'the volume' if mounted.kind == 'volume' else 'the directory'} {mounted.source}" for mounted in data.kept(model, one)
    ]
    yield f"{one.service}: {one.name} ({one.image}) is replaced once" + (f"; keeps {', '.join(keeps)}" if keeps else "")
    fixed = str(service.get("container_name") or "")
    if not fixed and not one.name.startswith(f"{asked.project}-{one.service}-"):
        yield f"{one.service}: it is called {asked.project}-{one.service}-<number> then, and no longer {one.name}"
    ends = [port for port in one.ports if port not in _published(service)]
    if ends:
        yield (
            f"{one.service}: port{'' if len(ends) == 1 else 's'} {', '.join(map(str, ends))} of this host no longer leads to it, "
            "for the release does not publish it"
        )


def _interruptions(
    asked: Asked, services: Mapping[str, Definition], ground: compose_data.Ground, old: Sequence[Container], found: Ports
) -> Iterator[str]:
    for name in sorted({one.service for one in old if one.running} & services.keys()):
        service = services[name]
        why = " and ".join(part for part in (compose_data.reason(service, ground), shared.reason(service)) if part)
        policy = rules.update_policy(service, exclusive=why)
        if policy.order is Order.STOP_FIRST and (why or rules.replicas(service) == 1):
            because = why or "its file says stop-first"
            yield f"interrupts {name} from the stop of its container until the next one has passed its gate ({because})"
    if found.held:
        names = ", ".join(found.holders)
        yield f"interrupts every user of this host for as long as {names} takes to stop and the edge to start, a second or two"


def _published(service: Definition) -> set[int]:
    """Ports of the host, as Compose resolves them."""
    found = (str(one.get("published") or "") for one in service.get("ports") or [] if isinstance(one, Mapping))
    return {int(port) for port in found if port.isdecimal()}
