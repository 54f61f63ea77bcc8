# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the services of a wave meet, so that a failed one finds the others where they can be taken back."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event, Lock

from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.step import Action, Step

# Services of a wave meet after their first gate, so that a failed one finds none switched; and when their first watch is over,
# before they let incumbents go, so that a failed one can let all of them serve again at once.
BARRIERS = (Action.GATE, Action.STOP)


def meets(action: Action, steps: Sequence[Step]) -> bool:
    """Whether a service waits for the others at ``action``: it must bring candidates, and before it stops anything."""
    actions = [step.action for step in steps]
    if Action.GATE not in actions or action not in actions:
        return False
    return action is Action.GATE or actions.index(Action.GATE) < actions.index(action)


class Barrier:
    """Where the services of a wave meet. A failed one opens it for all, so nobody waits for ever."""

    def __init__(self, parties: int) -> None:
        self._waiting = parties
        self._lock = Lock()
        self._open = Event()
        self.failed = False

    def arrive(self) -> None:
        """Wait for the others, or until one has failed."""
        with self._lock:
            self._waiting -= 1
            if self._waiting <= 0:
                self._open.set()
        self._open.wait()

    def fail(self) -> None:
        self.failed = True
        self._open.set()
