# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a ledger's rows say beside the files of releases: applied, pending, failed, and applied of no file. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.shipped import Shipped, flyway_key, flyway_version


@dataclass(frozen=True)
class Row:
    """``state``: "applied", "failed" (it broke off and nobody has said what is to become of it), "undone", or "baseline" (from
    before the tool came: all up to its version is there).
    """

    version: str
    name: str = ""
    state: str = "applied"

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Row:
        return cls(str(given["version"]), str(given.get("name") or ""), str(given.get("state") or "applied"))

    def as_dict(self) -> dict[str, str]:
        return {"version": self.version, "name": self.name, "state": self.state}


@dataclass(frozen=True)
class Standing:
    """``applied``: versions, those included that follow from others; ``pending``: of the files, in their order; ``failed``:
    versions; ``unknown``: rows that are applied and that no file is.
    """

    applied: frozenset[str]
    pending: Sequence[Shipped]
    failed: Sequence[str]
    unknown: Sequence[Row]


def standing(rows: Iterable[Row], files: Sequence[Shipped], preset: str = "", known: Iterable[Shipped] = ()) -> Standing:
    """``rows``: oldest first. ``known``: migrations of other releases, by which a row that is none of ``files`` is recognised."""
    last = _last(rows, preset)
    there = {version for version, row in last.items() if row.state in ("applied", "baseline")}
    every = [*files, *known]
    there |= _follows(last, every, preset)
    by_version = {one.version: one for one in every} if preset else {_key(one.version): one for one in every}
    there |= {one.version for one in every if not preset and _key(one.version) in there}
    gone = {name for one in every if one.version in there for name in one.replaces}
    pending = [one for one in files if (one.version if preset else _key(one.version)) not in there | gone]
    unknown = [
        row for version, row in last.items() if row.state == "applied" and version not in by_version and version not in gone
    ]
    failed = [row.version for row in last.values() if row.state == "failed"]
    return Standing(frozenset(there), pending, failed, unknown)


def _last(rows: Iterable[Row], preset: str) -> dict[str, Row]:
    """The last word on each version. An attempt that was undone takes nothing back from one that ended well after it."""
    found: dict[str, Row] = {}
    for row in rows:
        version = flyway_version(row.version) if preset == "flyway" else row.version if preset else _key(row.version)
        found[version] = row
    return found


def _key(version: str) -> str:
    """Many tools read 01 and 1 as the same number."""
    return str(int(version)) if version.isdecimal() else version


def _follows(last: Mapping[str, Row], every: Sequence[Shipped], preset: str) -> set[str]:
    """What is applied although no row says so."""
    if preset == "alembic":
        return _ancestors(last, every)
    if preset == "flyway":
        ends = [flyway_key(version) for version, row in last.items() if row.state == "baseline"]
        return {one.version for one in every for end in ends if flyway_key(one.version) <= end}
    return {one.version for one in every if one.replaces and set(one.replaces) <= last.keys()}


def _ancestors(heads: Iterable[str], every: Iterable[Shipped]) -> set[str]:
    """Alembic's table has the last revision alone."""
    after = {one.version: one.after for one in every}
    found: set[str] = set()
    waiting = list(heads)
    while waiting:
        version = waiting.pop()
        if version not in found:
            found.add(version)
            waiting += after.get(version, ())
    return found
