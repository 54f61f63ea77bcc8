# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy's own language: the backends and routes that it reads. Knows no container.

Every routed service has three backends with the same servers: one for requests, one for tunnels (WebSockets), because a request
ends by itself and a tunnel does not, and a drain must tell them apart; and one without checks, which serves requests when the
checks call every server down: trying them all beats answering 503.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from ansible_collections.morpheus.deploy.plugins.module_utils.edge import route_options, route_rules
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.routes import folded, writable
from ansible_collections.morpheus.deploy.plugins.module_utils.service.routing import destination, options_of, service_at
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Service

# Of a balancer: its hosts, which alone have checks of their own.
UPSTREAMS = "upstreams"
TUNNELS = ".tunnels"
ANY = ".any"
# What a backend is for -> what its name adds to that of the service.
SUFFIXES = ("", TUNNELS, ANY)
# A free slot has no container and so no port; one that is the same for all keeps the file as it is when a service gets another.
FREE_PORT = 1
NO_ADDRESS = "0.0.0.0"


@dataclass(frozen=True)
class Place:
    """Where a container answers: its address on the edge's network, and its port there."""

    address: str
    port: int


def route_key(host: str, path: str) -> str:
    """A route as the map has it: requests for ``host`` (empty: any) whose path is ``path`` or lies below it. See ``routes``."""
    return f"{folded(host) or '*'}{path.rstrip('/')}/"


def stack_routes(services: Iterable[Service]) -> dict[str, str]:
    """Key of each route of ``stack.services`` -> its destination, see service/routing.py. Without those that a map cannot hold:
    they were accepted once, and a release that has one can be gone back to.
    """
    found = {
        route_key(route.host, path): destination(service.name, route_options.written(route, path, service.protocol))
        for service in services
        for route in service.routes
        for path in route.paths
    }
    return {key: found[key] for key in writable(found)}


def backend_name(stack: str, service: str) -> str:
    return f"{stack}.{service}"


def service_of(stack: str, backend: str) -> str:
    """The service behind one of its backends' names."""
    name = backend.removeprefix(backend_name(stack, ""))
    return next((name.removesuffix(suffix) for suffix in SUFFIXES if suffix and name.endswith(suffix)), name)


# Versions from before there were options of routes neither read nor write such a map.
OPTIONS_FORMAT = "# morpheus.deploy format 2\n"

# service -> slot -> (container name, port)
Admitted = Mapping[str, Mapping[str, tuple[str, int]]]


def render_backends(stack: str, services: Iterable[str], slots: int, admitted: Admitted, leads: Collection[str] = ()) -> str:
    """The stack's own configuration file: per service its backends, each slot with its container or empty.

    HAProxy finds a container's address by Docker's DNS, and finds it again when it changes. ``leads``: every destination (see
    service/routing.py) that a route may lead to while this file is in use; rules for their options stand in the backends.
    """
    lines = [f"# Backends of the stack {stack}. Written by morpheus.deploy with every change of what is admitted."]
    for service in sorted(services):
        name = backend_name(stack, service)
        own = admitted.get(service, {})
        options = [options_of(one) for one in leads if service_at(one) == service]
        rules, spoken = route_rules.lines(stack, options), route_rules.spoken(options)
        # Closing the server side after each answer leaves no idle connection that a stopping replica could cut.
        lines += ["", f"backend {name} from replicas", "    option http-server-close", *rules]
        lines += [_server(slot, own, spoken) for slot in slot_names(slots)]
        lines += ["", f"backend {name}{TUNNELS} from tunnels", *rules]
        lines += [_server(slot, own, f"{spoken} track {name}/{slot}") for slot in slot_names(slots)]
        lines += ["", f"backend {name}{ANY} from tunnels", "    option http-server-close", *rules]
        lines += [_server(slot, own, spoken) for slot in slot_names(slots)]
    return "\n".join(lines) + "\n"


def render_map(stack: str, routes: Mapping[str, str]) -> str:
    """Lines of the route map (``routes``: key -> destination). HAProxy takes the longest key that fits."""
    lines = "".join(f"{key} {backend_name(stack, leads)}\n" for key, leads in sorted(routes.items()))
    return f"{OPTIONS_FORMAT}{lines}" if any(map(needs_options, routes.items())) else lines


def needs_options(route: tuple[str, str]) -> bool:
    """Whether an edge of before there were options and wildcards would serve a route (key, destination) wrongly."""
    key, leads = route
    return options_of(leads) != "" or key.startswith("*.")


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
