# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What services say to the proxy that the edge replaces, as far as it leaves no doubt: labels that Traefik reads. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import interpolation

_PORT = re.compile(r"traefik\.http\.services\.[^.]+\.loadbalancer\.server\.port\Z")
_RULE = re.compile(r"traefik\.http\.routers\.[^.]+\.rule\Z")
_HOST = re.compile(r"Host\([`\"'](?P<host>[^`\"',]+)[`\"']\)\Z")
_NETWORK = "traefik.docker.network"
# A name of which the last part is a variable: api.${DOMAIN}.
_ENDS_IN_VARIABLE = re.compile(r"(?:[A-Za-z0-9-]+\.)*(?P<variable>\$\{[A-Za-z_][A-Za-z0-9_]*[^{}]*\}|\$[A-Za-z_][A-Za-z0-9_]*)\Z")


def ports(service: Mapping[str, Any]) -> list[int]:
    return [int(value) for key, value in _pairs(service) if _PORT.match(key) and value.isdigit()]


def host(service: Mapping[str, Any]) -> str:
    """The one host name whose requests reach the service, whatever their path, with variables as they are written."""
    rules = {value for key, value in _pairs(service) if _RULE.match(key)}
    names = {found["host"] for rule in rules if (found := _HOST.match(rule))}
    return names.pop() if len(rules) == len(names) == 1 else ""


def domain(services: Mapping[str, Mapping[str, Any]]) -> str:
    """The variable that all host names end in; empty when there is none, or more than one."""
    written = [name for one in services.values() if (name := host(one))]
    found = [match["variable"] for name in written if (match := _ENDS_IN_VARIABLE.match(name))]
    names = {name for one in found for name in interpolation.names(one)}
    return names.pop() if len(names) == 1 and len(found) == len(written) else ""


def networks(services: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Those on which the proxy asks services."""
    return {value for one in services.values() for key, value in _pairs(one) if key == _NETWORK}


def _pairs(service: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    labels = service.get("labels")
    if isinstance(labels, Mapping):
        yield from ((str(key), str(value)) for key, value in labels.items())
    for line in labels if isinstance(labels, list) else []:
        key, _, value = str(line).partition("=")
        yield key, value
