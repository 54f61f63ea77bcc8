# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""HAProxy's own language: its sockets, the tables it prints and the backends and routes it reads. Knows no container.

Every routed service has three backends with the same servers: one for requests, one for tunnels (WebSockets), because a request
ends by itself and a tunnel does not, and a drain must tell them apart; and one without checks, which serves requests when the
checks call every server down: trying them all beats answering 503.
"""

from __future__ import annotations

import csv
import re
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.routes import folded, writable
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Service

TUNNELS = ".tunnels"
ANY = ".any"
# What a backend is for -> what its name adds to that of the service.
SUFFIXES = ("", TUNNELS, ANY)
# A free slot has no container and so no port; one that is the same for all keeps the file as it is when a service gets another.
FREE_PORT = 1
_GOOD_ANSWERS = ("hrsp_1xx", "hrsp_2xx", "hrsp_3xx", "hrsp_4xx")
# "eresp": the server closed the connection or was silent for too long: HAProxy answered in its place, or broke the answer off.
_COUNTERS = ("scur", *_GOOD_ANSWERS, "hrsp_5xx", "eresp")
NO_ADDRESS = "0.0.0.0"
# The master takes no connection while it loads a configuration, perhaps for another stack; and a HAProxy that ended starts anew.
PATIENCE_SECONDS = 5.0
POLL_SECONDS = 0.05
_ONCE = ("reload", "add map ")
# srv_admin_state bits that keep new requests away: maintenance (forced, inherited, name not resolved) and drain. Bit
# 0x04 only remembers that the file said "disabled".
_MAINTENANCE = 0x01 | 0x02 | 0x20
_DRAIN = 0x08 | 0x10
# srv_op_state of a server that is down.
_STOPPED = "0"
_SAID_WHAT_IT_DID = re.compile(
    r"(no need to )?changed? (its FQDN|the F[QD]{2}N|the addr|from)|(IP|port) changed|nothing changed|no need to change"
)


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
    ones that users got a 5xx for (answered so, not answered, or not to the end), and of those the ones that the server broke off
    (one that it left without any answer may count twice).
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


class _BrokenOffError(ConnectionError):
    """HAProxy ended after it had been asked."""


class Socket:
    """HAProxy's runtime socket: one command a connection, as it is meant to be used."""

    def __init__(self, path: str, timeout: float = 5.0, prefix: str = "") -> None:
        """``prefix``: what the master's socket needs before a command for one of its workers."""
        self._path = path
        self._timeout = timeout
        self._prefix = prefix

    def ask(self, command: str) -> str:
        """The whole answer. While the master loads a configuration, or HAProxy is started anew, it is waited for."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self._ask(command)
            except (ConnectionError, FileNotFoundError, BlockingIOError) as exc:
                # What may have been done is not done twice: a reload, and an entry that is added.
                if time.monotonic() >= deadline or (isinstance(exc, _BrokenOffError) and command.startswith(_ONCE)):
                    raise self._silent(exc) from exc
            except OSError as exc:
                raise self._silent(exc) from exc
            time.sleep(POLL_SECONDS)

    def _ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(self._timeout)
            connection.connect(self._path)
            chunks = []
            try:
                connection.sendall(f"{self._prefix}{command}\n".encode())
                # The master keeps a connection open for more commands until its client has nothing more to say.
                connection.shutdown(socket.SHUT_WR)
                while chunk := connection.recv(65536):
                    chunks.append(chunk)
            except ConnectionError as exc:
                raise _BrokenOffError(str(exc)) from exc
        answer = b"".join(chunks)
        # Every answer ends with a line, if only an empty one. A part of a table must never pass for all of it.
        if not answer.endswith(b"\n"):
            raise _BrokenOffError("the answer was broken off")
        return answer.decode("utf-8", "replace").strip()

    def _silent(self, exc: OSError) -> EdgeError:
        return EdgeError(
            f"HAProxy does not answer on {self._path}: {exc}. If the edge does not run (docker ps --all --filter name=edge), "
            "playbooks/provision.yml --tags edge for this inventory brings it back"
        )

    def tell(self, *commands: str) -> None:
        """Run commands that answer nothing when they succeed."""
        for command in commands:
            answer = self.ask(command)
            # As when HAProxy was started anew meanwhile: it has read the file, which has no such route any more.
            if command.startswith("del map ") and answer == "Key not found.":
                continue
            # "set server" for a name or an address alone says what it did ("FDQN" is HAProxy's spelling).
            if answer and not _SAID_WHAT_IT_DID.search(answer):
                raise EdgeError(f"HAProxy refused {command!r}: {answer} (see its log with: docker logs --tail 30 edge-haproxy-1)")


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


def parse_load(table: str) -> dict[tuple[str, str], Load]:
    """(backend, server) -> Load in the answer to ``show stat``."""
    rows = csv.DictReader(table.lstrip("# ").splitlines())
    return {
        (row["pxname"], row["svname"]): _load_of({name: int(row[name] or 0) for name in _COUNTERS})
        for row in rows
        if row.get("svname") not in (None, "FRONTEND", "BACKEND")
    }


def _load_of(row: Mapping[str, int]) -> Load:
    bad = row["hrsp_5xx"] + row["eresp"]
    return Load(row["scur"], sum(row[name] for name in _GOOD_ANSWERS) + bad, bad, row["eresp"])


def parse_clients(table: str) -> int:
    """Connections of users, idle ones included, in the answer to ``show stat`` for frontends and servers; tunnels aside."""
    rows = list(csv.DictReader(table.lstrip("# ").splitlines()))
    clients = sum(int(row["scur"] or 0) for row in rows if row.get("svname") == "FRONTEND" and row["pxname"] != "metrics")
    return max(0, clients - sum(int(row["scur"] or 0) for row in rows if (row.get("pxname") or "").endswith(TUNNELS)))


def parse_accepted(table: str) -> int:
    """Connections that users have opened since the worker began, in the answer to ``show stat`` for frontends."""
    rows = csv.DictReader(table.lstrip("# ").splitlines())
    return sum(int(row.get("conn_tot") or 0) for row in rows if row.get("pxname") in ("http", "https"))


def parse_old_workers(table: str) -> list[int]:
    """Process ids of workers that an earlier reload left behind with connections, from the master's ``show proc``."""
    pids = []
    old = False
    for line in table.splitlines():
        if line.startswith("#"):
            old = line.startswith("# old workers")
        elif old and line.split():
            pids.append(int(line.split()[0]))
    return pids


