# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the key that signs users' tokens is to be another one, and what is done next about it. Pure.

A key is first on standby, so that whoever verifies tokens has read its public half when the first token is signed with it. The
one before stays good until the last token that it signed has ended, and is revoked then. Where a rotation stands is read off the
keys alone, so whoever was killed is followed by whoever comes next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

ALGORITHMS = ("ES256", "RS256", "EdDSA", "HS256")
# Supabase's edge keeps public keys for 10 minutes, and its clients keep them for 10 more.
SETTLING = timedelta(minutes=20)
# Clocks differ, and a token may be used at its last second.
SPARE = timedelta(minutes=15)
CREATE, ADOPT, PROMOTE, RETIRE, REVOKE = "create", "adopt", "promote", "retire", "revoke"
# Act -> the status that a key gets by it.
STATUS = {PROMOTE: "in_use", RETIRE: "previously_used", REVOKE: "revoked"}


@dataclass(frozen=True)
class Step:
    """``key``: its id, for those of STATUS."""

    act: str
    key: str
    seen: str
    wanted: str


@dataclass(frozen=True)
class Wanted:
    algorithm: str
    max_age_days: int


def steps(
    keys: Sequence[Mapping[str, Any]],
    wanted: Wanted,
    token_seconds: int,
    now: datetime,
    needed: Callable[[str], str] = lambda key: "",
) -> tuple[list[Step], list[str]]:
    """What can be done at once, and what waits, as sentences. ``needed``: why a key, by its id, is still needed although no token
    of a user is of it; empty when it is not.
    """
    found, waiting = _towards_another(keys, wanted, now)
    for key in keys:
        if key["status"] == "previously_used":
            left = _time(key["updated_at"]) + timedelta(seconds=token_seconds) + SPARE - now
            if left > timedelta():
                waiting.append(f"the signing key before can be revoked in {_minutes(left)} min")
            elif why := needed(key["id"]):
                waiting.append(f"the signing key before is still good, because {why}")
            else:
                found.append(Step(REVOKE, key["id"], "the signing key before is still good", "it is revoked"))
    # Supabase takes one such change in five minutes.
    for step in [step for step in found if step.act in STATUS][1:]:
        found.remove(step)
        waiting.append(f"{step.seen}: a run that comes 5 min later or more does the rest")
    return found, waiting


def _towards_another(keys: Sequence[Mapping[str, Any]], wanted: Wanted, now: datetime) -> tuple[list[Step], list[str]]:
    """Until another key is in use."""
    found = []
    due = _due(next((key for key in keys if key["status"] == "in_use"), None), wanted, now)
    # There can be one of them.
    ready = next((key for key in keys if key["status"] == "standby"), None)
    if not keys:
        found.append(Step(ADOPT, "", "the project signs with its legacy secret", "which becomes a key that can be rotated"))
    # The legacy secret is one for HS256.
    if due and ready is None and (keys or wanted.algorithm != "HS256"):
        found.append(Step(CREATE, "", due, f"a key {wanted.algorithm} on standby"))
    elif due and ready is not None and ready["algorithm"] != wanted.algorithm:
        # It may have signed before, so it goes the way of all that have.
        other = f"the key on standby is one for {ready['algorithm']}"
        found.append(Step(RETIRE, ready["id"], other, f"it makes room for one for {wanted.algorithm}"))
    elif due and ready is not None:
        left = _time(ready["created_at"]) + SETTLING - now
        if left > timedelta():
            return found, [f"another signing key is on standby, and can be used in {_minutes(left)} min"]
        found.append(Step(PROMOTE, ready["id"], due, "the key on standby in use"))
    return found, []


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
