# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that no host runs: those that do the edge's work, and those that a program of Compose's would provide. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import PurePosixPath
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.compose import data as compose_data
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected import reached
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.needed import OFF, Needed
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.tagged import Override, Reset

# What tells a proxy its routes.
_PROXY_FILES = ("Caddyfile", "traefik.yml", "traefik.yaml", "traefik.toml", "dynamic.yml", "dynamic.yaml")


def off(needed: Needed, services: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Services that do not run with the lines."""
    provided = _provided(needed, services)
    found = [*provided, *_proxies(needed, {name: one for name, one in services.items() if name not in provided})]
    _nobody_waits(needed, services, found)
    return found


def _provided(needed: Needed, services: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """They have no container. Out of the Compose file they go altogether, for without its provider none of them is a service."""
    found = [name for name, one in services.items() if one.get("provider")]
    for name in found:
        needed.override.setdefault("services", {})[name] = Reset()
        provider = services[name]["provider"]
        kind = provider.get("type") if isinstance(provider, Mapping) else provider
        said = (
            f"a program of whoever types docker compose up makes it (provider: {kind}), which no host runs, so these lines leave "
            f"it out; make it another way, and write what services read of it ({name.upper().replace('-', '_')}_...) under their "
            "environment, secrets by a variable of stack_secret_variables"
        )
        needed.say(f"services.{name}", "yours", said)
    return found


def _proxies(needed: Needed, services: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Services that do the edge's work, which are turned off."""
    found = [name for name, one in services.items() if reached.is_proxy(name, one)]
    for name in found:
        why = "the edge routes requests and has the certificates (edge_certificate_paths)"
        files = [one.source for one in compose_data.mounts(services[name]) if PurePosixPath(one.source).name in _PROXY_FILES]
        if files:
            why += f"; what {', '.join(files)} says of paths, redirects and headers belongs into the routes of stack.services"
        needed.change(name, "profiles", [OFF], why)
        for key in ("ports", "volumes"):
            if key in services[name]:
                needed.change(name, key, Reset(), "it does not run")
    return found


def _nobody_waits(needed: Needed, services: Mapping[str, Mapping[str, Any]], found: Collection[str]) -> None:
    """Services that wait for what nobody starts must not."""
    for name, one in services.items():
        waits = one.get("depends_on")
        awaited = [str(other) for other in waits or () if other in found] if isinstance(waits, Mapping | list) else []
        if name not in found and awaited:
            kept = {other: how for other, how in _conditions(waits).items() if other not in awaited}
            value = Override(kept) if kept else Reset()
            needed.change(name, "depends_on", value, f"{', '.join(awaited)} does not run")


def _conditions(waits: Any) -> dict[str, Any]:
    return dict(waits) if isinstance(waits, Mapping) else {str(other): {"condition": "service_started"} for other in waits}
