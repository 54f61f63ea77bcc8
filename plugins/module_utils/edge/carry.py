# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one HAProxy knows and no file does, told to the one that takes its place. Pure.

Whatever a rollout, a maintenance or a balancer's list of hosts says stands in files, which the other one has read. What is left
is what people have told HAProxy by hand, weights and drains, and what changed since the files were read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ansible_collections.morpheus.deploy.plugins.module_utils.edge.haproxy import parse_map
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.maintenance import IN_HAPROXY as MAINTENANCE
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.seen import ROUTES_IN_HAPROXY
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.tables import server_rows
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.upstreams import IN_HAPROXY as AWAY

MAPS = (ROUTES_IN_HAPROXY, MAINTENANCE, AWAY)
# srv_admin_state: what was forced on a server, and not what a file or DNS says.
_MAINTENANCE, _DRAIN = 0x01, 0x08
_UNKNOWN = "Unknown map identifier"


@dataclass(frozen=True)
class Told:
    """A server as HAProxy was told to treat it."""

    fqdn: str
    weight: int
    state: str


@dataclass(frozen=True)
class Known:
    """What one HAProxy knows. ``maps``: its name for a map -> its entries; ``servers``: backend/slot -> server."""

    maps: Mapping[str, Mapping[str, str]]
    servers: Mapping[str, Told]


def known(maps: Mapping[str, str], servers: str) -> Known:
    """From the answers to ``show map`` of each and to ``show servers state``. A map that there is not has no entries."""
    return Known({name: parse_map(table) for name, table in maps.items() if _UNKNOWN not in table}, dict(_servers(servers)))


def commands(before: Known, after: Known) -> list[str]:
    """What to tell the HAProxy that knows ``after``, so that it does what the one that knows ``before`` does."""
    found = [one for name, entries in before.maps.items() if name in after.maps for one in _map(name, entries, after.maps[name])]
    for server, old in before.servers.items():
        new = after.servers.get(server)
        # A slot with another container is none that anybody has said this of.
        if new is None or new.fqdn != old.fqdn or new.state == "maint":
            continue
        found += [f"set server {server} weight {old.weight}"] if old.weight != new.weight else []
        found += [f"set server {server} state {old.state}"] if old.state != new.state and old.state != "ready" else []
    return found


def _map(name: str, wanted: Mapping[str, str], found: Mapping[str, str]) -> Iterator[str]:
    for key, value in wanted.items():
        if key not in found:
            yield f"add map {name} {key} {value}"
        elif found[key] != value:
            yield f"set map {name} {key} {value}"
    for key in found.keys() - wanted.keys():
        yield f"del map {name} {key}"


def _servers(table: str) -> Iterator[tuple[str, Told]]:
    for row in server_rows(table):
        admin = int(row["srv_admin_state"])
        state = "maint" if admin & _MAINTENANCE else "drain" if admin & _DRAIN else "ready"
        fqdn = "" if row["srv_fqdn"] == "-" else row["srv_fqdn"]
        yield f"{row['be_name']}/{row['srv_name']}", Told(fqdn or row["srv_addr"], int(row["srv_uweight"]), state)
