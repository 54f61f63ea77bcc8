# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backends of one stack, as HAProxy has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.morpheus.deploy.plugins.module_utils.edge.haproxy import SUFFIXES, backend_name, service_of, slot_number
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.tables import Server


@dataclass(frozen=True)
class Backends:
    """What HAProxy has of a stack: its servers, and so its services and the number of slots."""

    stack: str
    servers: Sequence[Server]

    @property
    def services(self) -> set[str]:
        return {service_of(self.stack, server.backend) for server in self.servers}

    @property
    def slots(self) -> int:
        return max((slot_number(server.name) for server in self.servers), default=0)

    @property
    def used(self) -> int:
        """Replicas of the service that has most, drained ones included."""
        counts: dict[str, int] = {}
        for server in self.servers:
            if not server.is_free:
                counts[server.backend] = counts.get(server.backend, 0) + 1
        return max(counts.values(), default=0)

    def admitted(self) -> dict[str, dict[str, tuple[str, int]]]:
        """service -> slot -> (container, port) of what is admitted.

        Only what is admitted for every purpose is: a run that was killed between two of them left a half.
        """
        servers = {(server.backend, server.name): server for server in self.servers}
        found: dict[str, dict[str, tuple[str, int]]] = {service: {} for service in self.services}
        for service, slots in found.items():
            name = backend_name(self.stack, service)
            for server in (one for one in self.servers if one.backend == name and one.fqdn):
                places = [servers[name + suffix, server.name] for suffix in SUFFIXES if (name + suffix, server.name) in servers]
                if len(places) > 1 and all(place.is_admitted for place in places):
                    slots[server.name] = (server.fqdn, server.port)
        return found
