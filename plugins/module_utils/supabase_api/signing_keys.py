# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the key that signs users' tokens is to be another one, and what is done next about it. Pure.

A key is first on standby, so that whoever verifies tokens has read its public half when the first token is signed with it. The
one before stays good until the last token that it signed has ended, and is revoked then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

ALGORITHMS = ("ES256", "RS256", "EdDSA", "HS256")
# Supabase's edge keeps public keys for 10 minutes, and its clients keep them for 10 more.
SETTLING = timedelta(minutes=20)
# Clocks differ, and a token may be used at its last second.
SPARE = timedelta(minutes=15)
CREATE, ADOPT, PROMOTE, REVOKE = "create", "adopt", "promote", "revoke"


@dataclass(frozen=True)
class Step:
    """``key``: its id, for PROMOTE and REVOKE."""

    act: str
    key: str
    seen: str
    wanted: str


@dataclass(frozen=True)
class Wanted:
    algorithm: str
    max_age_days: int


def steps(keys: Sequence[Mapping[str, Any]], wanted: Wanted, token_seconds: int, now: datetime) -> tuple[list[Step], list[str]]:
    """What can be done at once, and what waits, as sentences."""
    found, waiting = [], []
    in_use = next((key for key in keys if key["status"] == "in_use"), None)
    due = _due(in_use, wanted, now)
    ready = next((key for key in keys if key["status"] == "standby" and key["algorithm"] == wanted.algorithm), None)
    if not keys:
        found.append(Step(ADOPT, "", "the project signs with its legacy secret", "which becomes a key that can be rotated"))
    # The legacy secret is one for HS256.
    if due and ready is None and (keys or wanted.algorithm != "HS256"):
        found.append(Step(CREATE, "", due, f"a key {wanted.algorithm} on standby"))
    elif due and ready is not None:
        left = _time(ready["created_at"]) + SETTLING - now
        if left > timedelta():
            waiting.append(f"another signing key is on standby, and can be used in {_minutes(left)} min")
        else:
            found.append(Step(PROMOTE, ready["id"], due, "the key on standby in use"))
    for key in keys:
        if key["status"] == "previously_used":
            left = _time(key["updated_at"]) + timedelta(seconds=token_seconds) + SPARE - now
            if left > timedelta():
                waiting.append(f"the signing key before can be revoked in {_minutes(left)} min")
            else:
                found.append(Step(REVOKE, key["id"], "the signing key before is still good", "it is revoked"))
    return found, waiting


def _due(in_use: Mapping[str, Any] | None, wanted: Wanted, now: datetime) -> str:
    """Why another key is needed; empty when none is."""
    if in_use is None:
        return "no signing key is in use"
    if in_use["algorithm"] != wanted.algorithm:
        return f"tokens are signed with {in_use['algorithm']}"
    age = (now - _time(in_use["updated_at"])).days
    return f"the signing key is {age} days old (at most {wanted.max_age_days})" if age > wanted.max_age_days else ""


def _minutes(left: timedelta) -> int:
    return max(1, round(left.total_seconds() / 60))


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
