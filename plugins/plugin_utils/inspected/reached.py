# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services of a Compose file users reach: by a published port, by what a proxy is told, or by a health check. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import image_name, interpolation
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import data as compose_data
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import known_images
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected import labels
from ansible_collections.morpheus.deploy.plugins.plugin_utils.new_environment import compose_says

# What does the edge's work in many projects.
PROXIES = (
    *("traefik", "nginx-proxy", "caddy", "nginx-proxy-manager", "swag", "acme-companion", "caddy-docker-proxy", "https-portal"),
    *("letsencrypt-nginx-proxy-companion", "docker-gen"),
)
# Parts of names of images that a team makes of these, and of services that run them.
_PARTS = frozenset({"traefik", "caddy"})
_WEB = frozenset({80, 443})
_SOCKET = "/docker.sock"
# Debuggers, databases and queues: nothing that a browser asks.
_NO_HTTP = frozenset(
    {
        *(21, 22, 25, 53, 110, 143, 389, 465, 587, 636, 993, 995, 1025, 1433, 1521, 1883, 2181, 2375, 2379, 3306, 4222, 4317),
        *(5044, 5432, 5671, 5672, 6379, 6432, 6543, 7687, 8123, 8883, 9042, 9092, 9200, 9229, 9300, 11211, 24224, 27017, 33060),
        50051,
    }
)
# Images, by the last part of their names, that answer HTTP to other services only.
_STORES = frozenset(
    {
        *("clickhouse", "clickhouse-server", "elasticsearch", "opensearch", "qdrant", "influxdb", "couchdb", "etcd", "zookeeper"),
        *("kafka", "cp-kafka", "cp-zookeeper", "redpanda", "nats", "eclipse-mosquitto", "neo4j", "cassandra"),
        *("milvus", "weaviate", "chroma"),
        *("node-exporter", "postgres-exporter", "redis_exporter", "cadvisor"),
    }
)


@dataclass(frozen=True)
class Published:
    """``address``: empty for all of the host's; ``port``: inside the container, 0 for what only a host can tell."""

    address: str
    port: int


def published(service: Mapping[str, Any]) -> list[Published]:
    entries = service.get("ports")
    return [_published(entry) for entry in entries] if isinstance(entries, list) else []


def _published(entry: Any) -> Published:
    address, port = _parts(entry)
    return Published(address, _number(port))


def _parts(entry: Any) -> tuple[str, str]:
    """Address of the host, and port inside the container, as 80 or 53/udp."""
    if isinstance(entry, Mapping):
        address, port, protocol = str(entry.get("host_ip") or ""), str(entry.get("target")), str(entry.get("protocol") or "tcp")
    else:
        text, _, protocol = str(entry).partition("/")
        # What stands in ${...} may have a colon of its own.
        parts = re.findall(r"(?:\$\{[^}]*\}|\[[^\]]*\]|[^:])+", text)
        address, port = parts[0] if len(parts) > 2 else "", parts[-1] if parts else ""
    return _address(address), f"{port}/udp" if protocol == "udp" else port


def others(service: Mapping[str, Any], seen: Mapping[str, Any], port: int) -> list[tuple[Any, str]]:
    """What a routed service publishes beside its port and that of HTTPS: as it is written, and the port. ``seen``: it with
    variables in place; 0 is a port that nobody knows.
    """
    given = service.get("ports")
    pairs = zip(given, seen["ports"], strict=True) if isinstance(given, list) else ()
    found = [(entry, _parts(one)[1]) for entry, one in pairs]
    return [(entry, inside) for entry, inside in found if inside not in ("0", "443", "443/udp", str(port))]


def _address(text: str) -> str:
    return "" if text in ("0.0.0.0", "[::]", "::") else text


def _number(value: Any) -> int:
    return int(value) if str(value).isdigit() else 0


def resolved(services: Mapping[str, Mapping[str, Any]], known: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
    """``services`` with variables in place where they publish ports; 0 where neither ``known`` nor a default gives one."""

    def filled(entry: Any) -> Any:
        if isinstance(entry, Mapping):
            return {key: filled(value) for key, value in entry.items()}
        if not isinstance(entry, str):
            return entry
        unknown = {one.name: "0" for one in interpolation.interpolated(entry, known).missing}
        return interpolation.interpolated(entry, {**unknown, **known}).text

    return {
        name: {**one, "ports": [filled(entry) for entry in one["ports"]]} if isinstance(one.get("ports"), list) else one
        for name, one in services.items()
    }


def is_proxy(name: str, service: Mapping[str, Any]) -> bool:
    """By its image; or, where that is a team's own, by its name and ports; or because it looks for services by itself."""
    image = _image(service)
    if image in PROXIES:
        return True
    open_ports = {one.port for one in published(service) if not one.address}
    named = {*re.split(r"[-_.]", f"{name}-{image}".lower())} & _PARTS or name in PROXIES
    asks = any(one.source.endswith(_SOCKET) for one in compose_data.mounts(service))
    return bool((named and open_ports & _WEB) or (asks and open_ports >= _WEB))


def is_store(service: Mapping[str, Any]) -> bool:
    image = _image(service)
    known = known_images.needs(image)
    return image in _STORES or bool(known and known.data)


def ports(services: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Service -> the port inside the container that users reach."""
    running = {name: one for name, one in services.items() if not is_proxy(name, one)}
    found = {name: port for name, one in running.items() if (port := _port(one, ("",)))}
    if found:
        return found
    # A proxy of the host itself asks there.
    found = {name: port for name, one in running.items() if (port := _port(one, ("127.0.0.1", "localhost", "[::1]", "::1")))}
    if found:
        return found
    asked = {
        name: port
        for name, one in running.items()
        for port, path in compose_says.asked(one)
        if port and path and not is_store(one)
    }
    return asked if len(asked) == 1 else {}


def candidates(services: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Those that a person may mean, where nothing says which one users reach."""
    return [
        name
        for name, one in services.items()
        if not is_proxy(name, one) and not is_store(one) and not one.get("profiles") and one.get("restart") not in ("no", False)
    ]


def _port(service: Mapping[str, Any], addresses: Collection[str]) -> int:
    if is_store(service) and not labels.is_routed(service):
        return 0
    known = known_images.needs(str(service.get("image") or ""))
    closed = _NO_HTTP | (set(known.ports) - {80} if known else set())
    told = labels.ports(service) or _exposed(service)
    open_ports = [one.port for one in published(service) if one.address in addresses and one.port and one.port not in closed]
    found = told or open_ports
    checked = [port for port, _ in compose_says.asked(service) if port in found]
    return next(iter([*checked, *found]), 0)


def _exposed(service: Mapping[str, Any]) -> list[int]:
    """Where a proxy asks a service that does not say it to the proxy."""
    if not labels.is_routed(service):
        return []
    listed = service.get("expose")
    found = [_number(str(one).partition("/")[0]) for one in listed] if isinstance(listed, list) else []
    if len(found) == 1:
        return found
    return [80] if labels.is_by_variable(service) else []


def _image(service: Mapping[str, Any]) -> str:
    return image_name.parse(str(service.get("image") or "")).name


def health(service: Mapping[str, Any]) -> str:
    """The path that the service's own health check asks; empty when it does not say one."""
    paths = {path for _, path in compose_says.asked(service) if path}
    return paths.pop() if len(paths) == 1 else ""
