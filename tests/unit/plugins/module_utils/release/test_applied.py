from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import ConfigError
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.lineage import Kind
from ansible_collections.morpheus.deploy.plugins.module_utils.release.applied import accepted_edits
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.release.schema_files import digests
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Migration, Stack

A, B = "migrations/1_a.sql", "migrations/2_b.sql"
MIGRATION = {"service": "migrate", "directory": "migrations", "accept_edited": []}


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    return Releases("shop", tmp_path)


def live(releases: Releases, migration: Mapping[str, Any] | None) -> None:
    """A release with one migration file is live, and nobody remembers what was applied."""
    releases.write_files("0-a", "0", "staging", {A: b"create a;"})
    releases.write_manifest(Manifest("0-a", "0", "staging", Stack.of({"migration": migration})))
    lineage = releases.lineage()
    lineage.went_live("0-a", Kind.DEPLOY)
    releases.write_lineage(lineage)


def edits(releases: Releases, files: Mapping[str, bytes], **migration: Any) -> dict[str, str]:
    return accepted_edits(releases, releases.lineage(), Migration.of(MIGRATION | migration), files)


def remember(releases: Releases, files: Mapping[str, str]) -> None:
    lineage = releases.lineage()
    lineage.schema.applied(files)
    releases.write_lineage(lineage)


def test_a_host_that_knows_nothing_accepts_every_file(releases: Releases) -> None:
    assert edits(releases, {A: b"create a;"}) == {}


def test_a_file_that_was_applied_may_not_be_edited_also_when_its_release_never_went_live(releases: Releases) -> None:
    remember(releases, digests({A: b"create a;", B: b"create b;"}, "migrations"))
    assert edits(releases, {A: b"create a;", B: b"create b;"}) == {}
    with pytest.raises(ConfigError) as caught:
        edits(releases, {A: b"create a;", B: b"edited"})
    [problem] = caught.value.problems
    assert problem.startswith("migrations/2_b.sql: was applied with another content (SHA-256 ")


def test_what_is_live_was_applied_on_hosts_that_did_not_migrate_too(releases: Releases) -> None:
    live(releases, MIGRATION)
    assert edits(releases, {A: b"create a;", B: b"new"}) == {}
    with pytest.raises(ConfigError, match=r"migrations/1_a\.sql: was applied with another content"):
        edits(releases, {A: b"edited"})


@pytest.mark.parametrize("migration", [None, {"service": "migrate", "directory": ""}])
def test_files_of_a_live_release_that_named_no_directory_count_for_nothing(releases: Releases, migration: Any) -> None:
    live(releases, migration)
    assert edits(releases, {A: b"edited"}) == {}


def test_what_was_written_down_counts_more_than_what_is_live(releases: Releases) -> None:
    live(releases, MIGRATION)
    remember(releases, digests({A: b"-- edited"}, "migrations"))
    assert edits(releases, {A: b"-- edited"}) == {}
    with pytest.raises(ConfigError):
        edits(releases, {A: b"create a;"})


def test_an_edit_that_is_accepted_is_what_was_applied_from_then_on(releases: Releases) -> None:
    remember(releases, digests({A: b"create a;"}, "migrations"))
    accepted = edits(releases, {A: b"-- edited", B: b"new"}, accept_edited=["1", "2"])
    assert accepted == {"1": digests({A: b"-- edited"}, "migrations")["1"]}
    remember(releases, accepted)
    assert edits(releases, {A: b"-- edited", B: b"new"}) == {}
