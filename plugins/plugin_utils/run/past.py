# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the history of an environment tells of its deploys: how often, how many failed, and how long it took to mend. Pure.

A run is a line of the history. A deploy that changed something counts; one that was refused, or found nothing to do, does not. It
has failed when its verdict says so, and when the next run that changes a release is a rollback that somebody asked for.
"""

from __future__ import annotations

import calendar
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

Runs = Sequence[Mapping[str, Any]]
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_DAYS_A_WEEK = 7
# Verdicts after which hosts may run something else than before, or users may have noticed.
_BAD = ("failed", "rolled_back", "mixed", "interrupted", "vanished")


def seconds_of(at: str) -> float | None:
    """Since 1970; None for what is no time, as a damaged line may have it."""
    try:
        return float(calendar.timegm(time.strptime(at, _FORMAT)))
    except ValueError:
        return None


def since(records: Runs, days: float, now: float) -> list[dict[str, Any]]:
    """The runs of the last ``days``, the oldest first, each with the ``kind`` of what it was."""
    found = [(seconds_of(str(one.get("at", ""))), one) for one in records]
    return [{**one, "kind": kind(one)} for at, one in found if at is not None and at >= now - days * 86400]


def kind(run: Mapping[str, Any]) -> str:
    """The first word of what the lease was taken for: deploy, rollback, restart, rotate, ..."""
    return str(run.get("what") or "").partition(" ")[0] or "lease"


def figures(runs: Runs, days: float) -> dict[str, Any]:
    deploys = [run for run in runs if _is_deploy(run)]
    followed = [(run, runs[number + 1 :]) for number, run in enumerate(runs)]
    failed = [(run, _restored(run, later)) for run, later in followed if _is_deploy(run) and _has_failed(run, later)]
    times = [seconds for _, seconds in failed if seconds is not None]
    open_ones = [str(run["at"]) for run, seconds in failed if seconds is None]
    return {
        "deploys": len(deploys),
        "per_week": round(len(deploys) * _DAYS_A_WEEK / days, 1),
        "failed": len(failed),
        "failure_rate": round(len(failed) / len(deploys), 3) if deploys else None,
        "restore_seconds": {"median": statistics.median(times), "longest": max(times)} if times else None,
        # Of the last failure that nothing has mended.
        "open_since": open_ones[-1] if open_ones else "",
    }


def _is_deploy(run: Mapping[str, Any]) -> bool:
    return run["kind"] == "deploy" and run.get("verdict") in ("deployed", *_BAD)


def _is_rollback(run: Mapping[str, Any]) -> bool:
    return run["kind"] == "rollback" and run.get("verdict") == "rolled_back"


def _has_failed(run: Mapping[str, Any], later: Runs) -> bool:
    return run.get("verdict") in _BAD or _is_rollback(next((one for one in later if _changes(one)), {"kind": ""}))


def _changes(run: Mapping[str, Any]) -> bool:
    return _is_deploy(run) or _is_rollback(run)


def _restored(run: Mapping[str, Any], later: Runs) -> float | None:
    """How long until all was well again; None while it is not. A deploy that was taken back has mended it itself."""
    if run.get("verdict") == "rolled_back":
        return float(run.get("seconds") or 0.0)
    well = ("deployed", "unchanged")
    for one in later:
        if _is_rollback(one) or (one["kind"] == "deploy" and one.get("verdict") in well):
            begun, ended = seconds_of(str(run["at"])), seconds_of(str(one["at"]))
            return max(0.0, ended - begun) if begun is not None and ended is not None else None
    return None
