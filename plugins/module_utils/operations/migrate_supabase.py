# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Supabase's migrations of a release, run from a host that remembers what the database has come to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.journal import Journal
from ansible_collections.morpheus.deploy.plugins.module_utils.release import schema_files
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase import backfill, ledger, runner
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase.plan import Decision, MigrationFile, Release, decide
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase.runner import Runner


@dataclass(frozen=True)
class Wanted:
    """``force``: why what older releases need may be taken away; empty when it may not."""

    files: Sequence[MigrationFile]
    retained: Sequence[Release] = ()
    accept_edited: Collection[str] = ()
    force: str = ""

    def decide(self, cursor: Any) -> Decision:
        rows = ledger.read(cursor)
        return decide(self.files, rows, self.retained, accept_edited=self.accept_edited, force=self.force)


def look(cursor: Any, wanted: Wanted) -> dict[str, Any]:
    """What would be run. Raises DeployError when nothing may."""
    decision = wanted.decide(cursor)
    runner.refuse(decision)
    backfills = {one.path: backfill.would(cursor, one) for one in decision.pending if one.backfill}
    return _told(decision, [one.path for one in decision.pending], backfills)


def apply(at_work: Runner, wanted: Wanted, host: StackHost | None = None, release_id: str = "") -> dict[str, Any]:
    """Run what is due. ``host``: what remembers it, also when only a part was run."""
    before: set[str] = set()

    def at_last(cursor: Any) -> Decision:
        before.update(row.version for row in ledger.read(cursor))
        return wanted.decide(cursor)

    try:
        decision = at_work.run(at_last)
    finally:
        there = [one for one in wanted.files if one.version in before or one.path in at_work.applied]
        if host and there:
            _remember(host, release_id, there, wanted.force)
    return _told(decision, at_work.applied, at_work.backfilled)


def _told(decision: Decision, applied: Sequence[str], backfills: Mapping[str, str]) -> dict[str, Any]:
    waiting, forced = dict(decision.waiting), list(decision.forced)
    return {"applied": list(applied), "waiting": waiting, "forced": forced, "backfills": dict(backfills)}


def _remember(host: StackHost, release_id: str, there: Sequence[MigrationFile], force: str) -> None:
    """A rollback asks the host, and no database."""
    manifest = host.releases.read(release_id)
    directory = manifest.stack.migration.directory if manifest.stack.migration else ""
    digests = schema_files.digests(schema_files.read(host.releases.workspace(release_id).files, directory), directory)
    applied = {one.version: digests[one.version] for one in there if one.version in digests}
    news: Mapping[str, str] = {
        "head": max((one.version for one in there), key=int),
        "compatible_since": max((one.since for one in there if one.since), key=int, default=""),
    }
    lineage = host.releases.lineage()
    if any([lineage.schema.migrated(news), lineage.schema.applied(applied)]):
        host.releases.write_lineage(lineage)
        forced = {"forced": force} if force else {}
        Journal(host.releases.root / "journal.jsonl").write(
            "migrated", release=release_id, schema=dict(news), files=applied, **forced
        )
