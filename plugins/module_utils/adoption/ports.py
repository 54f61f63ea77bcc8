# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has the ports on which the edge is to serve users, and whether they can be handed over. The judgement is pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.morpheus.deploy.plugins.module_utils.adoption.found import Container
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.state import PROJECT as EDGE
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import sockets

# The engine's own process in front of a published port.
_PROXY = "docker-proxy"


@dataclass(frozen=True)
class Listener:
    """A process of this host that takes connections. ``container``: id of the one that it is in; empty for none."""

    name: str
    pid: int
    container: str = ""


def listening(ports: Collection[int]) -> dict[int, Listener]:
    """TCP port -> who listens there, as the kernel tells it; the engine's own proxies are left out."""
    heard = {one.inode: one.port for one in sockets.listeners() if one.protocol == "tcp" and one.port in ports}
    found = {}
    for inode, pid in (sockets.owners() if heard else {}).items():
        if inode in heard and (name := sockets.name(pid)) != _PROXY:
            found[heard[inode]] = Listener(name, pid, sockets.container(pid))
    return found


@dataclass(frozen=True)
class Ports:
    """``held``: port -> container that has it now, whose end hands it over. ``waits``: whether the edge must come up without its
    ports and get them later.
    """

    held: Mapping[int, Container] = field(default_factory=dict)
    problems: Sequence[str] = ()

    @property
    def waits(self) -> bool:
        return bool(self.held)

    @property
    def holders(self) -> dict[str, list[int]]:
        """Name of a container -> the ports that it hands over."""
        found: dict[str, list[int]] = {}
        for port, one in sorted(self.held.items()):
            found.setdefault(one.name, []).append(port)
        return found


def ports(
    wanted: Sequence[int],
    containers: Sequence[Container],
    heard: Mapping[int, Listener],
    project: str,
    named: Collection[str],
) -> Ports:
    """``wanted``: those of the edge; ``project``: the one that is taken over; ``named``: other containers that may be ended."""
    held: dict[int, Container] = {}
    problems = []
    running = [one for one in containers if one.running]
    for port in wanted:
        holder = _holder(port, running, heard)
        if holder is None and port in heard:
            problems.append(_stranger(port, heard[port]))
        elif holder and holder.project != EDGE:
            held[port] = holder
            if holder.project != project and holder.name not in named:
                problems.append(_others(port, holder))
    holders = {one.name for one in held.values()}
    problems += [
        f"adopt_ports_from: {name} has none of the ports {_listed(wanted)} of the edge now; take it out of the list"
        for name in sorted(set(named) - holders)
        if not any(one.name == name and not one.running for one in containers)
    ]
    return Ports(held, problems)


def _holder(port: int, running: Sequence[Container], heard: Mapping[int, Listener]) -> Container | None:
    """By what it publishes, or, on the host's own network, by the process that listens."""
    inside = heard[port].container if port in heard else ""
    return next((one for one in running if port in one.ports or (inside and one.id == inside)), None)


def _stranger(port: int, who: Listener) -> str:
    return (
        f"port {port} is held by {who.name or 'a process'} (pid {who.pid}), which is no container, so nothing here can hand it "
        f"over to the edge. End it when its users can be without it (systemctl disable --now {who.name or '<its unit>'}), or "
        f"give the edge other ports (edge_http_port, edge_https_port), then run this again"
    )


def _others(port: int, holder: Container) -> str:
    whose = f"of the project {holder.project}" if holder.project else "which belongs to no project"
    return (
        f"port {port} is held by the container {holder.name}, {whose}; it may serve others as well, and they would be gone. When "
        f"it serves nothing but this stack: -e adopt_ports_from={holder.name}. Otherwise bring what it serves to the edge first, "
        "or give the edge other ports (edge_http_port, edge_https_port)"
    )


def _listed(ports: Sequence[int]) -> str:
    return " and ".join(map(str, ports))
