# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""The edge of one host: which replicas HAProxy sends new requests to, by which routes, and what they are still busy with.

What is admitted and where routes lead changes at run time, without a reload, and is written to the stack's files first:
whenever HAProxy starts anew it does what it did. A rollout expands first, so that HAProxy knows the services of both
releases; then it switches; and what nobody needs any more goes when it contracts. Only backends that come or go, and more
slots, need a reload.
"""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import RLock

from ansible_collections.morpheus.deploy.plugins.module_utils.base import leftovers
from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import private, write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import EDGE, EDGE_BASE, EDGE_STACKS
from ansible_collections.morpheus.deploy.plugins.module_utils.base.spoken import told
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.haproxy import (
    SUFFIXES,
    TUNNELS,
    Admitted,
    Load,
    Place,
    Server,
    Socket,
    backend_name,
    parse_load,
    parse_map,
    parse_servers,
    render_backends,
    render_map,
    service_of,
    slot_number,
    slots_for,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.old_workers import OldWorkers
from ansible_collections.morpheus.deploy.plugins.module_utils.service.routing import Routing, in_order

# The edge's name on its own network: that of its Compose service.
OWN_NAME = "haproxy"
EDGE_ROOT = Path("/var/lib/morpheus.deploy/edge")
HAPROXY_DIRECTORY = "/usr/local/etc/haproxy"
# Below the configuration directory: what HAProxy serves sites with, and which of it.
CERTIFICATES, CERTIFICATES_LIST = "certs", "certificates.list"
# What HAProxy calls the map is the path by which its configuration names it.
ROUTES_IN_HAPROXY = f"{HAPROXY_DIRECTORY}/routes.map"
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

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While this lasts no other process writes these files, tells HAProxy anything or reloads it. Not to be nested.

        Stacks share the map of routes; and a reload by another one, between what is written and what is told, would start a
        worker that has read the old file and hears nothing of the change.
        """
        with open(self.paths.root / "files.lock", "a", opener=private) as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    def write(self, files: Mapping[str, str]) -> None:
        """Put files in place that say what HAProxy is told at run time."""
        for name in self.differences(files):
            write_atomically(self.paths.conf / name, files[name], mode=0o644)

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
        with leftovers.directory(self.paths.root, leftovers.CANDIDATE) as candidate:
            with told(candidate):
                self._copy(files, candidate)
            complaint = self._validate(candidate)
        if complaint:
            raise EdgeError(f"HAProxy rejects the new edge configuration, so the running one was left as it is: {complaint}")

    def _copy(self, files: Mapping[str, str], candidate: Path) -> None:
        # Hidden are files that others are writing; HAProxy reads none of them.
        shutil.copytree(self.paths.conf, candidate, ignore=shutil.ignore_patterns(".*"), dirs_exist_ok=True)
        candidate.chmod(0o755)
        for name, content in files.items():
            (candidate / name).parent.mkdir(parents=True, exist_ok=True)
            (candidate / name).write_text(content)
        for path in candidate.rglob("*"):
            original = self.paths.conf / path.relative_to(candidate)
            with suppress(FileNotFoundError):
                shutil.chown(path, original.stat().st_uid, original.stat().st_gid)

    def reload(self) -> None:
        """Hitless: the new worker takes over the listening sockets, the old one answers what it has begun."""
        if not self.paths.master.exists():
            return
        answer = Socket(str(self.paths.master), timeout=30).ask("reload")
        if not answer.startswith("Success=1"):
            raise EdgeError(
                f"HAProxy could not load the new edge configuration, and goes on with the one before: {_alerts(answer)}. "
                "See its log with: docker logs --tail 30 edge-haproxy-1"
            )

    def _read(self, name: str) -> str | None:
        try:
            kind = EDGE_STACKS if name.startswith(("stacks/", "routes")) else EDGE_BASE
            return kind.commented(self.paths.conf / name)
        except FileNotFoundError:
            return None


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


