# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services of a Compose file users reach: by a published port, by a label of Traefik, or by a health check. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected import known_images
from ansible_collections.morpheus.deploy.plugins.plugin_utils.new_environment import compose_says

# What does the edge's work in many projects.
PROXIES = ("traefik", "nginx-proxy", "caddy", "nginx-proxy-manager", "swag", "acme-companion")
# Debuggers, databases and queues: nothing that a browser asks.
_NO_HTTP = frozenset({21, 22, 25, 53, 465, 587, 1433, 1883, 2375, 4222, 5432, 5671, 5672, 6379, 9042, 9092, 9229, 11211, 27017})
_LABEL = re.compile(r"traefik\.http\.services\.[^.]+\.loadbalancer\.server\.port=(\d+)\Z")


@dataclass(frozen=True)
class Published:
    """``address``: empty for all of the host's; ``port``: inside the container, 0 for what only a host can tell."""

    address: str
    port: int


def published(service: Mapping[str, Any]) -> list[Published]:
    entries = service.get("ports")
    return [_published(entry) for entry in entries] if isinstance(entries, list) else []


def _published(entry: Any) -> Published:
    if isinstance(entry, Mapping):
        return Published(str(entry.get("host_ip") or ""), _number(entry.get("target")))
    text, _, protocol = str(entry).partition("/")
    if protocol == "udp":
        return Published("", 0)
    # What stands in ${...} may have a colon of its own.
    parts = re.findall(r"(?:\$\{[^}]*\}|\[[^\]]*\]|[^:])+", text)
    return Published(parts[0] if len(parts) > 2 else "", _number(parts[-1] if parts else ""))


def _number(value: Any) -> int:
    return int(value) if str(value).isdigit() else 0


def is_proxy(service: Mapping[str, Any]) -> bool:
    name = str(service.get("image") or "").partition("@")[0].rpartition("/")[2].partition(":")[0]
    return name in PROXIES


def ports(services: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Service -> the port inside the container that users reach."""
    running = {name: one for name, one in services.items() if not is_proxy(one)}
    found = {name: port for name, one in running.items() if (port := _port(one))}
    if found:
        return found
    asked = {name: port for name, one in running.items() for port, path in compose_says.asked(one) if port and path}
    return asked if len(asked) == 1 else {}


def _port(service: Mapping[str, Any]) -> int:
    known = known_images.needs(str(service.get("image") or ""))
    closed = _NO_HTTP | (set(known.ports) - {80} if known else set())
    open_ports = [one.port for one in published(service) if not one.address and one.port and one.port not in closed]
    labelled = list(_labelled(service))
    candidates = labelled or open_ports
    checked = [port for port, _ in compose_says.asked(service) if port in candidates]
    return next(iter([*checked, *candidates]), 0)


def _labelled(service: Mapping[str, Any]) -> Iterator[int]:
    labels = service.get("labels")
    lines = [f"{key}={value}" for key, value in labels.items()] if isinstance(labels, Mapping) else labels
    for line in lines if isinstance(lines, list) else []:
        if found := _LABEL.match(str(line)):
            yield int(found[1])


def health(service: Mapping[str, Any]) -> str:
    """The path that the service's own health check asks; empty when it does not say one."""
    paths = {path for _, path in compose_says.asked(service) if path}
    return paths.pop() if len(paths) == 1 else ""
