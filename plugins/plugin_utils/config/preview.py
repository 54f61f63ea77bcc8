# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Previews: what may be asked of one, and what one is limited to whatever an inventory says. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import schema

# Inventories of previews have this for stack_environment, and nothing else has it.
ENVIRONMENT = "preview"
PREFIX = "preview-"
STATES = ("present", "absent", "listed")
# The name becomes a label of a host name, a stack's name and, with the prefix, that of a branch.
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?\Z")
_DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}\Z")
_REF = re.compile(r"[a-z]{20}\Z")

# Of the ML gateway: no preview costs money, and none keeps the mock from others.
ML_TIER = "mock"
ML_CAPS: Mapping[str, float] = {
    "requests_per_minute": 30,
    "requests_per_day": 500,
    "requests_per_month": 2000,
    # The mock costs nothing, and a cap of nothing would let nothing pass.
    "money_per_day": 0.01,
    "money_per_month": 0.01,
}
ML_MOCK_URL = "http://ml:9000/v2"
# Of the containers of one service.
MOST_CPUS, MOST_MEGABYTES, MOST_REPLICAS = 1.0, 512, 2
_PRICES = ("price_per_second", "price_per_request")
_UNITS = {"": 1 / 1024**2, "b": 1 / 1024**2, "k": 1 / 1024, "m": 1, "g": 1024}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([bkmg]?)(?:i?b)?\Z", re.IGNORECASE)


class Asked:
    """``problems`` is empty exactly when ``told`` can be used. No value of the token is in either."""

    def __init__(self, raw: Mapping[str, Any], options: Mapping[str, Any], environment: str, stack: Mapping[str, Any]) -> None:
        shape: list[str] = []
        is_listing = raw.get("preview_state") == "listed"
        # What was left out is said here with how to type it, and not as an option that is required.
        given = {name: value for name, value in raw.items() if value not in (None, "")}
        self._given = schema.typed(given, {name: {**options[name], "required": False} for name in raw}, "", shape)
        self._name = self._given["preview_name"] or ""
        found = [*self._of_inventory(environment), *(() if is_listing else self._of_preview(stack))]
        self.problems = schema.causes(shape, found)

    def told(self) -> dict[str, Any]:
        domain = self._given["preview_domain"]
        return {"stack": f"{PREFIX}{self._name}", "url": f"https://{self._name}.{domain}"} if not self.problems else {}

    def _of_inventory(self, environment: str) -> Iterator[str]:
        if environment != ENVIRONMENT:
            yield (
                f'stack_environment: "{environment}" is not {ENVIRONMENT}; previews have hosts and an inventory of their own, '
                "such as -i inventories/preview"
            )
        if self._given["preview_state"] not in STATES:
            yield f'preview_state: "{self._given["preview_state"]}" is not one of {", ".join(STATES)}'
        project = self._given["preview_project"]
        if not project:
            yield "preview_project: required; name staging's Supabase project, project_ref and token (docs/previews.md)"
        elif project["project_ref"] and not _REF.match(project["project_ref"]):
            yield f'preview_project.project_ref: "{project["project_ref"]}" is not a reference, 20 lower-case letters'
        if not _DOMAIN.match(self._given["preview_domain"] or ""):
            yield f'preview_domain: "{self._given["preview_domain"] or ""}" is not a domain, such as preview.example.com'

    def _of_preview(self, stack: Mapping[str, Any]) -> Iterator[str]:
        if not self._name:
            yield "preview_name: say which preview is meant, with -e preview_name=pr-12"
        elif not _NAME.match(self._name):
            yield f'preview_name: "{self._name}" may hold at most 30 lower-case letters, digits and - between them'
        elif stack.get("name") != f"{PREFIX}{self._name}":
            named = stack.get("name")
            yield f'stack.name: "{named}" must be {PREFIX}{{{{ preview_name }}}}, or one preview would replace another'


def ml(given: Mapping[str, Any]) -> dict[str, Any]:
    """``ml`` of a preview, typed: the mock tier and small caps, whatever an inventory says."""
    caps = {name: _least(most, (given.get("limits") or {}).get(name)) for name, most in ML_CAPS.items()}
    endpoints = [
        {**one, "provider": "mock", **dict.fromkeys(_PRICES)} for one in given.get("endpoints") or [] if isinstance(one, Mapping)
    ]
    mock_url = given.get("mock_url") or ML_MOCK_URL
    return {
        **given,
        "tier": ML_TIER,
        "key": "",
        "mock_url": mock_url,
        "endpoints": endpoints,
        "limits": {**(given.get("limits") or {}), **caps, "over": "refuse"},
    }


def _least(most: float, given: Any) -> float:
    return most if given is None else min(most, given)


def problems(environment: str, services: Mapping[str, Any]) -> list[str]:
    """Services of a preview that may take more than a preview has."""
    if environment != ENVIRONMENT:
        return []
    return [
        problem for name, service in services.items() if isinstance(service, Mapping) for problem in _of_service(name, service)
    ]


def _of_service(name: str, service: Mapping[str, Any]) -> Iterator[str]:
    deploy = service.get("deploy") if isinstance(service.get("deploy"), Mapping) else {}
    resources = (deploy or {}).get("resources")
    limits = (resources if isinstance(resources, Mapping) else {}).get("limits") or {}
    path, most = f"services.{name}.deploy", "and a service of a preview has at most"
    cpus = _number(limits.get("cpus", service.get("cpus")))
    if cpus is None or not 0 < cpus <= MOST_CPUS:
        yield f"{path}.resources.limits.cpus: {_said(cpus)}, {most} {MOST_CPUS:g}"
    memory = _megabytes(limits.get("memory", service.get("mem_limit")))
    if memory is None or not 0 < memory <= MOST_MEGABYTES:
        yield f"{path}.resources.limits.memory: {_said(memory, ' MiB')}, {most} {MOST_MEGABYTES} MiB"
    replicas = _number((deploy or {}).get("replicas", 1))
    if replicas is None or replicas > MOST_REPLICAS:
        yield f"{path}.replicas: {_said(replicas)}, {most} {MOST_REPLICAS}"


def _said(number: float | None, unit: str = "") -> str:
    return "is not set" if number is None else f"is {number:g}{unit}"


def _number(value: Any) -> float | None:
    try:
        return None if value is None or isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None


def _megabytes(value: Any) -> float | None:
    match = _SIZE.match(str(value)) if value is not None else None
    return float(match[1]) * _UNITS[match[2].lower()] if match else None
