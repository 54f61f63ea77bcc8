"""A database that another tool has migrated so far goes over to Supabase's engine, as docs/migrations.md says it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.migrations.postgres import Database
from tests.migrations.project import ROOT, Project, claim, path
from tests.migrations.test_cli import ask, listed
from tests.migrations.test_example import SOURCES as EXAMPLE
from tests.migrations.test_example import STORIES

FIRST, SECOND, NEXT = "0001_orders", "0002_notes", "20260101000000_lines"
BASELINE, CONTRACT = "20251231000000_baseline", "20260102000000_gone"
SOURCES = {
    FIRST: "create table orders (id int primary key);\n",
    SECOND: "alter table orders add column note text;\ncreate index notes on orders (note);\n",
    NEXT: "create table lines (id int primary key);\n",
}
LEDGER = "create schema supabase_migrations; create table supabase_migrations.schema_migrations"
COLUMNS = "(version text primary key, name text, statements text[])"
INSERT = "insert into supabase_migrations.schema_migrations (version, name, statements) values (%s, %s, %s)"


# What staging and production of the example had before they had Supabase's engine.
OLD_EXAMPLE = """
create table stories (
    id bigint generated always as identity primary key, title text not null, text text not null,
    created_at timestamptz not null default now()
);
alter table stories add column owner uuid;
create index stories_owner on stories (owner);
"""


@pytest.fixture
def project(database: Database, tmp_path: Path) -> Project:
    """Whose database has the first two files, and no ledger."""
    claim(database)
    for name in (FIRST, SECOND):
        database.rows(SOURCES[name])
    return Project(tmp_path, database)


def noted(project: Project, *, with_text: bool) -> None:
    """In Supabase's ledger, by a tool that keeps each file whole or keeps no text at all."""
    project.database.rows(f"{LEDGER} {COLUMNS}")
    for name in (FIRST, SECOND):
        version, _, rest = name.partition("_")
        project.database.rows(INSERT, version, rest, [SOURCES[name]] if with_text else None)


def test_lines_without_statements_are_taken_as_they_are(project: Project) -> None:
    noted(project, with_text=False)
    project.write(SOURCES)
    assert project.apply()["applied"] == [path(NEXT)]
    assert project.apply()["applied"] == []


def test_lines_that_hold_whole_files_are_refused_until_their_versions_are_accepted(project: Project) -> None:
    noted(project, with_text=True)
    project.write(SOURCES)
    refused = project.apply()
    assert "was applied with another content" in refused["msg"]
    assert 'stack.migration.accept_edited: ["0001"]' in refused["msg"]
    assert project.apply(accept_edited=["0001", "0002"])["applied"] == [path(NEXT)]


@pytest.mark.deep
def test_without_a_ledger_the_first_file_is_the_schema_as_it_is_and_is_only_noted(cli: str, project: Project) -> None:
    baseline = {BASELINE: SOURCES[FIRST] + SOURCES[SECOND], NEXT: SOURCES[NEXT]}
    project.write(baseline)
    assert "already exists" in project.apply()["msg"]
    ask(cli, project, "migration", "repair", "--status", "applied", BASELINE.partition("_")[0])
    assert project.apply()["applied"] == [path(NEXT)]
    versions = [name.partition("_")[0] for name in baseline]
    assert listed(ask(cli, project, "migration", "list")) == {version: version for version in versions}


def test_a_contract_waits_for_releases_of_the_tool_before(project: Project) -> None:
    noted(project, with_text=False)
    project.write({**SOURCES, CONTRACT: "-- contract\nalter table orders drop column note;\n"})
    # A revision of Alembic, which is no number.
    waits = project.apply(retained=[{"id": "1.0.0-aa", "head": "ae1027a6acf"}])
    assert (waits["applied"], list(waits["waiting"])) == ([path(NEXT)], [path(CONTRACT)])
    assert "which release 1.0.0-aa may need" in waits["waiting"][path(CONTRACT)]
    assert project.apply()["applied"] == [path(CONTRACT)]


def test_a_database_of_the_example_from_before_goes_over_by_the_statements_of_the_page(project: Project) -> None:
    page = (ROOT / "docs/migrations.md").read_text()
    [statements] = re.findall(r"```sql\n(.*?)```", page.partition("### From another tool")[2].partition("\n## ")[0], re.DOTALL)
    noted(project, with_text=True)
    project.database.rows(OLD_EXAMPLE)
    project.database.rows("insert into stories (title, text) values ('The lamp', 'It burned.')")
    project.write(EXAMPLE)
    assert "the database has 0001_orders applied, and this release has no such file" in project.apply()["msg"]
    project.database.rows(statements)
    assert project.apply()["applied"] == [path(name) for name in EXAMPLE if name != STORIES]
    assert project.database.rows("select title, summary from stories") == [("The lamp", "It burned.")]
