# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The age of backups and of staging's data in the status of an environment. Pure."""

from __future__ import annotations

import calendar
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# Kind -> what it is called, the unit of its age, and the playbook that makes another one.
_KINDS: Mapping[str, tuple[str, str, str]] = {
    "backup": ("BACKUP", "h", "playbooks/backup.yml"),
    "buckets": ("BUCKETS", "h", "playbooks/backup.yml"),
    "drill": ("RESTORE DRILL", "d", "playbooks/backup.yml -e backup_do=drill"),
    "buckets_drill": ("BUCKETS DRILL", "d", "playbooks/backup.yml -e backup_do=drill"),
    "restore": ("RESTORE", "d", "playbooks/restore.yml"),
    "buckets_restore": ("BUCKETS RESTORE", "d", "playbooks/restore.yml"),
    "staging_data": ("STAGING DATA", "d", "playbooks/import_data.yml"),
}
_UNITS = {"h": 3600, "d": 86400}


def told(hosts: Mapping[str, Mapping[str, Any]], ages: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of each kind the youngest that a host knows of, or that there is none although one is asked for.

    ``ages``: kind -> how old it may be, in its unit; 0 asks for none.
    """
    found = []
    for kind in _KINDS:
        known = [one["backups"][kind] for one in hosts.values() if kind in (one.get("backups") or {})]
        limit = float(ages.get(kind) or 0)
        if known or limit:
            youngest: Mapping[str, Any] = max(known, key=lambda one: str(one.get("at", "")), default={})
            name, at = str(youngest.get("name", "")), str(youngest.get("at", ""))
            found.append({"kind": kind, "at": at, "name": name, "limit": limit, "seconds": youngest.get("seconds", 0)})
    return found


def lines(found: Sequence[Mapping[str, Any]], environment: str, now: float) -> list[str]:
    """For people. ``found``: as ``told`` says it."""
    return [line for one in found for line in _lines(one, environment, now)]


def _lines(one: Mapping[str, Any], environment: str, now: float) -> Iterator[str]:
    title, unit, playbook = _KINDS[str(one["kind"])]
    age = _age(str(one["at"]), now, unit)
    old = one["limit"] and (age is None or age > one["limit"])
    said = "none is known" if age is None else f"{age:.1f} {unit} old ({one['name']})"
    most = f", at most {one['limit']:g} {unit} are allowed" if old else ""
    took = f", took {float(one['seconds']) / 60:.1f} min" if one.get("seconds") else ""
    yield f"{title}  {said}{took}{most}"
    if old:
        yield f"  Mend it with: ansible-playbook {playbook} -i inventories/{environment}"


def _age(at: str, now: float, unit: str) -> float | None:
    try:
        return max(0.0, now - calendar.timegm(time.strptime(at, "%Y-%m-%dT%H:%M:%SZ"))) / _UNITS[unit]
    except ValueError:
        return None
