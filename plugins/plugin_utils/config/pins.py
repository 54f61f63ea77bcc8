# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release is pinned to: each ML endpoint that the stack calls, with the provider's id, the model and its version. Pure.

The pin stands in the variables of the Compose files as ML_ENDPOINT_<NAME>, which containers call the gateway by. So it is part of
the release, comes back with a rollback, and lets the gateway serve each release what it was made for.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

PREFIX = "ML_ENDPOINT_"
_DIGITS = 8


def digest(endpoint: Mapping[str, Any]) -> str:
    """``endpoint``: an entry of ``ml.endpoints``. What a call costs, or how long it may take, is no part of it."""
    about = [endpoint.get("provider") or "runpod", *(endpoint.get(key) or "" for key in ("id", "model", "version"))]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:_DIGITS]


def pin(stack: dict[str, Any], raw: Mapping[str, Any]) -> list[str]:
    """Put pins and variables into a typed ``stack``. ``raw``: the inventory's variables; without ``ml`` nothing is pinned."""
    names: Sequence[str] = stack.get("ml_endpoints") or []
    if not names or "ml" not in raw:
        return []
    given = raw["ml"] if isinstance(raw["ml"], Mapping) else {}
    entries = [one for one in given.get("endpoints") or [] if isinstance(one, Mapping)]
    known = {str(one["name"]): one for one in entries if one.get("name")}
    problems, pins, variables = [], {}, {}
    for number, name in enumerate(names):
        if name not in known:
            there = f"there is {', '.join(known)}" if known else "ml has none"
            problems.append(f'stack.ml_endpoints[{number}]: there is no endpoint "{name}" in ml.endpoints; {there}')
            continue
        entry, variable = known[name], variable_of(name)
        if variable in (stack.get("variables") or {}):
            problems.append(f"stack.variables.{variable}: is set by stack.ml_endpoints; take the line out")
        variables[variable] = f"{name}@{digest(entry)}"
        about = {key: str(entry.get(key) or "") for key in ("id", "model", "version")}
        pins[name] = {**about, "called": variables[variable]}
    stack["ml_pins"] = pins
    stack["variables"] = {**(stack.get("variables") or {}), **variables}
    return problems


def variable_of(name: str) -> str:
    return PREFIX + re.sub(r"[^A-Z0-9]", "_", name.upper())
