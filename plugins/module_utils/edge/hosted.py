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
    """Keys of the routes that a stack has on this host, by the files, which are written before HAProxy is told: what one of them
    has lost the other says.
    """
    own = [key for key, _ in _entries(paths, map_file(stack))]
    of_all = [key for key, leads in _entries(paths, "routes.map") if leads.startswith(f"{stack}.")]
    return sorted({*own, *of_all})


def _entries(paths: EdgePaths, name: str) -> list[tuple[str, str]]:
    """Without lines that are not whole."""
    with suppress(FileNotFoundError, DamagedError):
        lines = EDGE_STACKS.text(paths.conf / name, "replace").splitlines()
        return [(words[0], words[1]) for line in lines if len(words := line.split()) == 2 and words[0] != "#"]
    return []


def wanted(stack: Stack) -> dict[str, dict[str, Any]]:
    """Key of each route of a release -> whether it is on this host (``here``), and says who may come (``guarded``)."""
    names = {service.name for service in stack.services}
    everywhere = stack_routes(Stack.of(stack.document).services if stack.document else stack.services)
    return {
        key: {"here": service_at(leads) in names, "guarded": any(one in options_of(leads) for one in _GUARDS)}
        for key, leads in sorted(everywhere.items())
    }
