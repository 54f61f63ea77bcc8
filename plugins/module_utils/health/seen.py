# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is seen of an endpoint: one answer, and what its answers say of its health by which rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.words import said

EXCERPT_CHARACTERS = 200


@dataclass(frozen=True)
class Answer:
    """What one request saw. ``error`` is set, in words, when there was no complete answer."""

    seconds: float
    status: int = 0
    body: bytes = b""
    error: str = ""

    @property
    def excerpt(self) -> str:
        return said.beginning(self.body.decode("utf-8", "replace"), EXCERPT_CHARACTERS)


@dataclass(frozen=True)
class Rules:
    """``successes`` good answers in a row, asked every ``interval_seconds``, before ``deadline_seconds`` have passed."""

    successes: int = 3
    interval_seconds: float = 0.25
    timeout_seconds: float = 2.0
    deadline_seconds: float = 60.0


@dataclass
class Health:
    """What the gate saw of one endpoint, complete on failure too. Latencies are seconds of the good answers."""

    name: str
    url: str
    healthy: bool = False
    attempts: int = 0
    failures: int = 0
    successes_in_row: int = 0
    seconds: float = 0.0
    status: int = 0
    last: str = ""
    violation: str = "it was never asked"
    # Whether asking ended early because another endpoint had failed: then this one says nothing of itself.
    cut_short: bool = False
    latencies: list[float] = field(default_factory=list)

    def record(self, answer: Answer, violation: str) -> None:
        self.attempts += 1
        self.status, self.last, self.violation = answer.status, answer.excerpt, violation
        if violation:
            self.failures += 1
            self.successes_in_row = 0
        else:
            self.successes_in_row += 1
            self.latencies.append(round(answer.seconds, 4))

    def as_dict(self) -> dict[str, Any]:
        result = asdict(self)
        latencies = sorted(result.pop("latencies"))
        result["latency_seconds"] = {
            "median": latencies[len(latencies) // 2] if latencies else None,
            "max": latencies[-1] if latencies else None,
        }
        result["seconds"] = round(self.seconds, 3)
        return result


# Looks at what users get from all endpoints -> whether there is no point in watching on
Condemned = Callable[[], bool]
