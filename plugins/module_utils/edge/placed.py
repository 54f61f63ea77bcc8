# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts a balancer asks for a route that not all of them have.

placed/<stack>.json     what the balancer was told of a stack: its routes, each with the hosts that have it
conf/placed.map         of all stacks: route -> backend; empty as long as every route is on every host
conf/stacks/_placed.cfg those backends, one for each set of hosts

A route has its key as in the map of a host's edge (haproxy.route_key), so the longest one decides here as it does there. What a
stack was told is written last: as long as a file says otherwise, the next run has something to tell.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import Clock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import EDGE_BASE, PLACED, DamagedError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import HAPROXY_DIRECTORY
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.configuration import EdgeConfiguration
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.haproxy import UPSTREAMS
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.old_workers import OldWorkers
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.routes import writable

MAP, CONFIG, RECORDS = "placed.map", "stacks/_placed.cfg", "placed"
PREFIX, ANY = "placed.", ".any"
GUARDED = "guarded"
# An idle connection of a user lives for 75 s (timeout http-keep-alive), and what is under way by then is its last request.
IDLE_SECONDS = 80.0
POLL_SECONDS = 0.2
TOO_OLD = (
    "this balancer was set up before it could ask some hosts only, and this release has a route that some hosts do not; run "
    "playbooks/provision.yml --tags edge for this inventory, which drops no request; then run this again. Nothing was changed"
)


@dataclass(frozen=True)
class Route:
    """``hosts``: those that have it. ``guarded``: whether it says who may come (edge/route_rules.py)."""

    hosts: frozenset[str]
    guarded: bool = False


# Key of a route -> Route
Routes = Mapping[str, Route]


def routes_of(given: Mapping[str, Mapping[str, object]]) -> dict[str, Route]:
    """As ``as_given`` has them."""
    found = {}
    for key, one in given.items():
        hosts = one["hosts"]
        if not isinstance(hosts, list):
            raise TypeError(f"the hosts of {key} are no list")
        found[str(key)] = Route(frozenset(map(str, hosts)), one.get("guarded") is True)
    return {key: found[key] for key in writable(found)}


def as_given(routes: Routes) -> dict[str, dict[str, object]]:
    return {key: {"hosts": sorted(one.hosts), "guarded": one.guarded} for key, one in sorted(routes.items())}


class Upstreams:
    """The hosts of a balancer, as its haproxy.cfg has them. Of an edge that is no balancer there are none."""

    def __init__(self, text: str) -> None:
        """``text``: of haproxy.cfg."""
        self.knows = f"{HAPROXY_DIRECTORY}/{MAP}" in text
        self._lines: dict[str, list[str]] = {}
        within = False
        for line in text.splitlines():
            words = line.split()
            if line and not line.startswith((" ", "#")):
                within = line.startswith(f"backend {UPSTREAMS} ")
            elif within and words[:1] in (["use-server"], ["server"]):
                self._lines.setdefault(words[1], []).append(line)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._lines)

    def files(self, stacks: Mapping[str, Routes]) -> dict[str, str]:
        """Name -> content. ``stacks``: what the balancer is told of each."""
        merged = self._merged(stacks)
        sets = {one.hosts for _, one in merged.values()} - {self.names}
        if not sets:
            return {MAP: "", CONFIG: ""}
        lines = [f"{key} {self._value(names, one)}\n" for key, (names, one) in sorted(merged.items())]
        backends = [text for hosts in sorted(sets, key=sorted) for text in self._backends(hosts)]
        return {MAP: "".join(lines), CONFIG: "".join(f"{one}\n" for one in backends)}

    def _merged(self, stacks: Mapping[str, Routes]) -> dict[str, tuple[str, Route]]:
        """Key -> stacks that have it, and hosts of this balancer on which one does. Without those that none of them has."""
        found: dict[str, tuple[str, Route]] = {}
        for stack, routes in sorted(stacks.items()):
            for key, one in routes.items():
                names, before = found.get(key, ("", Route(frozenset())))
                hosts = (one.hosts & self.names) | before.hosts
                if hosts:
                    found[key] = (f"{names},{stack}" if names else stack, Route(hosts, one.guarded or before.guarded))
        return found

    def _value(self, stacks: str, route: Route) -> str:
        backend = UPSTREAMS if route.hosts == self.names else backend_name(route.hosts)
        return "|".join([backend, stacks, *([GUARDED] if route.guarded else [])])

    def _backends(self, hosts: frozenset[str]) -> list[str]:
        """As the balancer's own: one whose servers follow the checks of all, and one for when they call each of them down."""
        name = backend_name(hosts)
        lines = [line for host in sorted(hosts) for line in self._lines[host]]
        servers = [line for line in lines if line.split()[0] == "server"]
        return [
            f"backend {name} from {UPSTREAMS}",
            *(line for line in lines if line not in servers),
            *(f"{line} track {UPSTREAMS}/{line.split()[1]}" for line in servers),
            "",
            f"backend {name}{ANY} from {UPSTREAMS}",
            *servers,
            "",
        ]


