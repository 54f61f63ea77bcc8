# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which routes a host has, for those who tell balancers."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import EDGE_STACKS, DamagedError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.haproxy import stack_routes
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths, map_file
from ansible_collections.morpheus.deploy.plugins.module_utils.service.routing import options_of, service_at
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

_GUARDS = ('"allow":', '"basic_auth":')


def now(paths: EdgePaths, stack: str) -> list[str]:
    """Keys of the routes that a stack has on this host, by the file, which is written before HAProxy is told. None without it."""
    with suppress(FileNotFoundError, DamagedError):
        lines = EDGE_STACKS.text(paths.conf / map_file(stack), "replace").splitlines()
        return sorted({line.split()[0] for line in lines if len(line.split()) == 2 and not line.startswith("#")})
    return []


def wanted(stack: Stack) -> dict[str, dict[str, Any]]:
    """Key of each route of a release -> whether it is on this host (``here``), and says who may come (``guarded``)."""
    names = {service.name for service in stack.services}
    everywhere = stack_routes(Stack.of(stack.document).services if stack.document else stack.services)
    return {
        key: {"here": service_at(leads) in names, "guarded": any(one in options_of(leads) for one in _GUARDS)}
        for key, leads in sorted(everywhere.items())
    }
