# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One step of a rollout, and how it is said."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import plural


class Action(str, Enum):
    """What a step does, in the words that operators read."""

    SWEEP = "sweep"
    RUN = "run"
    START = "start"
    GATE = "gate"
    ADMIT = "admit"
    PIN = "pin"
    ROUTE = "route"
    DRAIN = "drain"
    WATCH = "watch"
    AWAIT = "await"
    STOP = "stop"
    REMOVE = "remove"
    UNROUTE = "unroute"
    PAUSE = "pause"


# What the steps of no service in particular are of.
EDGE = "edge"
# What the edge is asked for at the end, beside the kinds of steps.
CHECK = "check"


@dataclass(frozen=True)
class Step:
    """One thing to do for one service. ``replicas`` names existing ones; candidates of the batch have no name yet.

    ``wave``: services of one wave roll at the same time; the next wave begins when the wave is done. ``interrupts``: why the
    service is gone until the batch is over; empty when other replicas of it go on.
    """

    action: Action
    service: str
    wave: int = 0
    batch: int = 0
    count: int = 0
    replicas: tuple[str, ...] = ()
    seconds: float = 0.0
    reason: str = ""
    interrupts: str = ""
    # Keys of routes, see haproxy.route_key.
    routes: tuple[str, ...] = ()
    # Where each of them shall lead, see service/routing.py. None where all lead to the service and have no options.
    leads: tuple[str, ...] = ()

    def __str__(self) -> str:
        names = ", ".join(self.replicas)
        text = {
            Action.SWEEP: f"remove {names}, which does not run",
            Action.RUN: "run the job, and wait for its end",
            Action.START: f"start {_count(self.count, 'candidate')}",
            Action.GATE: f"gate {self._candidates()}",
            Action.ADMIT: f"admit {self._candidates()} at the edge",
            Action.PIN: f"keep requests for {', '.join(self.routes)} where they go now",
            Action.ROUTE: f"take over {plural('route', self.routes)}",
            Action.UNROUTE: f"end {plural('route', self.routes)}",
            Action.DRAIN: f"drain {names} at the edge",
            Action.WATCH: f"watch {self._candidates()} for {self.seconds:g} s",
            Action.AWAIT: f"wait for open requests on {names} to finish (at most {self.seconds:g} s)",
            Action.STOP: f"stop {names}",
            Action.REMOVE: f"remove {names}",
            Action.PAUSE: f"pause {self.seconds:g} s before the next batch",
        }[self.action]
        return f"{self.service}: {text}" + (f" ({self.reason})" if self.reason else "")

    def _candidates(self) -> str:
        fresh = _count(self.count - len(self.replicas), "candidate") if self.count > len(self.replicas) else ""
        return " and ".join(part for part in (", ".join(self.replicas), fresh) if part)

    def as_dict(self) -> dict[str, Any]:
        return {
            "action": self.action.value,
            "service": self.service,
            "wave": self.wave,
            "batch": self.batch,
            "count": self.count,
            "replicas": list(self.replicas),
            "seconds": self.seconds,
            "reason": self.reason,
            "routes": list(self.routes),
            "interrupts": self.interrupts,
            "text": str(self),
        }


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
