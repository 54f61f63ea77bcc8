# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service and its routes may ask of the edge only together, or only with secrets. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import schema
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import route_rules


def problems(path: str, service: Mapping[str, Any]) -> list[str]:
    """``path``: of the service."""
    protocol, routes = service.get("protocol") or "", service.get("routes") or []
    found = []
    if protocol not in ("", route_rules.H2):
        found.append(
            f'{path}.protocol: "{protocol}" is none that the edge speaks; write {route_rules.H2} for HTTP/2 in plain, as gRPC '
            "does, or leave it out for HTTP/1.1"
        )
    elif protocol and not routes:
        found.append(f"{path}.protocol: does nothing without routes, because the edge never asks the service; remove it")
    for number, route in enumerate(routes):
        for option in ("request_headers", "response_headers"):
            texts = (route.get(option) or {}).items()
            odd = [name for name, value in texts if value is not None and not isinstance(value, str)]
            found += [f"{path}.routes[{number}].{option}.{name}: must be a string; quote it" for name in odd]
    served = [(number, route) for number, route in enumerate(routes) if not route.get("redirect")]
    without = [number for number, route in served if not route.get("compression")]
    if without and len(without) < len(served):
        found.append(
            f"{path}.routes[{without[0]}].compression: is on for other routes of the service, and the edge compresses for all "
            "of them or for none; write compression: true for each, or move some to a service of their own"
        )
    return found


def user_problems(services: Sequence[Mapping[str, Any]], secrets: Mapping[str, Any], shape: Sequence[str] = ()) -> list[str]:
    """Of routes that ask for a user. ``secrets``: stack_secrets; ``shape``: what schema.typed says. Never holds a value."""
    if not schema.is_well(shape, "stack.services", "stack_secrets"):
        return []
    asked: dict[str, str] = {}
    for number, service in enumerate(services):
        for index, route in enumerate(service.get("routes") or []):
            if route.get("basic_auth"):
                asked.setdefault(route["basic_auth"], f"stack.services[{number}].routes[{index}].basic_auth")
    return [problem for name, place in asked.items() for problem in _list_problems(name, place, secrets.get(name))]


def _list_problems(name: str, place: str, users: Any) -> list[str]:
    mend = f"write a user and the hash of a password, as openssl passwd -6 prints it, below stack_secrets.{name}"
    if users is None:
        return [f'{place}: stack_secrets has no file "{name}"; {mend}']
    if not isinstance(users, Mapping):
        # A problem of its own.
        return []
    if not users:
        return [f"{place}: stack_secrets.{name} names no user, so nobody would be let in; {mend}"]
    hashes = {user: value for user, value in users.items() if isinstance(value, str)}
    found = {user: route_rules.hash_problem(value) for user, value in hashes.items()}
    return [f"stack_secrets.{name}.{user}: {problem} ({place})" for user, problem in found.items() if problem]
