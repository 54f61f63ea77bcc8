# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One stack as HAProxy tells of it: who is admitted, where routes lead, what was answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import HAPROXY_DIRECTORY
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.backends import Backends
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.haproxy import SUFFIXES, TUNNELS, backend_name, parse_map
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.old_workers import OldWorkers
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.sockets import Socket
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.tables import Load, Server, parse_load, parse_servers

# What HAProxy calls the map is the path by which its configuration names it.
ROUTES_IN_HAPROXY = f"{HAPROXY_DIRECTORY}/routes.map"


class Seen:
    """What HAProxy tells of one stack: its servers, its routes and its counters. Changes nothing."""

    def __init__(self, stack: str, socket: Socket, old: OldWorkers) -> None:
        self._stack = stack
        self._socket = socket
        self._old = old

    def admitted(self) -> set[str]:
        """Names of the containers that get new requests of this stack."""
        return {container for slots in self._backends().admitted().values() for container, _ in slots.values()}

    def routes(self) -> dict[str, str]:
        """Where the routes of this stack lead now: key -> destination. The worker is asked, not the file: it knows better."""
        return self._own_routes(self._all_routes())

    def places(self) -> dict[str, Server]:
        """Container that gets new requests of this stack -> its server, which has checks."""
        now = self._backends()
        admitted = {name for slots in now.admitted().values() for name, _ in slots.values()}
        backends = {backend_name(self._stack, service) for service in now.services}
        return {one.fqdn: one for one in now.servers if one.backend in backends and one.fqdn in admitted and one.is_admitted}

    def load(self, service: str, container: str) -> tuple[Load, Load]:
        """(requests, tunnels) of a container, counted in the current worker and in older ones still at work."""
        both = list(self.load_by_worker(service, container).values())
        return sum((requests for requests, _ in both), Load()), sum((tunnels for _, tunnels in both), Load())

    def load_by_worker(self, service: str, container: str) -> dict[int, tuple[Load, Load]]:
        """Process id of each worker still at work (0: the current one) -> (requests, tunnels) of a container there.

        A slot that the current worker no longer has tells nothing about the old ones: there every slot of the service counts.
        """
        slots = self._slots_of(service, [container])[container]
        return {pid: self._sum(table, service, slots if pid == 0 else slots or None) for pid, table in self._all_stats().items()}

    def may_come(self, service: str, container: str) -> int:
        """Idle connections of users, to workers from before a reload, on which a request for ``container`` may yet come."""
        return self._old.may_come(self._names(service), container)

    def left_behind(self) -> int:
        """Connections of this stack that workers from before a reload still hold, which end with their worker at the latest."""
        prefix = backend_name(self._stack, "")
        return sum(
            load.sessions
            for table in self._old.stats().values()
            for (backend, _), load in parse_load(table).items()
            if backend.startswith(prefix)
        )

    def answered(self, service: str, containers: Sequence[str]) -> dict[str, Load]:
        """Container that has a slot -> what the slot has answered, requests and tunnels, in all workers still at work."""
        tables = list(self._all_stats().values())
        return {
            container: sum((sum(self._sum(table, service, slots), Load()) for table in tables), Load())
            for container, slots in self._slots_of(service, containers).items()
            if slots
        }

    def _slots_of(self, service: str, containers: Sequence[str]) -> dict[str, set[str]]:
        servers = self._servers(service)
        return {name: {server.name for server in servers if server.fqdn == name} for name in containers}

    def _sum(self, table: str, service: str, slots: set[str] | None) -> tuple[Load, Load]:
        requests = tunnels = Load()
        name = backend_name(self._stack, service)
        for (backend, slot), load in parse_load(table).items():
            if slots is not None and slot not in slots:
                continue
            if backend == name + TUNNELS:
                tunnels += load
            elif backend in self._names(service):
                requests += load
        return requests, tunnels

    def _servers(self, service: str) -> list[Server]:
        return [server for server in self._backends().servers if server.backend in self._names(service)]

    def _backends(self) -> Backends:
        """By prefix, so that a service whose route has just been taken away is still seen."""
        prefix = backend_name(self._stack, "")
        servers = parse_servers(self._socket.ask("show servers state"))
        return Backends(self._stack, [server for server in servers if server.backend.startswith(prefix)])

    def _names(self, service: str) -> list[str]:
        name = backend_name(self._stack, service)
        return [name + suffix for suffix in SUFFIXES]

    def _all_routes(self) -> dict[str, str]:
        return parse_map(self._socket.ask(f"show map {ROUTES_IN_HAPROXY}"))

    def _own_routes(self, routes: Mapping[str, str]) -> dict[str, str]:
        prefix = backend_name(self._stack, "")
        return {key: backend.removeprefix(prefix) for key, backend in routes.items() if backend.startswith(prefix)}

    def _of_others(self, routes: Mapping[str, str]) -> dict[str, str]:
        """Key -> stack of those that lead to another one."""
        own = self._own_routes(routes)
        return {key: backend.partition(".")[0] for key, backend in routes.items() if key not in own}

    def _all_stats(self) -> dict[int, str]:
        """Process id of each worker still at work, 0 for the current one -> its table of counters."""
        return {0: self._socket.ask("show stat -1 4 -1"), **self._old.stats()}
