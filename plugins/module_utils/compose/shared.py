# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that live in what another one has: its network, its IPC, its processes. Pure.

What the other one has goes with its container, so these are replaced after it, and never beside their own successors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.compose.rules import replicas, well_formed

# Key -> what it shares.
KEYS = {"network_mode": "network", "ipc": "IPC", "pid": "processes"}
_SERVICE = "service:"
_SECTIONS = ("update_config", "rollback_config")


def shared(service: Mapping[str, Any]) -> dict[str, str]:
    """Key -> the service whose network, IPC or processes it is in."""
    values = {key: str(service.get(key) or "") for key in KEYS}
    return {key: value.removeprefix(_SERVICE) for key, value in values.items() if value.startswith(_SERVICE)}


def follows(service: Mapping[str, Any]) -> tuple[str, ...]:
    """Services after which it is replaced whenever they were: those that it lives in, and those of ``depends_on.restart``."""
    needs = service.get("depends_on")
    wanted = [
        str(name)
        for name, how in (needs.items() if isinstance(needs, Mapping) else ())
        if isinstance(how, Mapping) and how.get("restart") is True
    ]
    return tuple(sorted({*shared(service).values(), *wanted}))


def reason(service: Mapping[str, Any]) -> str:
    """Why old and new replicas may not live side by side, in words about the service; empty when they may."""
    return " and ".join(f"shares the {KEYS[key]} of {other}" for key, other in shared(service).items())


def problems(name: str, services: Mapping[str, Any], *, routed: bool) -> list[str]:
    """Findings about one service, each beginning with its path below ``services``.

    To be asked of what is deployed, not of what a host has: a release that an older version accepted can be rolled back to.
    """
    service = services[name]
    return list(_problems(name, service, services, routed=routed)) if well_formed(service) else []


def _problems(name: str, service: Mapping[str, Any], services: Mapping[str, Any], *, routed: bool) -> Iterator[str]:
    for key, other in shared(service).items():
        path, value = f"services.{name}.{key}", f'"{_SERVICE}{other}"'
        donor = services.get(other)
        if not isinstance(donor, Mapping) or not well_formed(donor):
            if donor is None:
                yield f"{path}: {value} is not a service of the Compose files; they have {', '.join(sorted(map(str, services)))}"
            continue
        if donor.get("profiles") and not service.get("profiles"):
            yield f"{path}: {value} is behind a profile, so it never runs; remove its profiles"
        if replicas(donor) != 1:
            yield (
                f"{path}: {value} has {replicas(donor)} replicas, and nobody can say whose {KEYS[key]} are meant; set "
                f"services.{other}.deploy.replicas to 1"
            )
        if key == "ipc" and donor.get("ipc") != "shareable":
            yield f"{path}: {value} keeps its IPC to itself; write services.{other}.ipc: shareable"
        if key == "network_mode" and routed:
            yield f"{path}: {value} has the address that the edge would ask; route {other} instead, with the port of {name}"
    for section in _SECTIONS:
        if shared(service) and ((service.get("deploy") or {}).get(section) or {}).get("order") == "start-first":
            yield (
                f"services.{name}.deploy.{section}.order: start-first, and the service {reason(service)}, where only one may "
                "live; remove it, or write stop-first"
            )
