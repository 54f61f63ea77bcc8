# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The history of an environment as a table for people, at most 100 columns wide. Pure.

``report``: what the filter history_report makes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.status_table import columns, wrapped


def table(report: Mapping[str, Any]) -> list[str]:
    lines = [f"HISTORY of {report['environment']}, {report['days']:g} days", ""]
    rows: list[tuple[str, ...]] = [("ENDED", "VERDICT", "SECONDS", "BY", "WHAT")]
    for run in reversed(report["runs"]):
        rows += _rows(run)
    if len(rows) > 1:
        lines += columns(rows)
    elif not report["problem"]:
        lines.append("No run is in the history of these days.")
    if report["problem"]:
        lines += wrapped(f"The history could not be read: {report['problem']}", "  ")
    else:
        lines += ["", *_figures(report["figures"])]
        for name, why in sorted(report["unread"].items()):
            lines += wrapped(f"{name}, which keeps it too, {why}", "  ")
    return lines


def _rows(run: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The run, and below it each of several stacks."""
    verdict, what, why = (str(run.get(key) or "") for key in ("verdict", "what", "why"))
    said = what if verdict in ("deployed", "unchanged", "done") or not why else f"{what}: {why}"
    seconds = run.get("seconds")
    whole = (str(run["at"]), verdict, "-" if seconds is None else f"{seconds:.1f}", str(run.get("owner") or ""), said)
    stacks = run.get("stacks") or {}
    of_each = [("", str(one["verdict"]), "", "", f"{name} {one.get('to', '')}".rstrip()) for name, one in stacks.items()]
    return [whole, *(of_each if len(of_each) > 1 else [])]


def _figures(found: Mapping[str, Any]) -> Sequence[str]:
    deploys = found["deploys"]
    lines = [f"DEPLOYS          {deploys}, {found['per_week']:g} a week"]
    if found["failure_rate"] is not None:
        lines.append(f"FAILED           {found['failed']} ({100 * found['failure_rate']:.0f} %)")
    times = found["restore_seconds"]
    if times:
        lines.append(f"TIME TO RESTORE  median {_duration(times['median'])}, longest {_duration(times['longest'])}")
    if found["open_since"]:
        lines.append(f"NOT RESTORED     the deploy that ended {found['open_since']}")
    return lines


def _duration(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
