# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What HAProxy knows of its servers, for the worker that takes its place. Pure.

A new worker begins by asking the engine's DNS for each of its servers. An engine that is busy, or is being restarted, answers
late or not at all, and then that server has no address, and its users are answered 503. The worker before has them all.

And it takes every server for one that is up, until checks have said otherwise: a balancer would send users to a host that it
keeps off, or that has no power.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from ansible_collections.morpheus.deploy.plugins.module_utils.edge.haproxy import UPSTREAMS
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.tables import parse_servers

_BACKEND = re.compile(r"backend (\S+)")
_SERVER = re.compile(r"\s+server (\S+) ([^\s:]+):(\d+)\b")
# HAProxy's own format of what it reads at its start (management guide, "show servers state"). Nothing but name, address, port and
# whether it is up is said: no weight of its own (0 is no configured one, so that of the configuration stays), and checked. The
# status of its check is 1, of one that has not ended yet: with 0 HAProxy takes no result of a check for the life of the worker.
_VERSION = "1"
_LINE = "0 {backend} 0 {server} {address} {state} 0 0 0 0 1 0 {health} 6 0 0 0 {name} {port} -"
_UP, _DOWN = {"state": 2, "health": 1}, {"state": 0, "health": 0}


def of_names(table: str) -> dict[str, str]:
    """Name -> address, in the answer to ``show servers state``. What has none yet is left out."""
    return {server.fqdn: server.address for server in parse_servers(table) if server.fqdn and server.is_resolved}


def of_hosts_down(table: str) -> dict[str, str]:
    """Name -> address of a balancer's hosts that its checks call down, in the same answer. Replicas are checked soon enough, and
    by the next worker a slot may be another one's.
    """
    return {one.name: one.address for one in parse_servers(table) if one.backend == UPSTREAMS and one.is_down and one.is_resolved}


def server_state(addresses: Mapping[str, str], down: Mapping[str, str], configurations: Iterable[str]) -> str:
    """HAProxy's file of that name, for the servers that stand in its configuration (texts of its files) by a known name, and for
    hosts that are ``down``.
    """
    lines = [line for text in configurations for line in _lines(addresses, down, text)]
    return "".join(f"{line}\n" for line in [_VERSION, *lines])


def _lines(addresses: Mapping[str, str], down: Mapping[str, str], text: str) -> Iterator[str]:
    backend = ""
    for line in text.splitlines():
        if begins := _BACKEND.match(line):
            backend = begins[1]
        elif server := _SERVER.match(line):
            host, name, port = server[2], server[1], server[3]
            is_down = backend == UPSTREAMS and name in down
            if host in addresses:
                given = {"address": addresses[host], "name": host}
            elif is_down and down[name] == host:
                given = {"address": host, "name": "-"}
            else:
                continue
            yield _LINE.format(backend=backend, server=name, port=port, **given, **(_DOWN if is_down else _UP))
