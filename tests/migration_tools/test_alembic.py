"""Alembic on a real Postgres: what its own words say is pending is what the collection reads."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger import shipped
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.applied import standing
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.tools import TOOLS

from tests.migration_tools import tool
from tests.migration_tools.standing import files, pending, rows, seen
from tests.migrations.postgres import Database

VERSIONS = "alembic/versions"
BIN = Path(sys.executable).parent
tool.imported("alembic.config", "logging.config", "mako.template", "sqlalchemy.dialects.postgresql.psycopg2")


class Project:
    """As ``alembic init`` makes one."""

    def __init__(self, root: Path, database: Database) -> None:
        self.root, self.database = root, database
        self.run("alembic", "init", "alembic")
        settings = root / "alembic.ini"
        lines = settings.read_text().splitlines()
        url = database.url.replace("postgresql://", "postgresql+psycopg2://")
        settings.write_text("\n".join(f"sqlalchemy.url = {url}" if line.startswith("sqlalchemy.url") else line for line in lines))

    def run(self, program: str, *words: str) -> str:
        return tool.run(self.root, BIN / program, *words)

    def revision(self, name: str, *words: str) -> str:
        """The id of a new one, which makes a table."""
        before = set((self.root / VERSIONS).glob("*.py"))
        self.run("alembic", "revision", "-m", name, *words)
        [path] = set((self.root / VERSIONS).glob("*.py")) - before
        text = path.read_text().replace("    pass\n", f'    op.execute("create table {name} ()")\n', 1)
        path.write_text(text)
        return path.name.partition("_")[0]

    def pending(self) -> list[str]:
        return pending(self.database, self.root, VERSIONS, "alembic")


@pytest.fixture
def project(tmp_path: Path, database: Database) -> Project:
    return Project(tmp_path, database)


def test_what_is_pending_is_what_the_presets_command_applies(project: Project) -> None:
    first, second = project.revision("one"), project.revision("two")
    assert project.pending() == [first, second]
    project.run(*TOOLS["alembic"].command)
    assert project.pending() == []
    assert [row.version for row in rows(project.database, "alembic")] == [second]
    third, fourth = project.revision("three"), project.revision("four")
    assert project.pending() == [third, fourth]
    project.run("alembic", "upgrade", third)
    assert project.pending() == [fourth]
    project.run(*TOOLS["alembic"].command)
    assert project.database.value("select to_regclass('four') is not null")


def test_two_heads_are_told_before_the_command_stops_at_them(project: Project) -> None:
    first = project.revision("one")
    project.revision("two")
    project.revision("three", "--head", first, "--splice")
    [problem] = shipped.problems(files(project.root), VERSIONS, "alembic")
    assert problem.endswith("both come last, and the tool does not choose between them; join them with: alembic merge heads")
    with pytest.raises(AssertionError, match="Multiple head revisions"):
        project.run(*TOOLS["alembic"].command)
    project.run("alembic", "merge", "heads", "-m", "joined")
    assert len(project.pending()) == 4
    project.run(*TOOLS["alembic"].command)
    assert project.pending() == []


def test_an_older_release_is_behind_and_its_files_are_known_by_those_of_the_newer_one(project: Project) -> None:
    first = project.revision("one")
    old = shipped.shipped(files(project.root), VERSIONS, "alembic")
    second = project.revision("two")
    new = shipped.shipped(files(project.root), VERSIONS, "alembic")
    project.run(*TOOLS["alembic"].command)
    found = standing(rows(project.database, "alembic"), old, "alembic", known=new)
    assert (list(found.pending), list(found.unknown), set(found.applied)) == ([], [], {first, second})


def test_a_revision_that_nobody_has_the_file_of_is_told(project: Project) -> None:
    project.revision("one")
    project.run(*TOOLS["alembic"].command)
    project.database.rows("update alembic_version set version_num = 'by_hand'")
    assert [row.version for row in seen(project.database, project.root, VERSIONS, "alembic").unknown] == ["by_hand"]


def test_before_the_first_migration_there_is_no_table(project: Project) -> None:
    assert rows(project.database, "alembic") == []
