# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the edge of this host can reach replicas at all: its container and its network, as the engine has them."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import EDGE_NETWORK
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.engine import Engine
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import State

# The edge's own Compose project.
PROJECT = "edge"
# And that of the container that stands in while the edge's own is replaced.
STAND_IN = "edge-stand-in"
_STANDS_IN = f"{STAND_IN}-stand-in-1"
FINISH = "playbooks/edge_upgrade.yml for this inventory finishes it"
MEND = "playbooks/provision.yml --tags edge for this inventory brings it back"


def troubles(engine: Engine) -> list[str]:
    """What keeps the edge from its work, in words; empty when nothing does. ``engine``: of the edge's own project."""
    found, problems = engine.look(set())
    if engine.network(EDGE_NETWORK) is None:
        problems.append(f'the network "{EDGE_NETWORK}", on which the edge reaches replicas, is not on this host')
    if not found:
        problems.append("the edge has no container on this host")
    for one in found:
        if one.state is not State.RUNNING:
            problems.append(f"the edge does not run ({one.name} is {one.word})")
        elif one.networks is not None and EDGE_NETWORK not in one.networks:
            problems.append(f'{one.name} is not on the network "{EDGE_NETWORK}", so the edge reaches no replica')
    return problems


def interrupted(engine: Engine) -> str:
    """Why nobody may change the edge now, in words; empty when nothing speaks against it.

    A container that stands in hears of no change, and what it does is nobody's to see at the edge's own sockets.
    """
    if _STANDS_IN not in engine.others():
        return ""
    return f"the edge of this host is being upgraded, or an upgrade was interrupted: the container {_STANDS_IN} stands in for it"


def require_whole(engine: Engine) -> None:
    """Raise EdgeError for what ``interrupted`` says."""
    why = interrupted(engine)
    if why:
        raise EdgeError(f"{why}. {FINISH}; then run this again. Nothing was changed")


def require(problems: Sequence[str]) -> None:
    """Raise EdgeError for ``troubles``."""
    if problems:
        raise EdgeError(f"{'; '.join(problems)}. {MEND}; then run this again. Nothing was changed")
