# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables that HAProxy answers with: servers, counters, clients."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ansible_collections.morpheus.deploy.plugins.module_utils.edge.haproxy import NO_ADDRESS, TUNNELS

GOOD_ANSWERS = ("hrsp_1xx", "hrsp_2xx", "hrsp_3xx", "hrsp_4xx")
# "eresp": the server closed the connection or was silent for too long: HAProxy answered in its place, or broke the answer off.
# "srv_abrt": of these, those where it broke off, or where it closed the connection because the client had one kept.
_COUNTERS = ("scur", *GOOD_ANSWERS, "hrsp_5xx", "eresp", "srv_abrt")
# Where users come in.
FRONTENDS = ("http", "https")
# srv_admin_state bits that keep new requests away: maintenance (forced, inherited, name not resolved) and drain. Bit
# 0x04 only remembers that the file said "disabled".
_MAINTENANCE = 0x01 | 0x02 | 0x20
_DRAIN = 0x08 | 0x10
# srv_op_state of a server that is down.
_STOPPED = "0"


@dataclass(frozen=True)
class Server:
    """One server line as HAProxy has it now. ``name`` is its slot, ``fqdn`` the container that it points to."""

    backend: str
    name: str
    address: str
    admin_state: int
    fqdn: str
    port: int = 0
    # Whether its checks say so. A server without checks is never down.
    is_down: bool = False

    @property
    def is_free(self) -> bool:
        return bool(self.admin_state & _MAINTENANCE)

    @property
    def is_admitted(self) -> bool:
        return not self.admin_state & (_MAINTENANCE | _DRAIN)

    @property
    def is_resolved(self) -> bool:
        return self.address not in ("", "-", NO_ADDRESS)


@dataclass(frozen=True)
class Load:
    """What a server is busy with: sessions open now; and since the worker started, requests that it answered, of these the
    ones that users got a 5xx for (answered so, not answered, or not to the end), and of those the ones that the server broke off.
    """

    sessions: int = 0
    answers: int = 0
    bad_answers: int = 0
    broken_off: int = 0

    def __add__(self, other: Load) -> Load:
        return Load(
            self.sessions + other.sessions,
            self.answers + other.answers,
            self.bad_answers + other.bad_answers,
            self.broken_off + other.broken_off,
        )


def server_rows(table: str) -> Iterator[dict[str, str]]:
    """Name of a column -> value, of each server in the answer to ``show servers state``."""
    lines = table.splitlines()
    header = next((line[2:].split() for line in lines if line.startswith("# ")), [])
    return (dict(zip(header, line.split(), strict=False)) for line in lines if line and line[0].isdigit() and " " in line)


def parse_servers(table: str) -> list[Server]:
    """The servers in the answer to ``show servers state``."""
    return [
        Server(
            row["be_name"],
            row["srv_name"],
            row["srv_addr"],
            int(row["srv_admin_state"]),
            "" if row["srv_fqdn"] == "-" else row["srv_fqdn"],
            int(row["srv_port"]),
            row["srv_op_state"] == _STOPPED,
        )
        for row in server_rows(table)
    ]


def stat_rows(table: str) -> Iterator[dict[str, str]]:
    """Name of a column -> value, of each line in the answer to ``show stat``."""
    return iter(csv.DictReader(table.lstrip("# ").splitlines()))


def parse_load(table: str) -> dict[tuple[str, str], Load]:
    """(backend, server) -> Load in the answer to ``show stat``."""
    rows = stat_rows(table)
    return {
        (row["pxname"], row["svname"]): _load_of({name: int(row[name] or 0) for name in _COUNTERS})
        for row in rows
        if row.get("svname") not in (None, "FRONTEND", "BACKEND")
    }


def _load_of(row: Mapping[str, int]) -> Load:
    # Of a request that HAProxy answers in the server's place, "eresp" counts the end of its connection and the missing answer.
    broken_off = row["srv_abrt"] + (row["eresp"] - row["srv_abrt"] + 1) // 2
    bad = row["hrsp_5xx"] + broken_off
    return Load(row["scur"], sum(row[name] for name in GOOD_ANSWERS) + bad, bad, broken_off)


def parse_clients(table: str) -> int:
    """Connections of users, idle ones included, in the answer to ``show stat`` for frontends and servers; tunnels aside."""
    rows = list(stat_rows(table))
    clients = sum(int(row["scur"] or 0) for row in rows if row.get("svname") == "FRONTEND" and row["pxname"] != "metrics")
    return max(0, clients - sum(int(row["scur"] or 0) for row in rows if (row.get("pxname") or "").endswith(TUNNELS)))


def parse_accepted(table: str) -> int:
    """Connections that users have opened since the worker began, in the answer to ``show stat`` for frontends."""
    rows = stat_rows(table)
    return sum(int(row.get("conn_tot") or 0) for row in rows if row.get("pxname") in FRONTENDS)
