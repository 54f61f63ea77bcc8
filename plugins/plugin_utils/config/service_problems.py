# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The services of a stack as they are configured: what is wrong with names, ports, routes and health, and what a release has."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import schema
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import haproxy, route_options, routes
from ansible_collections.morpheus.deploy.plugins.module_utils.egress.rules import KINDS
from ansible_collections.morpheus.deploy.plugins.module_utils.health import gate
from ansible_collections.morpheus.deploy.plugins.module_utils.service.route import Route
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import HealthCheck
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import routed_service

_HOST = re.compile(r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[\x20-\x7e\t]*")
# Headers that the gate writes itself -> what to do instead.
_ELSEWHERE = {
    "host": "write {path}.host",
    "x-forwarded-proto": "write {path}.scheme",
    **dict.fromkeys(("connection", "content-length", "transfer-encoding"), "belongs to the gate's own request; remove it"),
}


def problems(services: Sequence[Mapping[str, Any]], shape: Sequence[str] = ()) -> list[str]:
    """What is wrong with ``stack.services`` by itself, whatever the Compose files say. ``shape``: what schema.typed says."""
    seen: dict[str, int] = {}
    is_well = schema.is_well(shape, "stack.services")
    found = [*_route_problems(services), *(_redirect_problems(services) if is_well else [])]
    for number, service in enumerate(services):
        path = f"stack.services[{number}]"
        name = service.get("name")
        if name in seen:
            found.append(f'{path}.name: "{name}" is already used by stack.services[{seen[name]}]')
        seen.setdefault(str(name), number)
        if service.get("port") is None and (service.get("routes") or service.get("health")):
            found.append(f"{path}.port: required; the port on which a replica listens inside its container")
        if isinstance(service.get("port"), int) and not 0 < service["port"] < 65536:
            found.append(f"{path}.port: {service['port']} is not a port")
        if service.get("deadline_seconds") and service.get("health"):
            found.append(f"{path}.deadline_seconds: is for services without health; write {path}.health.deadline_seconds")
        suffix = next((one for one in haproxy.SUFFIXES if one and str(name).endswith(one)), "")
        if service.get("routes") and suffix:
            found.append(f'{path}.name: "{name}" ends with "{suffix}", which the edge adds to names itself; rename the service')
        if service.get("routes") and not service.get("health"):
            found.append(
                f"{path}.health: required, because the service is routed: without it nobody can tell when a replica may serve"
            )
        found += _own_routes(path, [Route.of(one) for one in service.get("routes") or []], shape)
        found += routed_service.problems(path, service) if is_well else []
        if service.get("health"):
            found += _health_problems(f"{path}.health", service["health"])
            found += _asking_problems(f"{path}.health", service["health"])
    return found


def _own_routes(path: str, own: Sequence[Route], shape: Sequence[str]) -> list[str]:
    """``path``: of the service."""
    found = [*routes.problems(path, own)]
    for index, route in enumerate(own):
        here = f"{path}.routes[{index}]"
        found += route_options.problems(here, route) if schema.is_well(shape, here) else []
    if own and schema.is_well(shape, "stack.services") and all(route.redirect for route in own):
        found.append(
            f"{path}.routes: every route redirects, so nobody reaches the service; give it one without redirect, or move "
            "these to a service that has one"
        )
    return found


def _redirect_problems(services: Sequence[Mapping[str, Any]]) -> list[str]:
    places: dict[str, str] = {}
    found: dict[str, Route] = {}
    for number, service in enumerate(services):
        for index, route in enumerate(map(Route.of, service.get("routes") or [])):
            for prefix in () if route_options.problems("", route) else route.paths:
                key = haproxy.route_key(route.host, prefix)
                places[key], found[key] = f"stack.services[{number}].routes[{index}]", route
    return [
        f"{places[key]}.redirect: sends requests for {key} to {target}, which this very redirect meets again, for ever; give "
        f"{target.partition('/')[0]} a route of its own, or redirect elsewhere"
        for key, target in route_options.loops(found).items()
    ]


def _route_problems(services: Sequence[Mapping[str, Any]]) -> list[str]:
    found: list[str] = []
    taken: dict[str, tuple[str, str]] = {}
    for number, service in enumerate(services):
        for index, route in enumerate(service.get("routes") or []):
            for prefix in route.get("paths") or []:
                here = f"stack.services[{number}].routes[{index}]"
                key = haproxy.route_key(route.get("host") or "", prefix)
                owner, place = taken.setdefault(key, (str(service.get("name")), here))
                if owner != str(service.get("name")):
                    found.append(f'{here}: "{prefix}" of this host is already taken by {place}')
    return found


def _health_problems(path: str, health: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    if health["path"] and not health["path"].startswith("/"):
        found.append(f'{path}.path: "{health["path"]}" must start with "/"')
    for key in ("version", "expect"):
        problem = gate.expression_problem(health[key]) if health[key] else ""
        if problem:
            found.append(f'{path}.{key}: "{health[key]}" is not a JMESPath expression: {problem}')
    for key in ("successes", "timeout_seconds", "deadline_seconds"):
        if health[key] == 0:
            found.append(f"{path}.{key}: must be more than 0")
    numbers = [health[key] for key in ("successes", "interval_seconds", "deadline_seconds")]
    if all(numbers) and health["deadline_seconds"] <= health["successes"] * health["interval_seconds"]:
        found.append(
            f"{path}.deadline_seconds: {health['deadline_seconds']:g} s is too short for {health['successes']} "
            f"answers, {health['interval_seconds']:g} s apart"
        )
    return found


def _asking_problems(path: str, health: Mapping[str, Any]) -> list[str]:
    """Of how a replica is asked: what a request cannot hold, and what has a place of its own."""
    found: list[str] = []
    if health["host"] and not _HOST.fullmatch(health["host"]):
        found.append(f'{path}.host: "{health["host"]}" is not a host name such as shop.example, with or without a port')
    if health["port"] is not None and not 0 < health["port"] < 65536:
        found.append(f"{path}.port: {health['port']} is not a port")
    if health["scheme"] not in ("", "http", "https"):
        found.append(
            f'{path}.scheme: "{health["scheme"]}" is not one of http, https; it is what X-Forwarded-Proto says, and '
            "replicas are asked in plain as the edge asks them"
        )
    for name, value in (health["headers"] or {}).items():
        place = _ELSEWHERE.get(str(name).lower())
        if place:
            found.append(f"{path}.headers.{name}: {place.format(path=path)}")
        elif not _HEADER.fullmatch(str(name)):
            found.append(f"{path}.headers.{name}: is not a valid name of a header")
        elif not isinstance(value, str) or not _VALUE.fullmatch(value):
            found.append(f"{path}.headers.{name}: must be a string on one line; quote it")
    return found


def failing_seconds(health: Mapping[str, Any] | None) -> float | None:
    """See HealthCheck; 0 where it has no such numbers, which is a problem of its own."""
    if not health:
        return None
    numbers = ("successes", "interval_seconds", "timeout_seconds")
    return HealthCheck.of({**health, **{name: health.get(name) or 0 for name in numbers}}).failing_seconds


def egress(words: Sequence[str]) -> list[str]:
    """Of ``stack.egress``."""
    return [
        f'stack.egress[{number}]: "{word}" is not one of {", ".join(sorted(KINDS))}'
        for number, word in enumerate(words)
        if word not in KINDS
    ]
