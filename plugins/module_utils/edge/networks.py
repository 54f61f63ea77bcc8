# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks between the edge and the stacks of this host: one for each, and the edge is on all of them.

They are internal, so none of them becomes a container's way out. Therefore the engine leaves the edge's published ports where
they are when the edge joins one while it runs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError, EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import EDGE
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import EDGE_NETWORK
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.compose_command import Compose
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.engine import Engine
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.labels import LABEL, PROJECT
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica, State, stack_network

# Of such a network: the stack that it belongs to.
STACK = LABEL + "stack"
# In HAProxy's directory: the addresses of the edge's home, where metrics are answered. The address of its container may be
# another one after a reboot, its network stays.
HOME_LIST = "home.list"


def _stranger(engine: Engine, stack: str) -> Mapping[str, Any] | None:
    """The network that has the name of the stack's, and that somebody else has made."""
    found = engine.network(stack_network(stack))
    is_own = found is None or ((found.get("Labels") or {}).get(STACK) == stack and found.get("Internal"))
    return None if is_own else found


def require_own(engine: Engine, stack: str) -> None:
    """Raise EdgeError when the stack's network is there and somebody else has made it."""
    name = stack_network(stack)
    found = _stranger(engine, stack)
    if found is None:
        return
    names = sorted(one["Name"] for one in (found.get("Containers") or {}).values())
    leave = "".join(f"docker network disconnect -f {name} {one}; " for one in names)
    raise EdgeError(
        f'the network "{name}" of this host was made by hand, and the edge does not use it. On this host: {leave}docker network '
        f"rm {name}; then run this again. Nothing was changed"
    )


def own(engine: Engine, stack: str) -> list[str]:
    """Names of the networks that are the stack's alone: those that Compose has made, and the one with the edge if it is ours."""
    name = stack_network(stack)
    with_edge = [name] if engine.network(name) and not _stranger(engine, stack) else []
    return [*engine.networks(f"{PROJECT}={stack}"), *with_edge]


def join(engine: Engine, stack: str) -> None:
    """Make the stack's network where it is missing, and have the edge on it. ``engine``: of the edge's own project."""
    require_own(engine, stack)
    if engine.network(stack_network(stack)) is None:
        engine.make_network(stack_network(stack), {STACK: stack})
    connect(engine)


def bring_up(compose: Compose, engine: Engine, *, anew: bool, ready: Callable[[], None] = lambda: None) -> None:
    """Start a container of HAProxy that is on every network on which it shall serve before it serves anybody.

    ``ready``: done when the edge's home is there, and before HAProxy reads its files.
    """
    compose.create(anew=anew)
    connect(engine)
    ready()
    compose.up()


def home(engine: Engine) -> str:
    """The content of HOME_LIST; empty as long as there is no home."""
    pools = ((engine.network(EDGE_NETWORK) or {}).get("IPAM") or {}).get("Config") or []
    return "".join(f"{one['Subnet']}\n" for one in pools)


def connect(engine: Engine) -> None:
    """The edge's container onto all networks of stacks that it is not on, whether it runs or not."""
    for one in engine.observe(set()):
        for name in _missing(engine, one):
            try:
                engine.connect(name, [one])
            except EngineError:
                # Another stack's rollout may have done it meanwhile.
                if name in _missing(engine, next((now for now in engine.observe(set()) if now.id == one.id), one)):
                    raise


def apart(engine: Engine) -> list[str]:
    """Networks of stacks that the running edge is not on."""
    running = [one for one in engine.observe(set()) if one.state is State.RUNNING]
    return sorted({name for one in running for name in _missing(engine, one)})


def lost(engine: Engine, *, home_was_there: bool = True) -> dict[str, list[Replica]]:
    """Stack whose network is not on this host any more -> its replicas, which were on it. Who was taken off one that is there
    stays off: somebody may have had a reason.
    """
    found = {
        stack: [one for one in replicas if one.cut_off and one.state is State.RUNNING]
        for stack, replicas in engine.routed_replicas().items()
    }
    return {
        stack: replicas
        for stack, replicas in sorted(found.items())
        if replicas and not (home_was_there and engine.network(stack_network(stack)) and not _stranger(engine, stack))
    }


def bring_back(engine: Engine, *, home_was_there: bool = True) -> None:
    """Make what was lost again, with the edge and the replicas on it."""
    for stack, replicas in lost(engine, home_was_there=home_was_there).items():
        join(engine, stack)
        engine.connect(stack_network(stack), replicas)


def troubles(engine: Engine, stack: str) -> list[str]:
    """What keeps the edge from this stack's replicas alone, in words."""
    name = stack_network(stack)
    if _stranger(engine, stack):
        return [f'the network "{name}" was made by hand, so the edge does not use it']
    return [f'the edge is not on the network "{name}", so it reaches no replica of {stack}'] if name in apart(engine) else []


def mark(paths: EdgePaths) -> None:
    """Let versions from before networks of stacks refuse this host: they would take replicas on one for lost."""
    found: dict[str, Any] = EDGE.load(paths.settings)
    text = json.dumps(EDGE.numbered(found), indent=2) + "\n"
    if paths.settings.read_text() != text:
        write_atomically(paths.settings, text, mode=0o644)


def _missing(engine: Engine, edge: Replica) -> list[str]:
    if edge.networks is None or EDGE_NETWORK not in edge.networks:
        # Off its home it needs a new container, which joins them all.
        return []
    return [name for name in engine.networks(STACK) if name not in edge.networks]
