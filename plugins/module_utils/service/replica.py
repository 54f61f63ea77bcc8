# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One observed container of a service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import EDGE_NETWORK


def stack_network(stack: str) -> str:
    """The network on which the edge reaches the replicas of one stack. No project of Compose can have a dot in its name."""
    return f"{EDGE_NETWORK}.{stack}"


def is_edges(network: str) -> bool:
    """Whether the edge reaches replicas on it: a stack's, or its home."""
    return network == EDGE_NETWORK or network.startswith(stack_network(""))


class State(str, Enum):
    RUNNING = "running"
    RESTARTING = "restarting"
    DEAD = "dead"


@dataclass(frozen=True)
class Replica:
    """One observed container. ``admitted``: the edge sends it new requests. ``created``: seconds since the epoch. ``port``: where
    it answers the edge; 0 when that is not known. ``networks``: names of those that it is on now; None when that is not known.
    ``word``: the engine's own for its state. ``unanswered``: why users get nothing from it, although it runs. ``stale``: paths
    in it of files that are not as they should be there, and that nothing can put right but another container.
    """

    id: str
    name: str
    service: str
    number: int
    fingerprint: str
    state: State = State.RUNNING
    admitted: bool = False
    created: float = 0.0
    image: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    networks: frozenset[str] | None = None
    word: str = ""
    unanswered: str = ""
    stale: tuple[str, ...] = ()

    @property
    def cut_off(self) -> bool:
        """Whether the edge, which may send it requests, cannot reach it."""
        return self.port > 0 and self.networks is not None and not any(map(is_edges, self.networks))
