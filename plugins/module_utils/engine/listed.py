# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A replica as the engine lists its container."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.engine.labels import (
    FINGERPRINT,
    NUMBER,
    PARTS,
    PORT,
    PROJECT,
    SERVICE,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica, State

_STATES = {"running": State.RUNNING, "restarting": State.RESTARTING}
# Containers that have no networks of their own, whatever the engine lists.
_BORROWED = ("host", "none", "container:", "service:")


def replica_of(item: Mapping[str, Any], admitted: set[str]) -> Replica:
    labels = item["Labels"]
    name = item["Names"][0].lstrip("/")
    return Replica(
        id=item["Id"],
        name=name,
        service=labels[SERVICE],
        number=int(labels.get(NUMBER, 0)),
        fingerprint=labels.get(FINGERPRINT, ""),
        state=_STATES.get(item["State"], State.DEAD),
        admitted=name in admitted,
        created=float(item["Created"]),
        image=item["Image"].partition("@")[0],
        parts=_parts(labels.get(PARTS, "")),
        port=int(labels[PORT]) if labels.get(PORT, "").isdecimal() else 0,
        networks=_networks(item),
        word=str(item["State"]),
    )


def mislabelled(item: Mapping[str, Any]) -> str:
    """Why nobody can tell which replica a container is, and what to do; empty when its labels are as Compose writes them."""
    labels, name = item["Labels"], item["Names"][0].lstrip("/")
    number = labels.get(NUMBER, "0")
    if number.isdecimal() and labels.get(SERVICE):
        return ""
    what = f"has no label {SERVICE}" if not labels.get(SERVICE) else f'has the label {NUMBER}="{number}", which is not a number'
    return (
        f"the container {name} carries the labels of the Compose project {labels.get(PROJECT)} and {what}, so it was made by "
        f"hand. Labels cannot be changed: when nobody needs it, docker rm -f {name} on this host, then run this again"
    )


def _networks(item: Mapping[str, Any]) -> frozenset[str] | None:
    if str((item.get("HostConfig") or {}).get("NetworkMode", "")).startswith(_BORROWED):
        return None
    found = (item.get("NetworkSettings") or {}).get("Networks")
    return None if found is None else frozenset(found)


def _parts(text: str) -> dict[str, str]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}
