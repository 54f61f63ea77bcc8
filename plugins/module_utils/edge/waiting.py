# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the edge still waits for its ports, because what served users before it has them: see edge_container/handover."""

from __future__ import annotations

import json
from collections.abc import Iterable

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths

# Inside the container, as the role edge publishes them for users.
HTTP, HTTPS = "8080", "8443"


def without_users(ports: Iterable[str]) -> bool:
    """``ports``: in Compose's short form."""
    return not {str(one).rpartition(":")[2] for one in ports} & {HTTP, HTTPS}


def published(project: str | bytes) -> list[str]:
    """The ports that the edge's own Compose file gives to it, in Compose's short form. ValueError where it is not one."""
    try:
        return [str(one) for one in json.loads(project)["services"]["haproxy"]["ports"]]
    except (KeyError, TypeError, RecursionError) as exc:
        raise ValueError("it is not the edge's") from exc


def waits(paths: EdgePaths) -> bool:
    """By the edge's own Compose file. One that cannot be read says nothing here; whoever needs it says what is wrong with it."""
    try:
        ports = published((paths.root / "compose.json").read_bytes())
        return bool(ports) and without_users(ports)
    except (OSError, ValueError):
        return False


def require_over(paths: EdgePaths) -> None:
    """Raise EdgeError while it waits: what serves users now would be ended by a rollout, and nobody would take its place."""
    if waits(paths):
        raise EdgeError(
            "the edge of this host waits for its ports, which what ran here before still has: an adoption was begun and did not "
            "end. playbooks/adopt.yml for this inventory goes on with it. Nothing was changed"
        )
