# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services of a project end by themselves, and what they may not say: they run once for each release. Pure.

Used twice: on the controller over the files as written, and on the host over the project as Compose resolves it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.compose.rules import replicas, well_formed

ENDED = "service_completed_successfully"


def waiting(services: Mapping[str, Any]) -> dict[str, list[str]]:
    """Service whose end is waited for -> those that wait for it."""
    found: dict[str, list[str]] = {}
    for name, service in sorted(services.items(), key=lambda one: str(one[0])):
        needs = service.get("depends_on") if isinstance(service, Mapping) else None
        for other, how in needs.items() if isinstance(needs, Mapping) else ():
            if isinstance(how, Mapping) and how.get("condition") == ENDED:
                found.setdefault(str(other), []).append(str(name))
    return found


def names(services: Mapping[str, Any], named: Collection[str]) -> list[str]:
    """Those that end: whose end is waited for, and those that ``stack.jobs`` names. One behind a profile is nobody's to run."""
    waited_for = waiting(services)
    return sorted(
        str(name)
        for name, service in services.items()
        if (name in waited_for or name in named) and not (isinstance(service, Mapping) and service.get("profiles"))
    )


def problems(services: Mapping[str, Any], named: Collection[str], routed: Collection[str]) -> dict[str, list[str]]:
    """Job -> findings about it, each beginning with its path below ``services``.

    To be asked of what is deployed, not of what a host has: a release that an older version accepted can be rolled back to.
    """
    waited_for = waiting(services)
    found = {}
    for name in names(services, named):
        service = services[name]
        if isinstance(service, Mapping) and well_formed(service):
            who = next(iter(waited_for.get(name, [])), "")
            found[name] = list(_problems(f"services.{name}", service, who, routed=name in routed))
    return found


def _problems(path: str, service: Mapping[str, Any], who: str, *, routed: bool) -> Iterator[str]:
    ends = f"{who} waits for its end" if who else "stack.jobs says that it ends"
    restart = service.get("restart")
    if restart not in (None, "", "no", False):
        yield f'{path}.restart: "{restart}" starts it again when it has ended, and {ends}; write restart: "no"'
    condition = ((service.get("deploy") or {}).get("restart_policy") or {}).get("condition", "none")
    if condition != "none":
        yield f'{path}.deploy.restart_policy: "{condition}" starts it again when it has ended, and {ends}; write restart: "no"'
    if replicas(service) != 1:
        yield f"{path}.deploy.replicas: {replicas(service)} are wanted, and {ends}: a job runs once for each release; remove it"
    if routed:
        yield f"{path}: {ends}, so nobody would serve its routes; take it out of stack.services, or let nobody wait for its end"
