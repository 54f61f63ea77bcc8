# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stack.jobs may say. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import schema

HOSTS = ("one", "each")
_OPTIONS: Mapping[str, Any] = {"hosts": {"type": "str", "default": "one"}, "timeout_seconds": {"type": "float", "default": 300.0}}


def problems(jobs: Mapping[str, Any], services: Mapping[str, Any]) -> list[str]:
    """Each with its path. ``services``: of the Compose files."""
    found: list[str] = []
    for name, given in jobs.items():
        path = f"stack.jobs.{name}"
        typed = schema.typed({} if given is None else given, _OPTIONS, path, found)
        service = services.get(name)
        if name not in services:
            found.append(f'{path}: the Compose files have no service "{name}"; they have {", ".join(sorted(map(str, services)))}')
        elif isinstance(service, Mapping) and service.get("profiles"):
            found.append(f"{path}: the service is behind a profile, so nothing runs it; remove its profiles")
        if typed.get("hosts") not in (*HOSTS, "", None):
            found.append(f'{path}.hosts: "{typed["hosts"]}" is not one of {", ".join(HOSTS)}')
        if typed.get("timeout_seconds") == 0:
            found.append(f"{path}.timeout_seconds: must be more than 0")
    return found


def placed(services: Sequence[Mapping[str, Any]], jobs: Collection[str]) -> list[str]:
    """Jobs that say in two places where they run. ``services``: of stack.services."""
    return [
        f'stack.services[{number}].hosts: "{service["name"]}" is a job; write stack.jobs.{service["name"]}.hosts: one, or each'
        for number, service in enumerate(services)
        if service.get("hosts") and service.get("name") in jobs
    ]