def backend_name(hosts: Iterable[str]) -> str:
    return PREFIX + hashlib.sha256(" ".join(sorted(hosts)).encode()).hexdigest()[:8]


class Placed:
    """What the balancer of this host was told of routes that not all hosts have."""

    def __init__(self, paths: EdgePaths) -> None:
        self._paths = paths

    @property
    def upstreams(self) -> Upstreams:
        try:
            return Upstreams(EDGE_BASE.text(self._paths.conf / "haproxy.cfg", "replace"))
        except (FileNotFoundError, DamagedError):
            return Upstreams("")

    def told(self) -> dict[str, dict[str, Route]]:
        """Stack -> its routes. Raises DamagedError."""
        return {name: self._read(name) for name in self._stacks()}

    def readable(self) -> dict[str, dict[str, Route]]:
        """As ``told``; where a record was lost or is damaged, what the map still says."""
        found = self._mapped()
        for name in self._stacks():
            with suppress(DamagedError):
                found[name] = self._read(name)
        return found

    def files(self, config: str) -> dict[str, str]:
        """Those files beside a new haproxy.cfg (its text). Raises DamagedError."""
        upstreams = Upstreams(config)
        if not upstreams.knows:
            return {name: "" for name in (MAP, CONFIG) if (self._paths.conf / name).exists()}
        stacks = {**self._mapped(), **self.told()}
        self._require_whole(stacks)
        return upstreams.files(stacks)

    def problems(self) -> list[str]:
        """In words, each with what mends it."""
        upstreams = self.upstreams
        if not upstreams.knows:
            return []
        try:
            told = self.told()
            self._require_whole(told)
            wanted = upstreams.files(told)
            other = [self._paths.conf / name for name, text in wanted.items() if self._text(name) != text]
        except (DamagedError, EdgeError) as exc:
            return [str(exc)]
        return [
            f"{path} does not say which hosts are asked for routes that not all have: run playbooks/provision.yml --tags edge "
            "for this inventory, which restores it, or deploy the live release again"
            for path in other
            # One that is missing and keeps HAProxy from starting is told of with the others (drift.py).
            if path.exists() or path.name != MAP
        ]

    def differs(self, stack: str, routes: Routes) -> bool:
        """Whether ``tell`` would change anything. A record of this stack that is damaged is one that says something else."""
        try:
            told = self._read(stack)
        except DamagedError:
            return True
        wanted = self.upstreams.files({**self._others(stack), stack: routes})
        return told != routes or any(self._text(name) != text for name, text in wanted.items())

    def tell(self, configuration: EdgeConfiguration, stack: str, routes: Routes, clock: Clock, *, settle: bool) -> bool:
        """Ask only the hosts of ``routes`` for each of the stack's routes; whether that is new. ``settle``: wait until nobody
        comes any more who is led by what was said before."""
        with configuration.alone():
            upstreams = self.upstreams
            if not upstreams.knows:
                raise EdgeError(TOO_OLD)
            self._require_known(upstreams, routes)
            others = self._others(stack)
            self._require_whole({**others, stack: routes})
            if not self.differs(stack, routes):
                return False
            if not configuration.apply(upstreams.files({**others, stack: routes})):
                configuration.reload()  # A run that was killed before it did so has left the files.
            if settle:
                self._settle(clock)
            self._write(stack, routes)
            return True

    def _require_known(self, upstreams: Upstreams, routes: Routes) -> None:
        known = upstreams.names
        foreign = sorted({host for one in routes.values() if not one.hosts & known for host in one.hosts})
        if foreign:
            raise EdgeError(
                f"edge_upstreams of this balancer names none of {', '.join(foreign)} (it has {', '.join(sorted(known))}), and a "
                "route leads to these alone; name hosts there as the inventory does. Nothing was changed"
            )

    def _require_whole(self, stacks: Mapping[str, Routes]) -> None:
        """The map says whose each route is: so a record that was lost is noticed, before what it said is."""
        values = [value.split("|") for _, value in self._entries()]
        named = {name for value in values if len(value) > 1 for name in value[1].split(",")}
        for name in sorted(named - {*stacks}):
            raise EdgeError(
                f"{self._record(name)} is missing, so nobody can tell which hosts have the routes of {name}: deploy the live "
                "release of that stack, which tells it. Nothing was changed"
            )

    def _settle(self, clock: Clock) -> None:
        """A worker from before the reload takes one more request of each connection that is open, and goes by the old map."""
        old = OldWorkers(str(self._paths.master))
        deadline = clock.now() + IDLE_SECONDS
        while self._paths.master.exists() and old.clients() and clock.now() < deadline:
            clock.sleep(POLL_SECONDS)

    def _others(self, stack: str) -> dict[str, dict[str, Route]]:
        others = {name: self._read(name) for name in self._stacks() if name != stack}
        return {**{name: routes for name, routes in self._mapped().items() if name != stack}, **others}

    def _mapped(self) -> dict[str, dict[str, Route]]:
        """What the map and its backends say: nobody else's run changes it, so a record that was lost can be read from them."""
        hosts, name = {UPSTREAMS: set(self.upstreams.names)}, ""
        for line in self._text(CONFIG).splitlines():
            words = line.split()
            if words[:1] == ["backend"]:
                name = words[1]
            elif words[:1] == ["server"]:
                hosts.setdefault(name, set()).add(words[1])
        found, unknown = dict[str, dict[str, Route]](), set[str]()
        for key, value in self._entries():
            backend, _, rest = value.partition("|")
            stacks, _, guarded = rest.partition("|")
            for stack in filter(None, stacks.split(",")):
                if backend not in hosts:
                    unknown.add(stack)
                else:
                    found.setdefault(stack, {})[key] = Route(frozenset(hosts[backend]), guarded == GUARDED)
        return {stack: routes for stack, routes in found.items() if stack not in unknown}

    def _entries(self) -> list[tuple[str, str]]:
        """Of the map, as far as it is whole."""
        return [(words[0], words[1]) for line in self._text(MAP).splitlines() if len(words := line.split()) == 2]

    def _stacks(self) -> list[str]:
        return sorted(path.stem for path in (self._paths.root / RECORDS).glob("*.json"))

    def _record(self, stack: str) -> Path:
        return self._paths.root / RECORDS / f"{stack}.json"

    def _read(self, stack: str) -> dict[str, Route]:
        path = self._record(stack)
        try:
            return routes_of(PLACED.load(path)["routes"])
        except FileNotFoundError:
            return {}
        except (KeyError, TypeError, AttributeError) as exc:
            raise PLACED.damaged(path, f"it does not say {exc}") from exc

    def _write(self, stack: str, routes: Routes) -> None:
        path = self._record(stack)
        if not routes:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, json.dumps(PLACED.numbered({"routes": as_given(routes)}), indent=2) + "\n", mode=0o644)

    def _text(self, name: str) -> str:
        try:
            return EDGE_BASE.text(self._paths.conf / name, "replace")
        except FileNotFoundError:
            return ""
