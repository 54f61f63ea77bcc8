# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the database has room for the pools of a deploy, while old and new replicas live side by side. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.preflight.finding import ERROR, WARNING, Finding

CHECK = "connections"
_MEND = (
    "Lower stack.pools[].size or replicas, write order: stop-first for a service that may be gone for a moment, or give the "
    "database more; what it allows otherwise is said by stack.database.connections"
)


def findings(
    pools: Sequence[Mapping[str, Any]],
    hosts: Collection[str],
    at_once: int,
    room: Mapping[str, int],
    declared: int = 0,
) -> Iterator[Finding]:
    """``pools``: as config.pools.wanted gives them; ``hosts``: those of the environment, ``at_once`` of which are switched at the
    same time. ``room``: what the database said of its connections, and ``declared``, which goes before it, what the inventory
    says that this stack may have.
    """
    if not pools:
        return
    parts = [_part(one, hosts, at_once) for one in pools]
    needed = sum(steady + more for steady, more, _ in parts)
    seen = f"{'; '.join(words for *_, words in parts)}; {needed} in all"
    if declared:
        allowed, how = declared, "stack.database.connections"
    elif room:
        allowed, how = _allowed(room)
    else:
        yield Finding(
            WARNING, CHECK, "", seen, "", "Nobody could ask the database what it allows; stack.database says where it is"
        )
        return
    if needed > allowed:
        yield Finding(ERROR, CHECK, "", seen, f"at most {allowed} ({how})", _MEND)


def _part(pool: Mapping[str, Any], hosts: Collection[str], at_once: int) -> tuple[int, int, str]:
    """Connections that stay, those that come for as long as old and new replicas live side by side, and both in words."""
    there = list(pool["hosts"] or hosts)
    each = pool["replicas"] * pool["processes"] * pool["size"]
    steady, more = len(there) * each, 0
    processes = f" x {pool['processes']} processes" if pool["processes"] > 1 else ""
    sizes = f"{_count(pool['replicas'], 'replica')}{processes} x pool of {pool['size']}"
    words = f"{pool['service']} takes {_count(len(there), 'host')} x {sizes} = {steady}"
    if pool["order"] == "stop-first":
        return steady, 0, f"{words} (stop-first)"
    switched = min(len(there), max(1, at_once))
    more = switched * each
    return steady, more, f"{words} and {more} more while {_count(switched, 'host')} is switched (start-first)"


def _allowed(room: Mapping[str, int]) -> tuple[int, str]:
    most, reserved, others = room["max"], room["reserved"], room["others"]
    allowed = most - reserved - others
    how = f"max_connections {most} - {reserved} reserved - {others} of others"
    if 0 <= room["limit"] < allowed:
        return room["limit"], f"the login or the database is limited to {room['limit']}; {how}"
    return max(allowed, 0), how


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
