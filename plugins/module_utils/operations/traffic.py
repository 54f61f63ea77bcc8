# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users asked of a stack at this host's edge while a rollout was at work, and which steps were done meanwhile.

For people who look at it afterwards: an edge that does not answer leaves a gap, and nothing else depends on it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.haproxy import TUNNELS
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.sockets import Socket
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.tables import GOOD_ANSWERS, stat_rows
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.step import Step

# "show stat" of backends alone, which HAProxy has for every stack: the fields that it sums up over their servers.
QUESTION = "show stat -1 2 -1"
EVERY_SECONDS = 1.0
# More than these are merged in pairs: a rollout of an hour is no larger than one of four minutes.
LONGEST = 240
_ANSWERS = (*GOOD_ANSWERS, "hrsp_5xx")


@dataclass(frozen=True)
class Counted:
    """Since HAProxy's worker began: answers to users, those of them with 5xx; and the slowest backend's mean time to an answer,
    in milliseconds, over its last 1,024.
    """

    answers: int
    bad: int
    milliseconds: int


@dataclass(frozen=True)
class Sample:
    """``at``: seconds since the rollout began, at the end of the time that ``answers`` and ``bad`` are counted in."""

    at: float
    answers: int
    bad: int
    milliseconds: int

    def __add__(self, later: Sample) -> Sample:
        slower = max(self.milliseconds, later.milliseconds)
        return Sample(later.at, self.answers + later.answers, self.bad + later.bad, slower)

    def as_list(self) -> list[float]:
        return [round(self.at, 1), self.answers, self.bad, self.milliseconds]


def counted(table: str, stack: str) -> Counted:
    """``table``: HAProxy's answer to QUESTION."""
    rows = [row for row in stat_rows(table) if (row["pxname"] or "").startswith(f"{stack}.")]
    bad = _sum(rows, ("hrsp_5xx",))
    # A tunnel lasts as long as its users like.
    slowest = max((int(row["rtime"] or 0) for row in rows if not row["pxname"].endswith(TUNNELS)), default=0)
    return Counted(_sum(rows, _ANSWERS), bad, slowest)


class Traffic:
    """Looks while it is entered. ``look``: HAProxy's answer to QUESTION, or DeployError or OSError."""

    def __init__(self, look: Callable[[], str], stack: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._look = look
        self._stack = stack
        self._clock = clock
        self._begun = 0.0
        self._before: Counted | None = None
        self._samples: list[Sample] = []
        self._steps: list[tuple[float, str]] = []
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    @classmethod
    def of(cls, edge: EdgePaths, stack: str) -> Traffic:
        haproxy = Socket(str(edge.socket), timeout=2.0, patience=0.0)
        return cls(lambda: haproxy.ask(QUESTION), stack)

    def __enter__(self) -> Traffic:
        self._begun = self._clock()
        self.sample()
        self._ended.clear()
        # It dies with the module.
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        if self._thread:
            self._thread.join()
        self.sample()

    def sample(self) -> None:
        """Look once."""
        with suppress(DeployError, OSError, ValueError, LookupError):
            seen, at = counted(self._look(), self._stack), self._clock() - self._begun
            before, self._before = self._before, seen
            if before is None:
                return
            if seen.answers < before.answers:
                # A worker that has just begun: what the one before it still ends is not counted.
                before = Counted(0, 0, 0)
            answers, bad = seen.answers - before.answers, max(0, seen.bad - before.bad)
            self._samples.append(Sample(at, answers, bad, seen.milliseconds))
            if len(self._samples) > LONGEST:
                self._samples = [sum(pair[1:], pair[0]) for pair in _pairs(self._samples)]

    def did(self, event: str, step: Step) -> None:
        """``event``: of the journal. What is only intended is left out."""
        if event != "intent":
            failed = "" if event == "done" else f" {event}"
            self._steps.append((self._clock() - self._begun, f"{step.service}: {step.action.value}{failed}"))

    def as_dict(self) -> dict[str, Any]:
        return {
            "samples": [sample.as_list() for sample in self._samples],
            "steps": [[round(at, 1), step] for at, step in self._steps],
        }

    def _run(self) -> None:
        while not self._ended.wait(EVERY_SECONDS):
            self.sample()


def _pairs(samples: list[Sample]) -> Iterable[list[Sample]]:
    return (samples[number : number + 2] for number in range(0, len(samples), 2))


def _sum(rows: Iterable[dict[str, str]], names: Sequence[str]) -> int:
    return sum(int(row[name] or 0) for row in rows for name in names)
