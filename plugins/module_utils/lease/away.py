# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a host that cannot be reached now when it comes back, as far as the history of the environment knows. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.lease import fleet


def sentences(hosts: Mapping[str, Mapping[str, Any]], runs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """For each host that did not say what is live there. ``hosts``: results of stack_status; ``runs``: history, oldest first."""
    there = sorted({str(host["release"]) for host in hosts.values() if host.get("release")})
    found = {}
    for name, host in hosts.items():
        known = "" if "live" in host else _last_known(name, runs)
        if known and name in kept_off(runs):
            found[name] = f"when it comes back it has {known}, and the balancer sends nobody there until a deploy brings it along"
        elif known and there and there != [known]:
            found[name] = (
                f"when it comes back it serves {known}, and the others serve {', '.join(there)}: deploy again then, without "
                "--limit"
            )
        elif known:
            found[name] = f"when it comes back it serves {known}"
    return found


def kept_off(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Hosts that the balancer was told to keep off, and not yet to let serve again."""
    found: set[str] = set()
    for run in runs:
        found = (found | _names(run.get("kept_off"))) - _names(run.get("let_in"))
    return sorted(found)


def _last_known(name: str, runs: Sequence[Mapping[str, Any]]) -> str:
    for run in reversed(runs):
        said = {**_mapping(run.get("left_out")), **_mapping(run.get("hosts"))}.get(name)
        if said and said not in (fleet.UNKNOWN, "nothing"):
            return str(said)
    return ""


# A newer version may write a line otherwise. No lease may be refused for that.


def _names(found: Any) -> set[str]:
    return {str(one) for one in found} if isinstance(found, list) else set()


def _mapping(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {}
