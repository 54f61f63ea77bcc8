# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container as an audit describes it: its owner, what it may do, and no value that it was given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import SECRETS_IN_CONTAINER
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.hardening import Hardening
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import (
    cis_containers,
    cis_controls,
)

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
ONEOFF = "com.docker.compose.oneoff"


def described(inspect: Mapping[str, Any], image_names: Iterable[str], hardening: Hardening | None, stack: str) -> dict[str, Any]:
    """A container without the values in its environment and its command."""
    host, config, labels = inspect.get("HostConfig") or {}, inspect.get("Config") or {}, labels_of(inspect)
    project, service = labels.get(PROJECT, ""), labels.get(SERVICE, "")
    words = hardening.ungiven(service) if hardening and project == stack else set()
    plain, judged = cis_containers.container_findings(inspect), cis_containers.container_findings(inspect, words)
    return {
        "name": inspect["Name"].lstrip("/"),
        "project": project,
        "service": service,
        "once": labels.get(ONEOFF) == "True",
        "state": state_of(inspect),
        "restart": str((host.get("RestartPolicy") or {}).get("Name") or "no"),
        "keys": env_names(config.get("Env")),
        "image_keys": sorted(image_names),
        "files": sorted(
            str(mount.get("Destination")).removeprefix(SECRETS_IN_CONTAINER)
            for mount in inspect.get("Mounts") or []
            if str(mount.get("Destination")).startswith(SECRETS_IN_CONTAINER)
        ),
        "user": str(config.get("User") or ""),
        "read_only": bool(host.get("ReadonlyRootfs")),
        "privileged": bool(host.get("Privileged")),
        "added": sorted(host.get("CapAdd") or []),
        "dropped": sorted(host.get("CapDrop") or []),
        "networks": sorted((inspect.get("NetworkSettings") or {}).get("Networks") or {}),
        # What an exemption changes is what it admits.
        "findings": [
            _of_state({**as_fact(one), "accepted": one != strict}, state_of(inspect))
            for one, strict in zip(judged, plain, strict=True)
            if state_of(inspect) in cis_controls.RUNNING or one.item in cis_controls.OF_THE_HOST
        ],
    }


def _of_state(finding: dict[str, Any], state: str) -> dict[str, Any]:
    return finding if state in cis_controls.RUNNING else {**finding, "text": f"{finding['text']} (it is {state})"}


def env_names(entries: Iterable[str] | None) -> list[str]:
    return sorted(entry.partition("=")[0] for entry in entries or [])


def as_fact(finding: cis_controls.Finding) -> dict[str, Any]:
    return {
        "item": finding.item,
        "level": finding.level,
        "subject": finding.subject,
        "text": finding.text,
        "mend": finding.mend,
    }


def state_of(inspect: Mapping[str, Any]) -> str:
    """As the engine calls it: created, running, paused, restarting, exited, dead."""
    return str((inspect.get("State") or {}).get("Status") or "running")


def labels_of(inspect: Mapping[str, Any]) -> Mapping[str, str]:
    found: Mapping[str, str] = (inspect.get("Config") or {}).get("Labels") or {}
    return found
