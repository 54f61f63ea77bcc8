# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers of HAProxy that a reload left behind. They take no new connection, but answer one more request on each that is open.

A browser may hold an idle connection for more than a minute. What its next request meets is what the worker knew when it was
replaced: HAProxy takes no word about servers of such a worker ("Proxy is disabled"). So its connections count as requests that
may yet come, and replicas that it would send them to are waited for.
"""

from __future__ import annotations

from contextlib import suppress

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.sockets import Socket, parse_old_workers
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.tables import (
    FRONTENDS,
    parse_clients,
    parse_load,
    parse_servers,
    stat_rows,
)


class OldWorkers:
    """One that ends while it is asked is none any more."""

    def __init__(self, master: str) -> None:
        """``master``: path of the master's socket."""
        self._master = master

    def stats(self) -> dict[int, str]:
        """Process id -> table of counters."""
        tables = {}
        for pid, worker in self._workers().items():
            with suppress(EdgeError, KeyError):
                table = worker.ask("show stat -1 4 -1")
                parse_load(table)
                tables[pid] = table
        return tables

    def may_come(self, backends: list[str], container: str) -> int:
        """Connections of users on which a request for ``container`` may yet come by one of ``backends``; tunnels aside."""
        found = 0
        for worker in self._workers().values():
            with suppress(EdgeError, KeyError):
                servers = parse_servers(worker.ask("show servers state"))
                if any(one.fqdn == container and one.backend in backends and one.is_admitted for one in servers):
                    # Frontends and servers, without the lines of backends.
                    found += parse_clients(worker.ask("show stat -1 5 -1"))
        return found

    def clients(self) -> int:
        """Connections of users, idle ones included."""
        found = 0
        for worker in self._workers().values():
            with suppress(EdgeError, KeyError, ValueError):
                rows = stat_rows(worker.ask("show stat -1 1 -1"))
                found += sum(int(row["scur"] or 0) for row in rows if row.get("pxname") in FRONTENDS)
        return found

    def _workers(self) -> dict[int, Socket]:
        pids = parse_old_workers(Socket(self._master).ask("show proc"))
        return {pid: Socket(self._master, prefix=f"@!{pid} ") for pid in pids}
