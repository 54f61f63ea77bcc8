# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""The edge of one host: which replicas HAProxy sends new requests to, and what they are still busy with.

What is admitted changes at run time, without a reload, and is written to the stack's file first: whenever HAProxy starts
anew it admits what was admitted. Only a change of routes reloads it.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import RLock

from ansible_collections.morpheus.deploy.plugins.module_utils.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.files import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.haproxy import (
    TUNNELS,
    Load,
    Route,
    Server,
    Socket,
    backend_name,
    parse_load,
    parse_old_workers,
    parse_servers,
    render_backends,
    render_map,
)

# The edge's name on its own network: that of its Compose service.
OWN_NAME = "haproxy"
RESOLVE_SECONDS = 10.0
POLL_SECONDS = 0.01


@dataclass(frozen=True)
class EdgePaths:
    """Where the edge lives on the host; ``conf`` is HAProxy's configuration directory, ``run`` holds its sockets."""

    root: Path

    @property
    def conf(self) -> Path:
        return self.root / "conf"

    @property
    def settings(self) -> Path:
        return self.root / "edge.json"

    @property
    def socket(self) -> Path:
        return self.root / "run" / "admin.sock"

    @property
    def master(self) -> Path:
        return self.root / "run" / "master.sock"


# Runs ``haproxy -c`` over a configuration directory -> what it complained of, or ""
Validate = Callable[[Path], str]


class EdgeConfiguration:
    """The files of HAProxy: changed together, only when HAProxy accepts them, and put back when the reload fails."""

    def __init__(self, paths: EdgePaths, validate: Validate) -> None:
        self.paths = paths
        self._validate = validate

    def differences(self, files: Mapping[str, str]) -> list[str]:
        """Names, relative to the configuration directory, of files whose content is another."""
        return sorted(name for name, content in files.items() if self._read(name) != content)

    def apply(self, files: Mapping[str, str]) -> list[str]:
        """Put ``files`` in place and make a running HAProxy use them; the names that changed. All or nothing."""
        changed = self.differences(files)
        if not changed:
            return []
        self.check(files)
        before = {name: self._read(name) for name in changed}
        for name in changed:
            write_atomically(self.paths.conf / name, files[name], mode=0o644)
        try:
            self.reload()
        except EdgeError:
            for name, content in before.items():
                if content is None:
                    (self.paths.conf / name).unlink()
                else:
                    write_atomically(self.paths.conf / name, content, mode=0o644)
            raise
        return changed

    def check(self, files: Mapping[str, str]) -> None:
        """Raise EdgeError with HAProxy's own words when it would reject the configuration with ``files`` in it."""
        with tempfile.TemporaryDirectory(dir=self.paths.root, prefix="candidate.") as directory:
            candidate = Path(directory)
            shutil.copytree(self.paths.conf, candidate, dirs_exist_ok=True)
            candidate.chmod(0o755)
            for name, content in files.items():
                (candidate / name).parent.mkdir(parents=True, exist_ok=True)
                (candidate / name).write_text(content)
            for path in candidate.rglob("*"):
                original = self.paths.conf / path.relative_to(candidate)
                with suppress(FileNotFoundError):
                    shutil.chown(path, original.stat().st_uid, original.stat().st_gid)
            complaint = self._validate(candidate)
        if complaint:
            raise EdgeError(f"HAProxy rejects the new edge configuration, so the running one was left as it is: {complaint}")

    def reload(self) -> None:
        """Hitless: the new worker takes over the listening sockets, the old one answers what it has begun."""
        if not self.paths.master.exists():
            return
        answer = Socket(str(self.paths.master), timeout=30).ask("reload")
        if not answer.startswith("Success=1"):
            raise EdgeError(f"HAProxy could not load the new edge configuration: {_alerts(answer)}")

    def _read(self, name: str) -> str | None:
        try:
            return (self.paths.conf / name).read_text()
        except FileNotFoundError:
            return None


