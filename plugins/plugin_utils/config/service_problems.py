# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""The services of a stack as they are configured: what is wrong with names, ports, routes and health, and what a release has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import schema
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import haproxy, route_options, routes
from ansible_collections.morpheus.deploy.plugins.module_utils.health import gate
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Route

# What every route of a release says. Without the options that it does not use it is the one that it was before there were any.
_OF_EVERY_ROUTE = ("host", "paths")


def released(services: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What of ``stack.services`` is a part of the release."""
    return [
        {**service, "routes": [_released_route(route) for route in service["routes"]]} if service.get("routes") else {**service}
        for service in services
    ]


def _released_route(route: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in route.items() if value or name in _OF_EVERY_ROUTE}


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
        if isinstance(service.get("port"), int) and not 0 < service["port"] < 65536:
            found.append(f"{path}.port: {service['port']} is not a port")
        suffix = next((one for one in haproxy.SUFFIXES if one and str(name).endswith(one)), "")
        if service.get("routes") and suffix:
            found.append(f'{path}.name: "{name}" ends with "{suffix}", which the edge adds to names itself; rename the service')
        if service.get("routes") and not service.get("health"):
            found.append(
                f"{path}.health: required, because the service is routed: without it nobody can tell when a replica may serve"
            )
        own = [Route.of(one) for one in service.get("routes") or []]
        found += routes.problems(path, own)
        for index, route in enumerate(own):
            here = f"{path}.routes[{index}]"
            found += route_options.problems(here, route) if schema.is_well(shape, here) else []
        if is_well and own and all(route.redirect for route in own):
            found.append(
                f"{path}.routes: every route redirects, so nobody reaches the service; give it one without redirect, or move "
                "these to a service that has one"
            )
        if service.get("health"):
            found += _health_problems(f"{path}.health", service["health"])
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
                    found.append(f'{here}: "{prefix}" of this host is taken already by {place}')
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
