# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""What a host serves when it comes back that cannot be reached now, as far as the history of the environment knows. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils import fleet


def sentences(hosts: Mapping[str, Mapping[str, Any]], runs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """For each host that did not say what is live there. ``hosts``: results of stack_status; ``runs``: history, oldest first."""
    there = sorted({str(host["release"]) for host in hosts.values() if host.get("release")})
    found = {}
    for name, host in hosts.items():
        known = "" if "live" in host else _last_known(name, runs)
        if known and there and there != [known]:
            found[name] = (
                f"when it comes back it serves {known}, and the others serve {', '.join(there)}: deploy again then, without "
                "--limit"
            )
        elif known:
            found[name] = f"when it comes back it serves {known}"
    return found


def _last_known(name: str, runs: Sequence[Mapping[str, Any]]) -> str:
    for run in reversed(runs):
        said = {**(run.get("left_out") or {}), **(run.get("hosts") or {})}.get(name)
        if said and said not in (fleet.UNKNOWN, "nothing"):
            return str(said)
    return ""
