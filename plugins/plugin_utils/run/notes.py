# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences of a verdict about what a run did beside a rollout. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.service.killed import few, sentence

# Modules that put other data into a database.
RESTORES = ("database_restore", "staging_data_import", "supabase_seeds")
# Other modules that say, when they fail, whether they have begun.
SAYING_BEGUN = ("edge_upgrade", "engine_packages", "stack_removal")


def killed(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """``found``: host -> what its rollouts returned as ``killed``. A line for each service."""
    lines = []
    for service in sorted({one["service"] for told in found.values() for one in told}):
        seen = [(host, one) for host, told in sorted(found.items()) for one in told if one["service"] == service]
        hosts = list(dict.fromkeys(host for host, _ in seen))
        replicas = dict.fromkeys(name for _, one in seen for name in one["replicas"])
        seconds = max(one["seconds"] for _, one in seen)
        lines.append(f"{few(hosts)}: {sentence(service, replicas, seconds, seen[0][1]['signal'])}")
    return lines


def once(module: str, host: str, found: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """What was done for good on ``host``. ``found``: what was known of its edge's image before."""
    if module == "stack_removal":
        return removed(host, result)
    if module == "supabase_seeds":
        return seeded(result)
    return restored(result) if module in RESTORES else upgraded(host, found, result)


def seeded(result: Mapping[str, Any]) -> str:
    """``result``: of the module supabase_seeds."""
    words = (("seeds run", result["seeded"]), ("seeds changed and not run again", result["recorded"]))
    return "; ".join(f"{what}: {', '.join(paths)}" for what, paths in words if paths)


def restored(result: Mapping[str, Any]) -> str:
    """``result``: of one of RESTORES; in check mode it has no rows."""
    return f"the database holds {result['name']}: {result['rows']} rows" if "rows" in result else "the database would be filled"


def upgraded(host: str, found: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """``found``: what was known of the image before; ``result``: of the module edge_upgrade."""
    counts = [f"{number} {words}" for words, number in (("drained", result["drained"]), ("cut", result["cut"])) if number]
    tail = f"; requests and tunnels: {', '.join(counts)}" if counts else ""
    return f"{host}: the edge was replaced: {found.get('before', '?')} -> {found.get('after', '?')}{tail}"


def removed(host: str, result: Mapping[str, Any]) -> str:
    """``result``: of the module stack_removal."""
    kept = f"; its data is still there: {', '.join(result['kept'])}" if result["kept"] else ""
    return f"{host}: the stack was removed{kept}"


def rotated(rotation: Mapping[str, Any], state: str) -> str:
    """``rotation``: its plan; ``state``: what it has come to, ``waiting`` for a person or ended."""
    old = rotation["old"]
    if state == "waiting":
        how = f"every replica uses the new value; now revoke {old} at the provider, then run the same command again"
    elif rotation["keeps_old"]:
        how = f"every replica uses the new value; {old} is a login that is not of the pair and was left as it is"
    elif "prove" not in rotation["steps"]:
        how = "every replica uses the new value, and no container has the old one"
    else:
        how = f"every replica uses the new value, and {old} is refused"
    return f"{rotation['name']}: {how}"