class Edge:
    """The edge as one stack sees it. Safe to use from several threads: services roll at the same time."""

    def __init__(
        self,
        stack: str,
        configuration: EdgeConfiguration,
        routes: Sequence[Route],
        slots: int,
    ) -> None:
        self._stack = stack
        self._configuration = configuration
        self._routes = list(routes)
        self._ports = {route.service: route.port for route in routes}
        self._slots = slots
        self._lock = RLock()
        self._socket = Socket(str(configuration.paths.socket))
        self._master = Socket(str(configuration.paths.master))

    def admitted(self) -> set[str]:
        """Names of the containers that get new requests of this stack."""
        return {container for slots in self._assigned().values() for container in slots.values()}

    def differences(self) -> list[str]:
        """Configuration files that ``prepare`` would change; a change of these needs a reload."""
        return self._configuration.differences(self._files(self._assigned()))

    def prepare(self) -> list[str]:
        """Make HAProxy know this stack's backends and routes; what is admitted stays admitted. Names of changed files."""
        with self._lock:
            return self._configuration.apply(self._files(self._assigned()))

    def admit(self, service: str, addresses: Mapping[str, str]) -> None:
        """Send new requests to containers (name -> address), which have passed their gate.

        HAProxy calls a ready server up at once. It is told the address, which is known here, and the name, by which it
        finds the container again when the address changes.
        """
        with self._lock:
            assigned = self._assigned()
            taken = assigned.setdefault(service, {})
            requests = backend_name(self._stack, service)
            servers = {server.name: server for server in self._servers(service) if server.backend == requests}
            # A drained container comes back into its own slot, which may still hold what it has begun.
            own = {server.fqdn: slot for slot, server in servers.items() if not server.is_free and slot not in taken}
            free = [slot for slot, server in servers.items() if server.is_free and slot not in taken]
            fresh = [name for name in addresses if name not in taken.values()]
            if len(free) < sum(name not in own for name in fresh):
                raise EdgeError(f"the edge has no free slot left for {', '.join(fresh)}")
            chosen = {own[name] if name in own else free.pop(0): name for name in fresh}
            taken.update(chosen)
            self._write(assigned)
            places = {f"{backend}/{slot}": name for slot, name in chosen.items() for backend in self._backends(service)}
            for server, container in places.items():
                self._point(server, container, addresses[container])
            self._await_addresses({server: addresses[container] for server, container in places.items()})
            for server in places:
                self._socket.tell(f"set server {server} state ready")

    def drain(self, service: str, containers: Sequence[str]) -> None:
        """Send no new request to ``containers``; what they have begun goes on."""
        with self._lock:
            for server in self._leave(service, containers):
                self._socket.tell(f"set server {server} state drain")

    def forget(self, service: str, containers: Sequence[str]) -> None:
        """Free the slots of ``containers``, which are gone."""
        with self._lock:
            for server in self._leave(service, containers):
                self._free(server)

    def load(self, service: str, container: str) -> tuple[Load, Load]:
        """(requests, tunnels) of a container, counted in the current worker and in older ones still at work.

        A slot that the current worker no longer has tells nothing about the old ones: there every slot of the service counts.
        """
        slots = self._slots_of(service, [container])[container]
        current, *old = self._all_stats()
        requests, tunnels = self._sum(current, service, slots)
        for table in old:
            more_requests, more_tunnels = self._sum(table, service, slots or None)
            requests, tunnels = requests + more_requests, tunnels + more_tunnels
        return requests, tunnels

    def answered(self, service: str, containers: Sequence[str]) -> dict[str, Load]:
        """Container that has a slot -> what the slot has answered, requests and tunnels, in all workers still at work."""
        tables = self._all_stats()
        return {
            container: sum((sum(self._sum(table, service, slots), Load()) for table in tables), Load())
            for container, slots in self._slots_of(service, containers).items()
            if slots
        }

    def sweep(self, existing: set[str]) -> list[str]:
        """Free every slot whose container is not among ``existing``; their names."""
        with self._lock:
            gone = [server for server in self._servers() if server.fqdn not in existing and not server.is_free]
            for server in gone:
                self._free(f"{server.backend}/{server.name}")
            if gone:
                self._write(self._assigned())
            return sorted({server.fqdn or server.name for server in gone})

    def _point(self, server: str, container: str, address: str) -> None:
        self._socket.tell(f"set server {server} fqdn {container}")
        # A server whose last name has died has no address at all and can only be given one by DNS.
        with suppress(EdgeError):
            self._socket.tell(f"set server {server} addr {address}")

    def _await_addresses(self, wanted: Mapping[str, str]) -> None:
        """Until every server (name -> address) has its address. HAProxy answers first and changes it a moment later; a server
        that is ready before sends its first request to where it pointed until then.
        """
        deadline = time.monotonic() + RESOLVE_SECONDS
        while missing := wanted.items() - {(f"{one.backend}/{one.name}", one.address) for one in self._servers()}:
            if time.monotonic() > deadline:
                server, address = next(pair for pair in wanted.items() if pair in missing)
                raise EdgeError(
                    f"the edge does not find the address {address} of {server} by Docker's DNS within {RESOLVE_SECONDS:g} s. "
                    "Are the service and the edge on the same network? See: docker network inspect edge"
                )
            time.sleep(POLL_SECONDS)

    def _free(self, server: str) -> None:
        """An unused slot points to the edge itself: a name that lives keeps its address usable and asks no other resolver."""
        self._socket.tell(f"set server {server} state maint", f"set server {server} fqdn {OWN_NAME}")

    def _slots_of(self, service: str, containers: Sequence[str]) -> dict[str, set[str]]:
        servers = self._servers(service)
        return {name: {server.name for server in servers if server.fqdn == name} for name in containers}

    def _sum(self, table: str, service: str, slots: set[str] | None) -> tuple[Load, Load]:
        sums = {name: Load() for name in self._backends(service)}
        for (backend, slot), load in parse_load(table).items():
            if backend in sums and (slots is None or slot in slots):
                sums[backend] += load
        requests, tunnels = sums.values()
        return requests, tunnels

    def _leave(self, service: str, containers: Sequence[str]) -> list[str]:
        """Take ``containers`` out of the file; the servers that point to them. To be called with the lock held."""
        slots = [server for server in self._servers(service) if server.fqdn in containers and not server.is_free]
        assigned = self._assigned()
        assigned[service] = {k: v for k, v in assigned.get(service, {}).items() if v not in containers}
        self._write(assigned)
        return [f"{server.backend}/{server.name}" for server in slots]

    def _servers(self, service: str | None = None) -> list[Server]:
        servers = parse_servers(self._socket.ask("show servers state"))
        if service:
            return [server for server in servers if server.backend in self._backends(service)]
        # By prefix, so that a service whose route has just been taken away is still seen.
        return [server for server in servers if server.backend.startswith(backend_name(self._stack, ""))]

    def _backends(self, service: str) -> list[str]:
        name = backend_name(self._stack, service)
        return [name, name + TUNNELS]

    def _assigned(self) -> dict[str, dict[str, str]]:
        """service -> slot -> container of what is admitted now. The worker is asked, not the file: it knows better.

        Only what gets requests and tunnels both is admitted: a run that was killed between the two left a half.
        """
        prefix = backend_name(self._stack, "")
        servers = {(server.backend, server.name): server for server in self._servers()}
        assigned: dict[str, dict[str, str]] = {service: {} for service in self._ports}
        for (backend, slot), server in servers.items():
            twin = servers.get((backend + TUNNELS, slot))
            if twin and server.fqdn and server.is_admitted and twin.is_admitted:
                assigned.setdefault(backend.removeprefix(prefix), {})[slot] = server.fqdn
        return assigned

    def _write(self, assigned: Mapping[str, Mapping[str, str]]) -> None:
        name = f"stacks/{self._stack}.cfg"
        write_atomically(self._configuration.paths.conf / name, self._files(assigned)[name], mode=0o644)

    def _files(self, assigned: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
        routes_dir = self._configuration.paths.conf / "routes.d"
        own = f"{self._stack}.map"
        maps = {path.name: path.read_text() for path in routes_dir.glob("*.map")}
        maps[own] = render_map(self._stack, self._routes)
        return {
            f"stacks/{self._stack}.cfg": render_backends(self._stack, self._ports, self._slots, assigned),
            f"routes.d/{own}": maps[own],
            "routes.map": "".join(maps[name] for name in sorted(maps)),
        }

    def _all_stats(self) -> list[str]:
        tables = [self._socket.ask("show stat -1 4 -1")]
        for pid in parse_old_workers(self._master.ask("show proc")):
            # An old worker may end between the two questions.
            with suppress(EdgeError, KeyError):
                tables.append(self._master.ask(f"@!{pid} show stat -1 4 -1"))
        return tables


def edge_settings(paths: EdgePaths) -> dict[str, str]:
    """What the edge role recorded: the image and network of the edge. Raises EdgeError when there is no edge here."""
    try:
        settings: dict[str, str] = json.loads(paths.settings.read_text())
    except FileNotFoundError:
        raise EdgeError(
            f"this host has no edge ({paths.settings} is missing): run playbooks/provision.yml for this inventory first"
        ) from None
    return settings


def _alerts(answer: str) -> str:
    alerts = [line.strip() for line in answer.splitlines() if "[ALERT]" in line]
    return " ".join(alerts) or answer.strip()
