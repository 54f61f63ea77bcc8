# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clocks of a host, and what waits by them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol


def utc(wall_seconds: float) -> str:
    """As files and reports have it: 2026-01-01T12:00:00Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(wall_seconds))


class Clock(Protocol):
    """Monotonic seconds of this process, and what waits."""

    def now(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class HostClock(Protocol):
    """``uptime`` is the host's and decides; ``wall`` is for people and for the first token on a host that has seen none."""

    def uptime(self) -> float: ...

    def wall(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    def now(self) -> float:
        return time.monotonic()

    def uptime(self) -> float:
        return float(Path("/proc/uptime").read_text().split()[0])

    def wall(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
