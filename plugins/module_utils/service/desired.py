# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a service should run, and why a replica of it is not as it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from ansible_collections.morpheus.deploy.plugins.module_utils.service.mounted import MountedFile
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica


class Order(str, Enum):
    START_FIRST = "start-first"
    STOP_FIRST = "stop-first"


class FailureAction(str, Enum):
    ROLLBACK = "rollback"
    PAUSE = "pause"


@dataclass(frozen=True)
class UpdatePolicy:
    """Compose's ``deploy.update_config``. ``parallelism`` 0 means all replicas at the same time; times are seconds.

    ``max_failure_ratio``: which share of requests watched candidates may answer with 5xx. ``exclusive``: why two replicas may not
    live side by side, in words about the service; empty when they may.
    """

    parallelism: int = 1
    delay_seconds: float = 0.0
    order: Order = Order.START_FIRST
    failure_action: FailureAction = FailureAction.PAUSE
    monitor_seconds: float = 0.0
    max_failure_ratio: float = 0.1
    exclusive: str = ""


@dataclass(frozen=True)
class DesiredService:
    """How one service should run. ``fingerprint`` names its whole configuration, image content and secrets included."""

    name: str
    replicas: int
    fingerprint: str
    image: str = ""
    routed: bool = False
    policy: UpdatePolicy = field(default_factory=UpdatePolicy)
    port: int = 0
    depends_on: tuple[str, ...] = ()
    stop_grace_seconds: float = 10.0
    # Parts of the configuration by name -> fingerprint, to say which of them changed.
    parts: Mapping[str, str] = field(default_factory=dict)
    # Names of the networks that its replicas are on; None where nobody can say.
    networks: frozenset[str] | None = None
    # Services after which its replicas are replaced whenever those were: what they hold of them is gone then.
    follows: tuple[str, ...] = ()
    # Whether it ends by itself: then it has no replicas, and is run once for each release. ``due``: whether it is yet to be run.
    job: bool = False
    due: bool = False
    # What its replicas have mounted of the host, as it should be.
    files: Sequence[MountedFile] = ()


def trouble(replica: Replica, service: DesiredService) -> str:
    """Why a replica is not, or not any more, as it was made, whatever its fingerprint says; empty when it is."""
    if replica.stale:
        return f"has mounted {plural('file', replica.stale)} as somebody left it on this host"
    if replica.unanswered or service.networks is None or replica.networks is None:
        return replica.unanswered
    lacks, more = sorted(service.networks - replica.networks), sorted(replica.networks - service.networks)
    if lacks:
        return f"is not on {plural('network', lacks)}"
    return f"is on {plural('network', more)}, which its service is not" if more else ""


def plural(noun: str, things: Sequence[str]) -> str:
    return f"the {noun}{'' if len(things) == 1 else 's'} {', '.join(things)}"
