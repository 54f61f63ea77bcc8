# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services behind a profile that is off, which never run, and what needs them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

_SHARED = ("network_mode", "ipc", "pid")


def problems(on: Sequence[str], known: Collection[str], services: Mapping[str, Any], routed: Collection[str]) -> list[str]:
    """``on``: stack.profiles; ``known``: profiles of the Compose files; ``services``: those that are on are behind none."""
    listed = ", ".join(sorted(known)) or "none"
    found = [
        f'stack.profiles[{number}]: no service of the Compose files has the profile "{name}"; they have {listed}'
        for number, name in enumerate(on)
        if name not in known
    ]
    off = {name: _listed(one["profiles"]) for name, one in services.items() if isinstance(one, Mapping) and one.get("profiles")}
    found += [
        f"services.{name}.profiles: the service is routed and behind the profile {off[name][0]}, so it never runs; write "
        f"profiles: [{off[name][0]}] under stack, or remove it there"
        for name in routed
        if name in off
    ]
    for name, service in services.items():
        if name in off or not isinstance(service, Mapping):
            continue
        for key, other, optional in _needed(service):
            if other in off and not optional:
                profile = off[other][0]
                way = ", or write required: false there" if key == "depends_on" else ""
                found.append(
                    f"services.{name}.{key}: {name} needs {other}, which is behind the profile {profile}, so it never runs; "
                    f"remove {other} there{way}, or write profiles: [{profile}] under stack"
                )
    return found


def starts(name: str, service: Any, migration: Any) -> bool:
    """Whether a release starts the service. Nothing is pulled for a tool behind a profile that is off."""
    once = migration.get("service") if isinstance(migration, Mapping) else None
    return name == once or not isinstance(service, Mapping) or not service.get("profiles")


def _needed(service: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """(key, the other service, whether it may be missing)."""
    waits = service.get("depends_on") or ()
    for name in waits if isinstance(waits, Mapping | list) else ():
        how = waits[name] if isinstance(waits, Mapping) else None
        yield "depends_on", str(name), isinstance(how, Mapping) and how.get("required") is False
    for key in _SHARED:
        kind, _, name = str(service.get(key) or "").partition(":")
        if kind == "service":
            yield key, name, False
    for key in ("links", "volumes_from"):
        for one in service.get(key) or () if isinstance(service.get(key), list) else ():
            yield key, str(one).partition(":")[0], False


def _listed(profiles: Any) -> list[str]:
    return [str(one) for one in profiles] if isinstance(profiles, list) else [str(profiles)]
