# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stack.public_check may say of how to ask. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.morpheus.deploy.plugins.module_utils.edge import haproxy
from ansible_collections.morpheus.deploy.plugins.module_utils.service.routing import reached
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.edge_options import LAST_PORT

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
# A name or an IPv4 address, an IPv6 address in brackets; a port.
_ADDRESS = re.compile(r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]+))?\Z")
# Options that were not there from the beginning, with what says that they are not used.
_LATER: Mapping[str, Any] = {"address": "", "headers": {}}


def problems(check: Mapping[str, Any], services: Sequence[Mapping[str, Any]] = ()) -> list[str]:
    """Each with its path. ``services``: those of the stack, for their routes."""
    url = _url_problem(check["url"]) if check["url"] else ""
    found = [url, _address_problem(check["address"] or "")]
    found += [_header_problem(str(name), value) for name, value in (check["headers"] or {}).items()]
    found.append(_route_problem(check["url"], check["headers"] or {}, services) if check["url"] and not url else "")
    return [f"stack.public_check.{problem}" for problem in found if problem]


def released(check: Mapping[str, Any]) -> dict[str, Any]:
    """What of it is a part of the release. Without options that are not used it is the one that it was before there were any."""
    return {name: value for name, value in check.items() if name not in _LATER or (value or _LATER[name]) != _LATER[name]}


def _url_problem(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        return f'url: "{url}" is not an http or https URL'
    try:
        port = parts.port
    except ValueError:
        port = 0
    return f'url: "{url}" has an invalid port; give a number from 1 to {LAST_PORT}' if port == 0 else ""


def _route_problem(url: str, headers: Mapping[str, Any], services: Sequence[Mapping[str, Any]]) -> str:
    routes = {
        haproxy.route_key(route.get("host") or "", prefix): (f"stack.services[{number}].routes[{index}]", route)
        for number, service in enumerate(services)
        for index, route in enumerate(service.get("routes") or [])
        for prefix in route.get("paths") or []
    }
    parts = urlsplit(url)
    host = next((str(value) for name, value in headers.items() if str(name).lower() == "host"), parts.netloc)
    asked = urlsplit(f"//{host}").hostname or ""
    key = reached(dict(zip(routes, routes, strict=True)), haproxy.route_key(asked, parts.path))
    place, route = routes.get(key, ("", {}))
    if route.get("redirect"):
        return (
            f'url: "{url}" is one that {place} redirects, so the check would never get a good answer; write an address whose '
            "route leads to a service"
        )
    closed = next((name for name in ("allow", "basic_auth") if route.get(name)), "")
    return (
        f'url: "{url}" is one that {place} opens to some by {closed}, and the check comes as anybody; give its path a route '
        "without allow and basic_auth"
        if closed
        else ""
    )


def _address_problem(address: str) -> str:
    if not address:
        return ""
    found = _ADDRESS.match(address)
    if not found or (found["port"] and not 0 < int(found["port"]) <= LAST_PORT):
        return f'address: "{address}" is not an <address> or <address>:<port>, such as 10.0.0.5:8080 or [2001:db8::5]:8080'
    return ""


def _header_problem(name: str, value: Any) -> str:
    if not _HEADER.match(name):
        return f'headers: "{name}" is not a valid name of a header'
    if not isinstance(value, str):
        return f"headers.{name}: must be a string; quote it"
    return f"headers.{name}: must be one line without control characters" if not value.isprintable() else ""
