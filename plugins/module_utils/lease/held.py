# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lease as it is asked for, written down, held and refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import LEASE

TTL_SECONDS = 20.0


@dataclass(frozen=True)
class Claim:
    """Who wants the lease and what for. ``run`` identifies the run in the history."""

    owner: str
    reason: str = ""
    run: str = ""
    ttl_seconds: float = TTL_SECONDS


@dataclass(frozen=True)
class Record:
    """What lease.json says. ``taken_over``: {token, owner, reason, why} of the run whose lease was ended by another."""

    token: int
    owner: str
    reason: str
    run: str
    acquired: str
    ttl_seconds: float
    taken_over: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Held:
    """A lease that has not been given back. ``beat``: uptime at the last sign of life; ``silent_seconds``: time since then."""

    record: Record
    beat: float
    silent_seconds: float

    @property
    def alive(self) -> bool:
        return self.silent_seconds < self.record.ttl_seconds

    def as_dict(self) -> dict[str, Any]:
        expires = max(0.0, self.record.ttl_seconds - self.silent_seconds)
        return asdict(self.record) | {
            "alive": self.alive,
            "beat_seconds": round(self.silent_seconds, 1),
            "expires_seconds": round(expires, 1),
        }


class LeaseError(DeployError):
    """The lease is another run's, or cannot be asked for in this way. ``holder`` has it."""

    def __init__(self, message: str, holder: Held | None = None) -> None:
        super().__init__(message)
        self.holder = holder


class BehindError(LeaseError):
    """The host has seen ``highest`` already, so a lease with the token that was asked for would be worth nothing."""

    def __init__(self, token: int, highest: int) -> None:
        super().__init__(f"token {token} is not above {highest}, which this host has seen")
        self.highest = highest


def whose(environment: str, held: Held, verb: str = "is") -> str:
    record = held.record
    reason = f" ({record.reason})" if record.reason else ""
    return f"The lease of {environment} {verb} held by {record.owner}{reason} since {record.acquired}, token {record.token}"


def as_text(record: Record) -> str:
    return json.dumps(LEASE.numbered(asdict(record)), indent=2, sort_keys=True) + "\n"
