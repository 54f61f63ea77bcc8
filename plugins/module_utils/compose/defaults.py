# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service is given where its files say nothing and everybody expects it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.compose import hardening, jobs
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

RESTART = "unless-stopped"


def without_restart(services: Mapping[str, Any], ending: Collection[str]) -> list[str]:
    """Services that run all the time and do not say what becomes of them when they end or their host was restarted."""
    return sorted(
        str(name)
        for name, service in services.items()
        if isinstance(service, Mapping)
        and name not in ending
        and not service.get("profiles")
        # What "extends" brings is not in the files as written, where YAML also takes no for a boolean.
        and not service.get("extends")
        and service.get("restart") in (None, "")
        and not _has_policy(service)
    )


def additions(stack: Stack, model: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Service -> what it is given; nothing for a release from before hardening: it runs as it ran."""
    if stack.hardening is None:
        return {}
    services = model.get("services") or {}
    return {name: {"restart": RESTART} for name in without_restart(services, jobs.names(services, stack.jobs))}


def beside_hardening(stack: Stack, model: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Service -> all that it is given beside what its files say."""
    given = additions(stack, model)
    return {name: {**parts, **given.get(name, {})} for name, parts in hardening.additions(stack, model).items()}


def note(services: Mapping[str, Any], ending: Collection[str]) -> list[str]:
    """One sentence about all of them, or none."""
    found = without_restart(services, ending)
    many = len(found) > 1
    return (
        [
            f"{', '.join(found)}: {'have' if many else 'has'} no restart and {'get' if many else 'gets'} restart: {RESTART}, so "
            f"that {'they come' if many else 'it comes'} back after a reboot of the host; write it, or "
            'restart: "no", to say otherwise'
        ]
        if found
        else []
    )


def _has_policy(service: Mapping[str, Any]) -> bool:
    """Compose makes a policy of this one where there is no other."""
    deploy = service.get("deploy")
    return isinstance(deploy, Mapping) and bool(deploy.get("restart_policy"))
