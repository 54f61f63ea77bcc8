# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""The host's clocks: one that decides, and one for people."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """``uptime`` is the host's and decides; ``wall`` is for people and for the first token on a host that has seen none."""

    def uptime(self) -> float: ...

    def wall(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class HostClock:
    def uptime(self) -> float:
        return float(Path("/proc/uptime").read_text().split()[0])

    def wall(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
