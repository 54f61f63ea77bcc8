# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the executor works with: verbs of the engine, the edge and the gate, a clock, and nothing else of the host."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import Clock
from ansible_collections.morpheus.deploy.plugins.module_utils.health.seen import Condemned, Health
from ansible_collections.morpheus.deploy.plugins.module_utils.health.user_errors import Answered
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.cut import Count
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.step import Step
from ansible_collections.morpheus.deploy.plugins.module_utils.service.killed import Killed
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica


class EngineVerbs(Protocol):
    def observe(self) -> list[Replica]:
        """Every replica of the project, with what the edge admits."""

    def start(self, service: str, total: int) -> None:
        """Start replicas in the desired configuration until the service has ``total``."""

    def run_job(self, service: str) -> None:
        """Run a service that ends, wait for its end and remember that; DeployError with its last words when it ended badly."""

    def stop(self, replicas: Sequence[Replica], grace_seconds: float | None) -> list[Killed]:
        """Those that had to be killed. ``grace_seconds``: None for what each container was made with."""

    def remove(self, replicas: Sequence[Replica]) -> None: ...

    def last_words(self, replica: Replica) -> str: ...

    def advice(self, service: str, said: str, *, first: bool) -> str:
        """What to do about the hardening of a service that failed with these words; empty for nothing."""

    def ended_at(self, replica: Replica) -> float | None:
        """When a stopped replica ended, in seconds since the epoch; None when that is not known."""


class EdgeVerbs(Protocol):
    def admit(self, service: str, replicas: Sequence[Replica]) -> None: ...

    def drain(self, service: str, replicas: Sequence[Replica]) -> None: ...

    def forget(self, service: str, replicas: Sequence[Replica]) -> None: ...

    def routes(self) -> Mapping[str, str]:
        """Where the routes lead now: key -> destination, see service/routing.py."""

    def route(self, routes: Mapping[str, str]) -> None:
        """Let new requests for each key go to a destination (empty: to none)."""

    def busy(self, service: str, replica: Replica) -> Busy: ...

    def counts(self, service: str, replica: Replica) -> Mapping[int, Count]:
        """What ``busy`` counts, by worker of the edge, and what the replica has broken off."""

    def answered(self, service: str, names: Sequence[str]) -> dict[str, Answered]:
        """Name of a replica that has a place at the edge -> what users got from this place so far, whoever had it."""


class GateVerbs(Protocol):
    def wait(self, service: str, replicas: Sequence[Replica]) -> list[Health]: ...

    def watch(self, service: str, replicas: Sequence[Replica], seconds: float, condemned: Condemned) -> list[Health]: ...


@dataclass(frozen=True)
class Busy:
    """Sessions that a replica still holds: requests end by themselves, tunnels end when the application closes them.

    ``idle``: connections of users that hold none now, and on which the next request would come to this replica all the same.
    """

    requests: int = 0
    tunnels: int = 0
    idle: int = 0

    @property
    def total(self) -> int:
        return self.requests + self.tunnels


# (event, step) -> None: writes intent and outcome of each step
Record = Callable[[str, Step], None]


class Tell(Protocol):
    """For whoever looks on: what is going on between intent and outcome of a step."""

    def __call__(self, event: str, service: str = "", **details: Any) -> None: ...


def silent(event: str, service: str = "", **details: Any) -> None:
    """Nobody looks on."""


@dataclass(frozen=True)
class Means:
    """What the services of a rollout share. ``guard`` raises FencedError once another run has taken over: then nothing more is
    done, and nothing taken back.
    """

    engine: EngineVerbs
    edge: EdgeVerbs
    gate: GateVerbs
    clock: Clock
    record: Record
    guard: Callable[[], None]
    drain_seconds: float
    tell: Tell = silent
