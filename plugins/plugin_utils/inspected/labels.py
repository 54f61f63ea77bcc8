# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What services say to the proxy that the edge replaces: labels that Traefik reads, variables that nginx-proxy reads. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import interpolation
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected import routers
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.routers import Match

_PORT = re.compile(r"traefik\.http\.services\.[^.]+\.loadbalancer\.server\.port\Z")
_STICKY = re.compile(r"traefik\.http\.services\.[^.]+\.loadbalancer\.sticky\.cookie(\.|\Z)")
_RULE = re.compile(r"traefik\.http\.routers\.[^.]+\.rule\Z")
_USED = re.compile(r"traefik\.http\.routers\.[^.]+\.middlewares\Z")
_MIDDLEWARE = re.compile(r"traefik\.http\.middlewares\.(?P<name>[^.]+)\.(?P<kind>[A-Za-z]+)(?:\.(?P<option>[\w.]+))?\Z")
_NETWORK = "traefik.docker.network"
_NO = ("false", "0", "no")
# A name of which the last part is a variable: api.${DOMAIN}.
_ENDS_IN_VARIABLE = re.compile(r"(?:[A-Za-z0-9-]+\.)*(?P<variable>\$\{[A-Za-z_][A-Za-z0-9_]*[^{}]*\}|\$[A-Za-z_][A-Za-z0-9_]*)\Z")
# Kind of a middleware -> the option of a route that does it.
_OPTIONS = {
    "basicauth": "basic_auth",
    "buffering": "max_body",
    "compress": "compression",
    "headers": "request_headers, response_headers or hsts",
    "ipallowlist": "allow",
    "ipwhitelist": "allow",
    "redirectregex": "redirect",
    "stripprefix": "strip_prefix",
}


def ports(service: Mapping[str, Any]) -> list[int]:
    said = [value for key, value in _pairs(service) if _PORT.match(key)]
    said += [_environment(service).get("VIRTUAL_PORT", "")]
    return [int(value) for value in said if value.isdigit()]


def is_routed(service: Mapping[str, Any]) -> bool:
    """Whether a proxy sends requests to it."""
    if any(key == "traefik.enable" and value.lower() in _NO for key, value in _pairs(service)):
        return False
    return bool(rules(service)) or "VIRTUAL_HOST" in _environment(service)


def is_by_variable(service: Mapping[str, Any]) -> bool:
    """Whether nginx-proxy is told; it asks port 80 where nothing else is said."""
    return "VIRTUAL_HOST" in _environment(service)


def rules(service: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(value for key, value in _pairs(service) if _RULE.match(key)))


def matches(service: Mapping[str, Any]) -> list[Match]:
    """Whose requests reach the service; nothing when one of its rules says more than the edge can look at."""
    read = [routers.matches(rule) for rule in rules(service)]
    hosts = [one.strip() for one in _environment(service).get("VIRTUAL_HOST", "").split(",")]
    found = [one for several in read for one in several] if all(read) else []
    found += [Match(host, _environment(service).get("VIRTUAL_PATH", "").rstrip("/")) for host in hosts if host]
    return list(dict.fromkeys(found))


def unread(service: Mapping[str, Any]) -> list[str]:
    """Rules that say more."""
    return [rule for rule in rules(service) if not routers.matches(rule)]


def domain(services: Mapping[str, Mapping[str, Any]]) -> str:
    """The variable that all host names end in; empty when there is none, or more than one."""
    written = {one.host for service in services.values() for one in matches(service) if one.host}
    found = [match["variable"] for name in written if (match := _ENDS_IN_VARIABLE.match(name))]
    names = {name for one in found for name in interpolation.names(one)}
    return names.pop() if len(names) == 1 and len(found) == len(written) else ""


def is_sticky(service: Mapping[str, Any]) -> bool:
    return any(_STICKY.match(key) and value.lower() not in _NO for key, value in _pairs(service))


def stripped(service: Mapping[str, Any], services: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Beginnings of paths that the service does not see."""
    found = {
        (match["name"], prefix.strip())
        for one in services.values()
        for key, value in _pairs(one)
        if (match := _MIDDLEWARE.match(key)) and match["kind"].lower() == "stripprefix" and (match["option"] or "") == "prefixes"
        for prefix in value.split(",")
    }
    return {prefix.rstrip("/") for name, prefix in found if name in _used(service)}


def left_over(service: Mapping[str, Any], services: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Middleware that the service asks for, and that is not carried over -> what to do about it."""
    kinds = {
        match["name"]: match["kind"].lower()
        for one in services.values()
        for key, _ in _pairs(one)
        if (match := _MIDDLEWARE.match(key))
    }
    paths = {one.path for one in matches(service)}
    carried = stripped(service, services) <= paths
    found = {}
    for name in _used(service):
        kind = kinds.get(name, "")
        # What the edge does by itself, once it has certificates.
        if kind == "redirectscheme" or (not kind and re.search(r"https?", name, re.IGNORECASE)):
            continue
        if kind == "stripprefix" and carried:
            continue
        option = _OPTIONS.get(kind)
        found[name] = (
            f"write {option} into its routes (docs/configuration.md, Routes)"
            if option
            else "no option of a route does it; docs/configuration.md, Routes, has those that there are"
        )
    return found


def networks(services: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Those on which the proxy asks services."""
    return {value for one in services.values() for key, value in _pairs(one) if key == _NETWORK}


def _used(service: Mapping[str, Any]) -> list[str]:
    listed = [name.strip() for key, value in _pairs(service) if _USED.match(key) for name in value.split(",")]
    return list(dict.fromkeys(name.partition("@")[0] for name in listed if name))


def _environment(service: Mapping[str, Any]) -> dict[str, str]:
    return dict(_listed(service.get("environment")))


def _pairs(service: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from _listed(service.get("labels"))


def _listed(given: Any) -> Iterator[tuple[str, str]]:
    if isinstance(given, Mapping):
        yield from ((str(key), "" if value is None else str(value)) for key, value in given.items())
    for line in given if isinstance(given, list) else []:
        key, _, value = str(line).partition("=")
        yield key, value
