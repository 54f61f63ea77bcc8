# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollout did, counted while its services roll side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.health.seen import Health
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.step import Step
from ansible_collections.morpheus.deploy.plugins.module_utils.service.killed import Killed, as_dict
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica


@dataclass
class Outcome:
    """What a rollout did. ``drained`` and ``cut`` count sessions of replicas that were stopped; ``failures`` has words.

    ``left_behind`` counts sessions that a worker from before a reload of the edge still holds, and that end with it by force.
    ``errors`` counts requests that candidates answered with 5xx between their admission and the end of their watch.
    ``interrupted``: service that was gone for a while -> why. ``admitted``: whether a candidate was given to users, for however
    short a time. ``killed``: service -> its replicas that did not end in their time.

    Services roll side by side, each in a thread of its own: what they count goes through the methods.
    """

    done: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    gates: list[dict[str, Any]] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    spent: dict[tuple[str, str], float] = field(default_factory=dict)
    drained: int = 0
    cut: int = 0
    errors: int = 0
    left_behind: int = 0
    interrupted: dict[str, str] = field(default_factory=dict)
    admitted: bool = False
    killed: dict[str, list[Killed]] = field(default_factory=dict)
    _causes: int = field(default=0, init=False, repr=False, compare=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False, compare=False)

    def did(self, step: Step, seconds: float) -> None:
        with self._lock:
            key = (step.service, step.action.value)
            self.spent[key] = self.spent.get(key, 0.0) + seconds
            self.done.append(str(step))

    def has_started(self, replicas: Sequence[Replica]) -> None:
        with self._lock:
            self.started += [replica.name for replica in replicas]

    def has_removed(self, replicas: Sequence[Replica]) -> None:
        with self._lock:
            self.removed += [replica.name for replica in replicas]

    def was_judged(self, service: str, step: str, healths: Sequence[Health]) -> None:
        """``step``: the kind of step that asked, as in ``seconds``."""
        with self._lock:
            self.gates += [{"service": service, "step": step, **health.as_dict()} for health in healths]

    def was_interrupted(self, service: str, why: str) -> None:
        with self._lock:
            self.interrupted[service] = why

    def was_killed(self, service: str, killed: Sequence[Killed]) -> bool:
        """Whether it is the first time that replicas of ``service`` were."""
        with self._lock:
            first = service not in self.killed
            self.killed[service] = [*self.killed.get(service, []), *killed]
            return first

    def as_killed(self) -> list[dict[str, Any]]:
        return [as_dict(service, killed) for service, killed in sorted(self.killed.items())]

    def count(self, *, drained: int = 0, cut: int = 0, errors: int = 0) -> None:
        with self._lock:
            self.drained += drained
            self.cut += cut
            self.errors += errors

    def add_way_back(self, back: Outcome) -> None:
        """``back``: of what was done after this one had failed. What it drained and how long it took is not the release's."""
        with self._lock:
            self.failures += back.failures
        self.count(cut=back.cut, errors=back.errors)
        self.interrupted |= back.interrupted
        for service, killed in back.killed.items():
            self.was_killed(service, killed)

    def failed(self, why: str, trouble: str) -> None:
        """``trouble`` came of a failure, and neighbours are often sooner to have theirs: each ``why`` stands before it.

        What is empty says nothing.
        """
        with self._lock:
            if why:
                self.failures.insert(self._causes, why)
                self._causes += 1
            if trouble:
                self.failures.append(trouble)

    @property
    def seconds(self) -> dict[str, float]:
        """Wall seconds by kind of step; of services, which roll side by side, the one that took longest."""
        found: dict[str, float] = {}
        for (_, action), seconds in self.spent.items():
            found[action] = round(max(found.get(action, 0.0), seconds), 3)
        return found
