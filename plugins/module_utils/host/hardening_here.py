# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What services may not ask of their host, judged again on the host itself: over the project as Compose resolves it, with the env
files that it reads, and with what only the host knows: where links lead, and whose volumes and networks are here.

Asked of what is deployed, and never of what a host has: a release that an older version accepted can be rolled back to.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, ip_network
from itertools import chain
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import data as compose_data
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import hardening, refused_mounts
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.hardening import Hardening
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.host_paths import Own
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.precautions import Here
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.refusals import Project, Refusal
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.release.workspace import Workspace
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

_PROJECT = "com.docker.compose.project"


def problems(
    host: StackHost, stack: Stack, workspace: Workspace, model: Mapping[str, Any], variables: Mapping[str, str]
) -> list[str]:
    """``model``: as StackHost.model gives it. ``variables``: those that every release has."""
    rules = Hardening.of(stack)
    if rules is None:
        return []
    own = Own.of(str(host.releases.root), workspace.shipped())
    written: Mapping[str, Any] = {}
    # What Compose cannot say with variables unread, the controller has judged in the same files.
    with suppress(EngineError):
        written = host.written(stack, workspace)
    project = Project(refused_mounts.with_files(model, written, variables), own, written=False)
    found = hardening.problems(stack, project, stack.routed)
    found += _admitted(rules, _led_away(host, model, host.mounts(stack, workspace).data(model)))
    return list(dict.fromkeys(found))


def strangers(stack: Stack, name: str, model: Mapping[str, Any], here: Here, routes: Sequence[IPv4Network] = ()) -> list[str]:
    """Volumes and networks of this host that services would use, and that are not the stack's or not what they seem.

    ``routes``: what the host reaches by a way of its own.
    """
    rules = Hardening.of(stack)
    found = chain(_strangers(name, model, here), _in_reach(model, here), _taken(model, here, routes))
    return _admitted(rules, found) if rules else []


def routes(table: Path = Path("/proc/net/route")) -> list[IPv4Network]:
    """Of this host, the default route aside. Nothing where the kernel does not tell."""
    found = []
    with suppress(OSError):
        for line in table.read_text().splitlines()[1:]:
            fields = line.split()
            target, mask = (IPv4Address(int(fields[number], 16).to_bytes(4, "little")) for number in (1, 7))
            found += [IPv4Network(f"{target}/{mask}")] if int(mask) else []
    return found


def _admitted(rules: Hardening, found: Iterator[tuple[str, Refusal]]) -> list[str]:
    return [one.sentence(service) for service, one in found if one.word not in rules.words(service)]


def _led_away(host: StackHost, model: Mapping[str, Any], data: Collection[str]) -> Iterator[tuple[str, Refusal]]:
    project = str(host.releases.project)
    real = os.path.realpath(project)
    for name, service in (model.get("services") or {}).items():
        for mount in compose_data.mounts(service):
            below = os.path.relpath(mount.source, project) if mount.kind == "bind" else ""
            if below in data and (leads := os.path.realpath(mount.source)) != os.path.normpath(f"{real}/{below}"):
                text = f'services.{name}.volumes: "{mount.source}" is or lies behind a link, and leads to {leads}'
                yield name, Refusal("volumes", text, "remove the link on this host")


def _strangers(stack: str, model: Mapping[str, Any], here: Here) -> Iterator[tuple[str, Refusal]]:
    for service, definition in (model.get("services") or {}).items():
        volumes = [mount.source for mount in compose_data.mounts(definition) if mount.kind == "volume"]
        for element, keys, existing in (
            ("volumes", volumes, here.volumes),
            ("networks", list(definition.get("networks") or ()), here.networks),
        ):
            for key in keys:
                name = str(((model.get(element) or {}).get(key) or {}).get("name") or "")
                if name in existing:
                    for what in _strange(stack, element, name == f"{stack}_{key}", existing[name]):
                        text = f'services.{service}.{element}: the {element[:-1]} {key} ("{name}" on this host) {what}'
                        yield service, Refusal(element, text, "give it another name")


def _in_reach(model: Mapping[str, Any], here: Here) -> Iterator[tuple[str, Refusal]]:
    """Data that lie where a container that runs could still put a link, when they have been looked at already."""
    for service, definition in (model.get("services") or {}).items():
        for mount in compose_data.mounts(definition):
            above = [
                one for one in here.mounted if one.kind == "bind" and one.writable and mount.source.startswith(f"{one.source}/")
            ]
            if mount.kind == "bind" and above:
                text = (
                    f'services.{service}.volumes: "{mount.source}" lies in {above[0].source}, where {above[0].container}, which '
                    "runs, could put a link to anything of the host"
                )
                yield service, Refusal("volumes", text, f"stop {above[0].container} before")


def _taken(model: Mapping[str, Any], here: Here, routes: Sequence[IPv4Network]) -> Iterator[tuple[str, Refusal]]:
    """Networks yet to be made with addresses that this host has another way to."""
    for service, definition in (model.get("services") or {}).items():
        for key in definition.get("networks") or ():
            network = (model.get("networks") or {}).get(key) or {}
            if network.get("name") in here.networks:
                continue
            for pool in (network.get("ipam") or {}).get("config") or []:
                with suppress(ValueError):
                    wanted = ip_network(str(pool.get("subnet")), strict=False)
                    route = next((one for one in routes if wanted.version == one.version and one.overlaps(wanted)), None)
                    if route:
                        text = (
                            f"services.{service}.networks: the network {key} takes {wanted}, and this host has a route to {route}"
                        )
                        yield service, Refusal("networks", text, "take another subnet, or none")


def _strange(stack: str, element: str, is_default: bool, exists: Mapping[str, Any]) -> Iterator[str]:
    owner = (exists.get("Labels") or {}).get(_PROJECT)
    if owner is None and element == "volumes" and not is_default:
        yield "was not made by this stack"
    elif owner not in (None, stack):
        yield f"belongs to {owner}"
    options = exists.get("Options") or {}
    if element == "volumes" and (options or exists.get("Driver") not in (None, "local")):
        listed = ", ".join(sorted(options)) or f"driver {exists['Driver']}"
        yield f"was made with driver_opts ({listed}), which can show any directory of the host"