class Edge:
    """The edge as one stack sees it. Safe to use from several threads: services roll at the same time."""

    def __init__(
        self,
        stack: str,
        configuration: EdgeConfiguration,
        services: Iterable[str],
        routes: Mapping[str, str],
        replicas: int,
    ) -> None:
        """What the release wants: its routed ``services``, its ``routes`` (key, see haproxy.route_key -> service) and how many
        ``replicas`` the largest of the services has.
        """
        self._stack = stack
        self._configuration = configuration
        self._services = set(services)
        self._routes = dict(routes)
        self._replicas = replicas
        self._lock = RLock()
        self._socket = Socket(str(configuration.paths.socket))
        self._old = OldWorkers(str(configuration.paths.master))

    def admitted(self) -> set[str]:
        """Names of the containers that get new requests of this stack."""
        return {container for slots in self._backends().admitted().values() for container, _ in slots.values()}

    def routes(self) -> dict[str, str]:
        """Where the routes of this stack lead now: key -> service. The worker is asked, not the file: it knows better."""
        return self._own_routes(self._all_routes())

    def routing(self) -> Routing:
        """Where the routes lead now and where the release wants them. EdgeError when one of these leads to another stack."""
        everyone = self._all_routes()
        others = self._of_others(everyone)
        self._require_free(self._routes.keys(), others, ". Nothing was changed")
        return Routing(self._own_routes(everyone), self._routes, frozenset(others))

    def places(self) -> dict[str, Server]:
        """Container that gets new requests of this stack -> its server, which has checks."""
        now = self._backends()
        admitted = {name for slots in now.admitted().values() for name, _ in slots.values()}
        backends = {backend_name(self._stack, service) for service in now.services}
        return {one.fqdn: one for one in now.servers if one.backend in backends and one.fqdn in admitted and one.is_admitted}

    def differences(self) -> list[str]:
        """Files that are not as the release and what is admitted now would have them."""
        return self._configuration.differences(self._contracted(self._backends()))

    def expand(self) -> list[str]:
        """Make room for the release beside all that is there: nothing that is admitted or routed changes. Names of changed files.

        The number of slots never goes down here.
        """
        with self._lock, self._configuration.alone():
            now = self._backends()
            slots = max(now.slots, self._slots, slots_for(now.used + self._replicas))
            return self._configuration.apply(self._files(self._services | now.services, slots, now.admitted(), self.routes()))

    def contract(self) -> list[str]:
        """Take away backends, routes and slots that the release does not need. Names of changed files.

        A slot that is in use stays, and those before it.
        """
        with self._lock, self._configuration.alone():
            # As when HAProxy was started anew just before it was told to drain: nobody has this slot, so nobody would free it.
            for server in self._backends().servers:
                if not (server.is_free or server.fqdn):
                    self._free(f"{server.backend}/{server.name}")
            return self._configuration.apply(self._contracted(self._backends()))

    def route(self, routes: Mapping[str, str]) -> None:
        """Let new requests for each key go to a service (empty: to none). What leads to another stack is not touched."""
        with self._lock, self._configuration.alone():
            now = self._all_routes()
            others = self._of_others(now)
            # As when both stacks were prepared before either had the route.
            self._require_free({key for key, service in routes.items() if service}, others)
            routes = {key: service for key, service in routes.items() if key not in others}
            after = {key: service for key, service in {**self._own_routes(now), **routes}.items() if service}
            self._configuration.write(self._map_files(after))
            for key in in_order(routes):
                self._point_route(key, routes[key], key in now)

    def admit(self, service: str, places: Mapping[str, Place], port: int = 0) -> None:
        """Send new requests to containers (by name), which have passed their gate.

        HAProxy calls a ready server up at once. It is told the address, which is known here, and the name, by which it
        finds the container again when the address changes. A place without a port gets the one that its slot has, when it comes
        back, or else ``port``.
        """
        with self._lock, self._configuration.alone():
            now = self._backends()
            assigned = now.admitted()
            taken = assigned.setdefault(service, {})
            requests = backend_name(self._stack, service)
            servers = {server.name: server for server in now.servers if server.backend == requests}
            # A drained container comes back into its own slot, which may still hold what it has begun.
            own = {server.fqdn: slot for slot, server in servers.items() if not server.is_free and slot not in taken}
            free = sorted((slot for slot, server in servers.items() if server.is_free and slot not in taken), key=slot_number)
            present = {container for container, _ in taken.values()}
            fresh = [name for name in places if name not in present]
            if len(free) < sum(name not in own for name in fresh):
                raise EdgeError(f"the edge has no free slot left for {', '.join(fresh)}; run this again, which makes room first")
            chosen = {own[name] if name in own else free.pop(0): name for name in fresh}
            known = {name: servers[slot].port for name, slot in own.items() if slot in servers}
            wanted = {
                slot: Place(places[name].address, places[name].port or known.get(name, port)) for slot, name in chosen.items()
            }
            taken.update({slot: (name, wanted[slot].port) for slot, name in chosen.items()})
            self._write(assigned)
            points = {f"{backend}/{slot}": slot for slot in chosen for backend in self._names(service)}
            for server, slot in points.items():
                self._socket.tell(f"set server {server} fqdn {chosen[slot]}")
            self._await_places({server: wanted[slot] for server, slot in points.items()})
            for server in points:
                self._socket.tell(f"set server {server} state ready")

    def drain(self, service: str, containers: Sequence[str]) -> None:
        """Send no new request to ``containers``; what they have begun goes on."""
        with self._lock, self._configuration.alone():
            for server in self._leave(service, containers):
                self._socket.tell(f"set server {server} state drain")

    def forget(self, service: str, containers: Sequence[str]) -> None:
        """Free the slots of ``containers``, which are gone."""
        with self._lock, self._configuration.alone():
            for server in self._leave(service, containers):
                self._free(server)

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

    def sweep(self, existing: set[str]) -> list[str]:
        """Free every slot whose container is not among ``existing``; their names."""
        with self._lock, self._configuration.alone():
            gone = [server for server in self._backends().servers if server.fqdn not in existing and not server.is_free]
            for server in gone:
                self._free(f"{server.backend}/{server.name}")
            if gone:
                self._write(self._backends().admitted())
            return sorted({server.fqdn or server.name for server in gone})

    def _await_places(self, wanted: Mapping[str, Place]) -> None:
        """Until every server (name -> place) has its place. HAProxy answers first and changes it a moment later; a server
        that is ready before sends its first request to where it pointed until then.
        """
        deadline = time.monotonic() + RESOLVE_SECONDS
        told: set[str] = set()
        while True:
            found = {f"{one.backend}/{one.name}": Place(one.address, one.port) for one in self._backends().servers}
            missing = {server: place for server, place in wanted.items() if found.get(server) != place}
            if not missing:
                return
            if time.monotonic() > deadline:
                server, place = next(iter(missing.items()))
                raise EdgeError(
                    f"the edge does not find the address {place.address} of {server} by Docker's DNS within "
                    f"{RESOLVE_SECONDS:g} s. Are the service and the edge on the same network? See: docker network inspect edge"
                )
            for server, place in missing.items():
                # Refused while a server has no address at all, because its last name has died: then DNS must give it one first.
                if server not in told:
                    with suppress(EdgeError):
                        self._socket.tell(f"set server {server} addr {place.address} port {place.port}")
                        told.add(server)
            time.sleep(POLL_SECONDS)

    def _point_route(self, key: str, service: str, exists: bool) -> None:
        backend = backend_name(self._stack, service)
        if service:
            self._socket.tell(f"{'set' if exists else 'add'} map {ROUTES_IN_HAPROXY} {key} {backend}")
        elif exists:
            self._socket.tell(f"del map {ROUTES_IN_HAPROXY} {key}")

    def _free(self, server: str) -> None:
        """An unused slot points to the edge itself: a name that lives keeps its address usable and asks no other resolver."""
        self._socket.tell(f"set server {server} state maint", f"set server {server} fqdn {OWN_NAME}")

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

    def _leave(self, service: str, containers: Sequence[str]) -> list[str]:
        """Take ``containers`` out of the file; the servers that point to them. To be called with the lock held."""
        now = self._backends()
        names = self._names(service)
        slots = [one for one in now.servers if one.backend in names and one.fqdn in containers and not one.is_free]
        assigned = now.admitted()
        assigned[service] = {slot: one for slot, one in assigned.get(service, {}).items() if one[0] not in containers}
        self._write(assigned)
        return [f"{server.backend}/{server.name}" for server in slots]

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

    @staticmethod
    def _require_free(wanted: Collection[str], others: Mapping[str, str], outcome: str = "") -> None:
        for key in sorted(set(wanted) & others.keys()):
            raise EdgeError(
                f'the route {key} leads to the stack "{others[key]}" on this host already; give one of the two another host or '
                f"path{outcome}"
            )

    def _write(self, assigned: Admitted) -> None:
        """Write what is admitted into the stack's file, whose backends stay as HAProxy has them."""
        now = self._backends()
        text = render_backends(self._stack, now.services | assigned.keys(), now.slots, assigned)
        self._configuration.write({f"stacks/{self._stack}.cfg": text})

    @property
    def _slots(self) -> int:
        """How many each service has at rest."""
        return slots_for(2 * self._replicas)

    def _contracted(self, now: Backends) -> dict[str, str]:
        admitted = {service: slots for service, slots in now.admitted().items() if service in self._services}
        used = [one for one in now.servers if not one.is_free and service_of(self._stack, one.backend) in self._services]
        slots = max([self._slots, *(slot_number(server.name) for server in used)])
        return self._files(self._services, slots, admitted, self._routes)

    def _files(
        self,
        services: Iterable[str],
        slots: int,
        admitted: Admitted,
        routes: Mapping[str, str],
    ) -> dict[str, str]:
        return {
            f"stacks/{self._stack}.cfg": render_backends(self._stack, services, slots, admitted),
            **self._map_files(routes),
        }

    def _map_files(self, routes: Mapping[str, str]) -> dict[str, str]:
        routes_dir = self._configuration.paths.conf / "routes.d"
        own = f"{self._stack}.map"
        maps = {path.name: EDGE_STACKS.text(path) for path in routes_dir.glob("*.map") if path.name != own}
        maps[own] = render_map(self._stack, routes)
        return {f"routes.d/{own}": maps[own], "routes.map": "".join(maps[name] for name in sorted(maps))}

    def _all_stats(self) -> dict[int, str]:
        """Process id of each worker still at work, 0 for the current one -> its table of counters."""
        return {0: self._socket.ask("show stat -1 4 -1"), **self._old.stats()}


def edge_settings(paths: EdgePaths) -> dict[str, str]:
    """What the edge role recorded: the image and network of the edge. Raises EdgeError when there is no edge here."""
    try:
        found = EDGE.load(paths.settings)
        return {name: str(found[name]) for name in ("image", "user")}
    except FileNotFoundError:
        raise EdgeError(
            f"this host has no edge ({paths.settings} is missing): run playbooks/provision.yml for this inventory first"
        ) from None
    except KeyError as exc:
        raise EDGE.damaged(paths.settings, f"it does not say {exc}") from exc


def _alerts(answer: str) -> str:
    alerts = [line.strip() for line in answer.splitlines() if "[ALERT]" in line]
    return " ".join(alerts) or answer.strip()
