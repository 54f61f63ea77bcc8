# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge of one host: which replicas HAProxy sends new requests to, by which routes, and what they are still busy with.

What is admitted and where routes lead changes at run time, without a reload, and is written to the stack's files first:
whenever HAProxy restarts it does what it did. A rollout expands first, so that HAProxy knows the services of both
releases; then it switches; and what nobody needs any more goes when it contracts. Only backends that come or go, and more
slots, need a reload.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from threading import RLock

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import EDGE_STACKS
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import paths, route_rules
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.backends import Backends
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.configuration import EdgeConfiguration
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.haproxy import (
    Admitted,
    Place,
    backend_name,
    render_backends,
    render_map,
    service_of,
    slot_number,
    slots_for,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.old_workers import OldWorkers
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.seen import ROUTES_IN_HAPROXY, Seen
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.sockets import Socket
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import stack_network
from ansible_collections.morpheus.deploy.plugins.module_utils.service.routing import Routing, in_order, options_of

# A file of secrets -> its users, each with the hash of a password.
Users = Callable[[str], Mapping[str, str]]
# The edge's name on its own network: that of its Compose service.
OWN_NAME = "haproxy"
# Long, because it is only for a network that is wrong: on a busy machine HAProxy and Docker's DNS take their time.
RESOLVE_SECONDS = 60.0
POLL_SECONDS = 0.01
LONGEST_POLL_SECONDS = 0.2


class Edge(Seen):
    """The edge as one stack sees it. Safe to use from several threads: services roll at the same time."""

    def __init__(
        self,
        stack: str,
        configuration: EdgeConfiguration,
        services: Iterable[str],
        routes: Mapping[str, str],
        replicas: int,
        users: Users = lambda _: {},
    ) -> None:
        """What the release wants: its routed ``services``, its ``routes`` (key, see haproxy.route_key -> destination, see
        service/routing.py) and how many ``replicas`` the largest of the services has. ``users``: of a file of secrets, by name.
        """
        super().__init__(stack, Socket(str(configuration.paths.socket)), OldWorkers(str(configuration.paths.master)))
        self._configuration = configuration
        self._services = set(services)
        self._routes = dict(routes)
        self._replicas = replicas
        self._users = users
        # Where routes have led since this expanded, and where they shall: the way back leads there, too.
        self._leads: set[str] = set()
        self._lock = RLock()

    def routing(self) -> Routing:
        """Where the routes lead now and where the release wants them. EdgeError when one of these leads to another stack."""
        everyone = self._all_routes()
        others = self._of_others(everyone)
        self._require_free(self._routes.keys(), others, ". Nothing was changed")
        own = self._own_routes(everyone)
        route_rules.require_same_protocol(own.values(), self._routes.values())
        return Routing(own, self._routes, frozenset(others))

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
            routes = self.routes()
            self._leads |= {*routes.values(), *self._routes.values()}
            return self._configuration.apply(
                self._files(self._services | now.services, slots, now.admitted(), routes, self._leads)
            )

    def contract(self) -> list[str]:
        """Take away backends, routes and slots that the release does not need. Names of changed files.

        A slot that is in use stays, and those before it.
        """
        with self._lock, self._configuration.alone():
            # As when HAProxy was restarted just before it was told to drain: nobody has this slot, so nobody would free it.
            for server in self._backends().servers:
                if not (server.is_free or server.fqdn):
                    self._free(f"{server.backend}/{server.name}")
            return self._configuration.apply(self._contracted(self._backends()))

    def own_files(self) -> list[str]:
        """Names of the files that the stack alone has here."""
        return [name for name in paths.own_files(self._stack) if (self._configuration.paths.conf / name).exists()]

    def end(self) -> None:
        """Take the stack away as a whole, when it serves nobody. HAProxy has nothing to hear of files without content."""
        if self.own_files():
            self.contract()
        with self._lock, self._configuration.alone():
            for name in self.own_files():
                (self._configuration.paths.conf / name).unlink()

    def route(self, routes: Mapping[str, str]) -> None:
        """Let new requests for each key go to a destination (empty: to none). What leads to another stack is not touched."""
        with self._lock, self._configuration.alone():
            now = self._all_routes()
            others = self._of_others(now)
            # As when both stacks were prepared before either had the route.
            self._require_free({key for key, service in routes.items() if service}, others)
            routes = {key: leads for key, leads in routes.items() if key not in others}
            own = self._own_routes(now)
            self._leads |= {*own.values(), *routes.values()} - {""}
            after = {key: leads for key, leads in {**own, **routes}.items() if leads}
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
                # At once: HAProxy takes an address away again when DNS leaves a new name without an answer, and no other one can
                # be told until DNS has given one.
                self._tell_place(server, wanted[slot])
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
        pause = POLL_SECONDS
        while True:
            found = {f"{one.backend}/{one.name}": Place(one.address, one.port) for one in self._backends().servers}
            missing = {server: place for server, place in wanted.items() if found.get(server) != place}
            if not missing:
                return
            if time.monotonic() > deadline:
                server, place = next(iter(missing.items()))
                raise EdgeError(
                    f"the edge does not find the address {place.address} of {server} by Docker's DNS within "
                    f"{RESOLVE_SECONDS:g} s. Are the service and the edge on the same network? See: docker network inspect "
                    f"{stack_network(self._stack)}"
                )
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_POLL_SECONDS)
            for server, place in missing.items():
                self._tell_place(server, place)

    def _tell_place(self, server: str, place: Place) -> None:
        # Refused while a server has no address at all, because its last name has died: then DNS must give it one first.
        self._socket.ask(f"set server {server} addr {place.address} port {place.port}")

    def _point_route(self, key: str, leads: str, exists: bool) -> None:
        if leads:
            self._socket.tell(f"{'set' if exists else 'add'} map {ROUTES_IN_HAPROXY} {key} {backend_name(self._stack, leads)}")
        elif exists:
            self._socket.tell(f"del map {ROUTES_IN_HAPROXY} {key}")

    def _free(self, server: str) -> None:
        """An unused slot points to the edge itself: a name that lives keeps its address usable and asks no other resolver."""
        self._socket.tell(f"set server {server} state maint", f"set server {server} fqdn {OWN_NAME}")

    def _leave(self, service: str, containers: Sequence[str]) -> list[str]:
        """Take ``containers`` out of the file; the servers that point to them. To be called with the lock held."""
        now = self._backends()
        names = self._names(service)
        slots = [one for one in now.servers if one.backend in names and one.fqdn in containers and not one.is_free]
        assigned = now.admitted()
        assigned[service] = {slot: one for slot, one in assigned.get(service, {}).items() if one[0] not in containers}
        self._write(assigned)
        return [f"{server.backend}/{server.name}" for server in slots]

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
        self._leads |= set(self.routes().values())
        text = render_backends(self._stack, now.services | assigned.keys(), now.slots, assigned, self._leads)
        self._configuration.write({paths.stack_file(self._stack): text})

    @property
    def _slots(self) -> int:
        """How many each service has at rest."""
        return slots_for(2 * self._replicas)

    def _contracted(self, now: Backends) -> dict[str, str]:
        admitted = {service: slots for service, slots in now.admitted().items() if service in self._services}
        used = [one for one in now.servers if not one.is_free and service_of(self._stack, one.backend) in self._services]
        slots = max([self._slots, *(slot_number(server.name) for server in used)])
        return self._files(self._services, slots, admitted, self._routes, set(self._routes.values()))

    def _files(
        self,
        services: Iterable[str],
        slots: int,
        admitted: Admitted,
        routes: Mapping[str, str],
        leads: Collection[str],
    ) -> dict[str, str]:
        return {
            paths.stack_file(self._stack): render_backends(self._stack, services, slots, admitted, leads),
            **self._user_files(leads),
            **self._map_files(routes),
        }

    def _user_files(self, leads: Collection[str]) -> dict[str, str]:
        """Empty where nobody has ever asked for users."""
        name = paths.users_file(self._stack)
        lists = route_rules.user_lists(map(options_of, leads))
        there = (self._configuration.paths.conf / name).exists()
        return {name: route_rules.render_users(self._stack, {one: self._users(one) for one in lists})} if lists or there else {}

    def _map_files(self, routes: Mapping[str, str]) -> dict[str, str]:
        own, conf = paths.map_file(self._stack), self._configuration.paths.conf
        found = {f"{paths.MAPS}/{path.name}": path for path in (conf / paths.MAPS).glob("*.map")}
        maps = {name: EDGE_STACKS.text(path) for name, path in found.items() if name != own}
        maps[own] = render_map(self._stack, routes)
        return {own: maps[own], "routes.map": "".join(maps[name] for name in sorted(maps))}
