# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HAProxy of this host in its container: the edge's own, or the one that stands in while that is replaced."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import EDGE
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import EDGE_NETWORK
from ansible_collections.morpheus.deploy.plugins.module_utils.base.processes import PROC
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import carry as edge_carry
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import networks as edge_networks
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.sockets import Socket, current_workers, parse_old_workers
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.state import PROJECT, STAND_IN
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.tables import parse_load
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.redirect import Port, has_six, parse_ports
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.settings import (
    EdgeSettings,
    as_text,
    make_run_directory,
    place,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.compose_command import Compose
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.engine import Engine
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica, State

# The backend through which a balancer asks its hosts whether they are well: nobody's request.
_CHECKS = "checks"
# States of the kernel's table of sockets: a handshake under way, and a socket that listens.
_HANDSHAKE, _LISTENS = "03", "0A"


@dataclass(frozen=True)
class Seen:
    """A container of HAProxy. ``image``: its id; ``address`` and ``gateway``: on the edge's network; ``pid``: of its master.

    ``published``: (address of the host, port inside) -> port of the host.
    """

    name: str
    image: str
    running: bool
    address: str = ""
    gateway: str = ""
    pid: int = 0
    published: Mapping[tuple[str, int], int] = field(default_factory=dict)

    def reached_by(self, address: str) -> dict[int, int]:
        """Port inside -> port of the host at ``address``."""
        return {inside: port for (place, inside), port in self.published.items() if place == address}


class Instance:
    """``project``: of Compose, described by ``file``; ``run``: the directory of its sockets."""

    def __init__(self, engine: Engine, project: str, file: Path, run: Path) -> None:
        self._engine = engine
        self._file = file
        self._compose = Compose(project, file.parent, [file])
        self._bind(run)

    def _bind(self, run: Path) -> None:
        self._run = run
        self._worker = Socket(str(run / "admin.sock"))
        self._master = Socket(str(run / "master.sock"))

    def look(self) -> Seen | None:
        """None when there is no container, not even a stopped one."""
        found = self._engine.observe(set())
        if not found:
            return None
        running = next((one for one in found if one.state is State.RUNNING), found[0])
        details = self._engine.inspected(running)
        if details is None:
            return None
        network = details["NetworkSettings"]["Networks"].get(EDGE_NETWORK) or {}
        return Seen(
            running.name,
            str(details["Image"]),
            running.state is State.RUNNING,
            str(network.get("IPAddress") or ""),
            str(network.get("Gateway") or ""),
            int(details["State"].get("Pid") or 0),
            _published(details["NetworkSettings"].get("Ports") or {}),
        )

    def start(self, *, anew: bool = False) -> None:
        edge_networks.bring_up(self._compose, self._engine, anew=anew)

    def soft_stop(self) -> None:
        """It takes no new connection, answers what it has begun, and ends."""
        for one in self._running():
            self._engine.signal(one, "SIGUSR1")

    def end(self) -> None:
        """At once, and the engine does not start it again."""
        self._engine.stop(self._engine.observe(set()), 1.0)

    def remove(self) -> None:
        """Ends it, too."""
        self._engine.remove(self._engine.observe(set()))

    def ask(self, command: str) -> str:
        return self._worker.ask(command)

    def tell(self, *commands: str) -> None:
        self._worker.tell(*commands)

    def known(self) -> edge_carry.Known:
        tables = {name: self.ask(f"show map {name}") for name in edge_carry.MAPS}
        return edge_carry.known(tables, self.ask("show servers state"))

    def sessions(self) -> int:
        """Requests and tunnels under way, in all its workers. Asked through the master, which answers to its very end."""
        table = self._master.ask("show proc")
        answers = [self._master.ask(f"@!{pid} show stat -1 4 -1") for pid in [*current_workers(table), *parse_old_workers(table)]]
        loads = [parse_load(one) for one in answers if one.startswith("# ")]
        return sum(load.sessions for one in loads for (backend, _), load in one.items() if backend != _CHECKS)

    def waiting(self) -> int:
        """Connections that the kernel has for it and that it has not taken yet."""
        seen = self.look()
        return sum(waiting(seen.pid)) if seen and seen.pid else 0

    def last_words(self) -> str:
        return "\n".join(self._engine.last_words(one) for one in self._engine.observe(set()))

    def _running(self) -> list[Replica]:
        return [one for one in self._engine.observe(set()) if one.state is State.RUNNING]


class Own(Instance):
    """The edge's own container."""

    def __init__(self, engine: Engine, paths: EdgePaths) -> None:
        super().__init__(engine, PROJECT, paths.root / "compose.json", paths.root / "run")
        self._paths = paths

    def settings(self) -> EdgeSettings:
        """As it was set up. EdgeError when its files do not say it."""
        try:
            found = EDGE.load(self._paths.settings)
            ports = json.loads(self._file.read_bytes())["services"]["haproxy"]["ports"]
            return EdgeSettings(str(found["image"]), str(found["user"]), [str(one) for one in ports])
        except FileNotFoundError as exc:
            raise EdgeError(
                f"this host has no edge ({exc.filename} is missing): run playbooks/provision.yml for this inventory first"
            ) from None
        except (ValueError, KeyError, TypeError) as exc:
            raise EDGE.damaged(self._file, f"it does not say how the edge runs ({exc})") from exc

    def text(self) -> dict[Path, str]:
        """The files that say how it runs, to be put back."""
        return {path: path.read_text() for path in (self._paths.settings, self._file)}

    def write(self, settings: EdgeSettings) -> None:
        self.put(settings.files(self._paths))

    @staticmethod
    def put(texts: Mapping[Path, str]) -> None:
        place(texts)


class StandIn(Instance):
    """Another container beside it, of the same configuration. It has ports of its own on this host, that nobody knows; users are
    led there by redirect.Redirect.
    """

    def __init__(self, engine: Engine, paths: EdgePaths) -> None:
        super().__init__(engine, STAND_IN, paths.root / "stand-in.json", paths.root / "run.stand-in")
        self._root = paths.root

    def write(self, settings: EdgeSettings) -> None:
        model = settings.compose(self._root)
        service: dict[str, Any] = model["services"]["haproxy"]
        service["ports"] = self._ports(parse_ports(settings.ports))
        service["volumes"] = [str(one).replace(f"{self._root}/run:", f"{self._run}:") for one in service["volumes"]]
        # One that ended by itself comes back; after a reboot the edge's own is there again.
        service["restart"] = "on-failure"
        network = {EDGE_NETWORK: {"name": EDGE_NETWORK, "external": True}}
        text = {"name": STAND_IN, "services": {"stand-in": service}, "networks": network}
        make_run_directory(self._run, settings)
        place({self._file: as_text(text)})

    def _ports(self, ports: Sequence[Port]) -> list[str]:
        """Where the engine's proxy takes connections: this host's loopback, the address by which containers see this host, and
        IPv6 where the edge has it. It also lets through to the container what is led there directly.
        """
        network = self._engine.network(EDGE_NETWORK) or {}
        gateways = [str(one.get("Gateway") or "") for one in (network.get("IPAM") or {}).get("Config") or []]
        found = []
        for port in ports:
            found.append(f"127.0.0.1::{port.inside}")
            if port.address.startswith("127."):
                continue
            found += [f"{gateway}::{port.inside}" for gateway in gateways if gateway and ":" not in gateway]
            found += [f"[::]::{port.inside}"] if not port.address and has_six(port.outside) else []
        return found

    def remove(self) -> None:
        super().remove()
        for path in [self._file, *(self._run.iterdir() if self._run.is_dir() else [])]:
            path.unlink(missing_ok=True)
        if self._run.is_dir():
            self._run.rmdir()


def _published(ports: Mapping[str, Any]) -> dict[tuple[str, int], int]:
    return {
        (str(place.get("HostIp") or ""), int(inside.partition("/")[0])): int(place["HostPort"])
        for inside, places in ports.items()
        for place in places or []
    }


def waiting(pid: int) -> Iterator[int]:
    """By the kernel's table of the container's sockets: handshakes under way, and connections that wait to be taken."""
    try:
        lines = (PROC / str(pid) / "net" / "tcp").read_text().splitlines()[1:]
    except (FileNotFoundError, ProcessLookupError):
        return
    for words in (line.split() for line in lines):
        if words[3] == _HANDSHAKE:
            yield 1
        elif words[3] == _LISTENS:
            yield int(words[4].partition(":")[2], 16)