@dataclass(frozen=True)
class Place:
    """Where a container answers: its address on the edge's network, and its port there."""

    address: str
    port: int


def route_key(host: str, path: str) -> str:
    """A route as the map has it: requests for ``host`` (empty: any) whose path is ``path`` or lies below it. See ``routes``."""
    return f"{folded(host) or '*'}{path.rstrip('/')}/"


def stack_routes(services: Iterable[Service]) -> dict[str, str]:
    """Key of each route of ``stack.services`` -> service. Without those that a map cannot hold: they were accepted once, and a
    release that has one can be gone back to.
    """
    found = {
        route_key(route.host, path): service.name for service in services for route in service.routes for path in route.paths
    }
    return {key: found[key] for key in writable(found)}


def backend_name(stack: str, service: str) -> str:
    return f"{stack}.{service}"


def service_of(stack: str, backend: str) -> str:
    """The service behind one of its backends' names."""
    name = backend.removeprefix(backend_name(stack, ""))
    return next((name.removesuffix(suffix) for suffix in SUFFIXES if suffix and name.endswith(suffix)), name)


# service -> slot -> (container name, port)
Admitted = Mapping[str, Mapping[str, tuple[str, int]]]


def render_backends(stack: str, services: Iterable[str], slots: int, admitted: Admitted) -> str:
    """The stack's own configuration file: per service its backends, each slot with its container or empty.

    HAProxy finds a container's address by Docker's DNS, and finds it again when it changes.
    """
    lines = [f"# Backends of the stack {stack}. Written by morpheus.deploy with every change of what is admitted."]
    for service in sorted(services):
        name = backend_name(stack, service)
        own = admitted.get(service, {})
        # Closing the server side after each answer leaves no idle connection that a stopping replica could cut.
        lines += ["", f"backend {name} from replicas", "    option http-server-close"]
        lines += [_server(slot, own, "") for slot in slot_names(slots)]
        lines += ["", f"backend {name}{TUNNELS} from tunnels"]
        lines += [_server(slot, own, f" track {name}/{slot}") for slot in slot_names(slots)]
        lines += ["", f"backend {name}{ANY} from tunnels", "    option http-server-close"]
        lines += [_server(slot, own, "") for slot in slot_names(slots)]
    return "\n".join(lines) + "\n"


def render_map(stack: str, routes: Mapping[str, str]) -> str:
    """Lines of the route map (``routes``: key -> service). HAProxy takes the longest key that fits."""
    return "".join(f"{key} {backend_name(stack, service)}\n" for key, service in sorted(routes.items()))


def parse_map(table: str) -> dict[str, str]:
    """Key -> value in the answer to ``show map``, whose lines begin with a reference."""
    entries = [line.split() for line in table.splitlines()]
    return {words[1]: words[2] for words in entries if len(words) == 3 and words[0].startswith("0x")}


def slot_names(count: int) -> list[str]:
    return [f"s{number}" for number in range(1, count + 1)]


def slot_number(name: str) -> int:
    return int(name.removeprefix("s"))


def _server(slot: str, admitted: Mapping[str, tuple[str, int]], extra: str) -> str:
    if slot in admitted:
        container, port = admitted[slot]
        return f"    server {slot} {container}:{port}{extra}"
    return f"    server {slot} {NO_ADDRESS}:{FREE_PORT}{extra} disabled"


def slots_for(replicas: int) -> int:
    """Slots for so many replicas at the same time and a few more, in steps, so that a small change of scale needs no reload."""
    return max(16, -(-(replicas + 4) // 16) * 16)
