"""What a host remembers of Supabase's migrations that it has run, without a database."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.migrate_supabase import Wanted, apply
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.release.schema_files import digests
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase.plan import Decision, MigrationFile

DIRECTORY, ID = "supabase/migrations", "1.0-a"
ADDS, DROPS = "20260101000000", "20260102000000"
TEXTS = {f"{DIRECTORY}/{ADDS}_adds.sql": b"create table a ();", f"{DIRECTORY}/{DROPS}_drops.sql": b"drop table b;"}
FILES = [
    MigrationFile(f"{DIRECTORY}/{ADDS}_adds.sql", ADDS, "adds", "additive"),
    MigrationFile(f"{DIRECTORY}/{DROPS}_drops.sql", DROPS, "drops", "destructive", since=DROPS),
]


@dataclass
class Runs:
    """runner.Runner, on a database that had nothing before."""

    decision: Decision
    applied: list[str]
    error: str = ""
    backfilled: dict[str, str] = field(default_factory=dict)

    def run(self, decide: Callable[[Any], Decision]) -> Decision:
        if self.error:
            raise DeployError(self.error)
        return self.decision


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    found = Releases("shop", tmp_path)
    found.write_files(ID, "1.0", "staging", {"compose.yml": b"services: {}\n", **TEXTS})
    stack = {"compose_files": ["compose.yml"], "migration": {"engine": "supabase", "directory": DIRECTORY}, "services": []}
    found.write_manifest(Manifest(ID, "1.0", "staging", Stack.of(stack)))
    return found


def applied(releases: Releases, runs: Runs, force: str = "") -> dict[str, Any]:
    return apply(runs, Wanted(FILES, force=force), SimpleNamespace(releases=releases), ID)  # type: ignore[arg-type]


def journal(releases: Releases) -> list[dict[str, Any]]:
    path = releases.root / "journal.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.parametrize("reason", ["", "nobody reads b"])
def test_a_host_remembers_what_it_has_run_and_the_reason_that_somebody_gave(releases: Releases, reason: str) -> None:
    runs = Runs(Decision(forced=[FILES[1].path] if reason else []), [one.path for one in FILES])
    assert applied(releases, runs, reason)["forced"] == runs.decision.forced
    schema = releases.lineage().schema
    assert (schema.head, schema.compatible_since, schema.files) == (DROPS, DROPS, digests(TEXTS, DIRECTORY))
    [line] = journal(releases)
    assert (line["event"], line["release"], line.get("forced")) == ("migrated", ID, reason or None)
    # There is nothing new to remember.
    applied(releases, runs, reason)
    assert len(journal(releases)) == 1


def test_of_a_run_that_broke_off_what_was_done_is_remembered(releases: Releases) -> None:
    with pytest.raises(DeployError, match="the second one failed"):
        applied(releases, Runs(Decision(), [FILES[0].path], "the second one failed"))
    schema = releases.lineage().schema
    assert (schema.head, schema.compatible_since, list(schema.files)) == (ADDS, "", [ADDS])
