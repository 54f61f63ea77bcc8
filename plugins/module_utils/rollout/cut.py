# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is cut when replicas are stopped: requests that they break off, and tunnels that end with their replica and not before.

The edge's own counters say it of requests: a session that is gone when the container has ended may have ended well a moment
before. Of tunnels no counter does, so what counts is how many were open when the container ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Thread

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError

POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Count:
    """Sessions of a replica in one worker of the edge: open now, and requests that the replica has broken off so far."""

    requests: int = 0
    tunnels: int = 0
    broken_off: int = 0


# Name of a replica -> its sessions by worker (process id). Raises DeployError.
Look = Callable[[str], Mapping[int, Count]]
# Name of a replica -> when it ended, in seconds since the epoch; None when that is not known.
Ended = Callable[[str], float | None]


def _unknown(name: str) -> float | None:
    return None


class Cut:
    """Looks on while replicas are stopped. To be used as a context around the stop."""

    def __init__(self, look: Look, names: Sequence[str], ended: Ended = _unknown, now: Callable[[], float] = time.time) -> None:
        """``now``: seconds since the epoch, by the clock that ``ended`` goes by."""
        self._now = now
        self._look = look
        self._ended = ended
        self._names = names
        self._over = Event()
        self._thread = Thread(target=self._watch, daemon=True)
        # (replica, worker) -> at the first and at the last look.
        self._first: dict[tuple[str, int], Count] = {}
        self._last: dict[tuple[str, int], Count] = {}
        # (when, tunnels) of each look.
        self._tunnels: dict[tuple[str, int], list[tuple[float, int]]] = {}
        # Those of the last look of all.
        self._alive: set[tuple[str, int]] = set()

    def __enter__(self) -> Cut:
        self._see()
        self._thread.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self._over.set()
        self._thread.join()
        self._see()

    @property
    def total(self) -> int:
        """Requests that were broken off, and tunnels that were open when their replica ended."""
        ended = {name: self._ended(name) for name in self._names}
        return sum(
            self._open_tunnels(place, ended[place[0]]) + self._requests(place, first) for place, first in self._first.items()
        )

    def _open_tunnels(self, place: tuple[str, int], ended: float | None) -> int:
        looks = self._tunnels[place]
        before = [tunnels for when, tunnels in looks if ended is not None and when <= ended]
        return before[-1] if before else looks[0][1]

    def _requests(self, place: tuple[str, int], first: Count) -> int:
        last = self._last[place]
        if place not in self._alive:
            # A worker that ends with its last session takes its counters along.
            return last.requests
        return last.broken_off - first.broken_off

    def _watch(self) -> None:
        while not self._over.wait(POLL_SECONDS):
            self._see()

    def _see(self) -> None:
        when = self._now()
        with suppress(DeployError):
            seen = {(name, pid): count for name in self._names for pid, count in self._look(name).items()}
            self._alive = set(seen)
            for place, count in seen.items():
                self._first.setdefault(place, count)
                self._tunnels.setdefault(place, []).append((when, count.tunnels))
            self._last.update(seen)
