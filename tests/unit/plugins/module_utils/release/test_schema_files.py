from __future__ import annotations

import hashlib
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.release import schema_files
from ansible_collections.morpheus.deploy.plugins.module_utils.release.schema_files import (
    digests,
    edited,
    read,
    schema_versions,
)

ONE, TWO = "migrations/1_a.sql", "migrations/2_b.sql"
FILES = {ONE: b"create table a;", TWO: b"create table b;", "compose.yml": b"", "migrations/README.md": b"", "other/9_x.sql": b""}


def test_versions_are_those_of_files_directly_below_the_directory_in_the_order_of_numbers() -> None:
    more = dict.fromkeys(["migrations/10_c.sql", "migrations/deep/3_d.sql", "migrations/_e.sql"], b"")
    assert schema_versions({**FILES, **more}, "migrations") == ["1", "2", "10"]
    assert schema_versions(FILES, "./migrations/") == ["1", "2"]
    assert schema_versions(FILES, "") == []


def test_a_digest_is_what_sha256sum_says_of_the_file() -> None:
    assert digests(FILES, "migrations") == {
        "1": hashlib.sha256(FILES[ONE]).hexdigest(),
        "2": hashlib.sha256(FILES[TWO]).hexdigest(),
    }


def test_an_applied_file_that_was_edited_is_named_with_both_contents_and_the_ways_out() -> None:
    applied = digests(FILES, "migrations")
    files = FILES | {ONE: b"create table other;"}
    before, now = applied["1"][:12], digests(files, "migrations")["1"][:12]
    assert edited(applied, files, "migrations", []) == [
        f"migrations/1_a.sql: was applied with another content (SHA-256 {before}, now {now}), and what is applied is never "
        "applied again. Put it back as it was, and the change into a new file. Only if the database needs no change (a comment), "
        'name it in stack.migration.accept_edited: ["1"]'
    ]
    assert edited(applied, files, "migrations", ["2"]) != []
    assert edited(applied, files, "migrations", ["1"]) == []


def test_what_was_not_applied_yet_may_be_edited_and_a_new_or_missing_or_renamed_file_is_no_edit() -> None:
    applied = {"1": digests(FILES, "migrations")["1"]}
    assert edited(applied, FILES | {TWO: b"edited"}, "migrations", []) == []
    assert edited(applied, {TWO: b"new"}, "migrations", []) == []
    assert edited(applied, {"migrations/1_renamed.sql": FILES[ONE]}, "migrations", []) == []
    assert edited({}, FILES, "migrations", []) == []


def test_an_edited_way_down_is_an_edit_too() -> None:
    both = {"m/1_a.up.sql": b"create", "m/1_a.down.sql": b"drop"}
    [problem] = edited(digests(both, "m"), both | {"m/1_a.down.sql": b"drop all"}, "m", [])
    assert problem.startswith("m/1_a.down.sql and m/1_a.up.sql: was applied with another content")


def test_the_files_of_a_release_are_read_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "migrations" / "deep").mkdir(parents=True)
    (tmp_path / ONE).write_bytes(b"create table a;")
    assert read(tmp_path, "migrations") == {ONE: b"create table a;"}
    assert read(tmp_path, "gone") == {}
    assert read(tmp_path, "") == {}
    assert schema_files.digests(read(tmp_path, "./migrations"), "migrations") == digests({ONE: FILES[ONE]}, "migrations")
