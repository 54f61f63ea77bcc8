# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose log a container's is: its stack, its service, itself as a replica, and its release."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.engine.answers import speaking
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.labels import FINGERPRINT, PROJECT, RELEASE, SERVICE

# What the edge is called among services: its Compose project has only one.
EDGE = "edge"


@dataclass(frozen=True)
class Source:
    id: str
    stack: str
    service: str
    replica: str
    release: str


def every(client: Any) -> list[Source]:
    """Every container that this collection runs on this host, stopped ones too: replicas and jobs of stacks, and the edge."""
    with speaking("list containers"):
        found = client.api.containers(all=True)
    return sorted(_ours(found), key=lambda source: (source.stack, source.replica))


def chosen(sources: Iterable[Source], stack: str, services: Collection[str]) -> list[Source]:
    """Those of a stack and of services, where any are named. The edge is no stack's."""
    return [
        one
        for one in sources
        if (not services or one.service in services) and (not stack or one.stack == stack or one.service == EDGE)
    ]


def _ours(items: Iterable[Mapping[str, Any]]) -> Iterable[Source]:
    projects = {item["Labels"].get(PROJECT) for item in items if item["Labels"].get(FINGERPRINT)} - {None}
    for item in items:
        labels, name = item["Labels"], item["Names"][0].lstrip("/")
        project = labels.get(PROJECT, "")
        if project == EDGE:
            yield Source(item["Id"], EDGE, EDGE, name, "")
        elif project in projects:
            yield Source(item["Id"], project, labels.get(SERVICE, ""), name, labels.get(RELEASE, ""))
