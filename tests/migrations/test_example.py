"""The example's migrations in Supabase's layout, release by release: what serves meanwhile goes on, and so does what a rollback
leads to.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.migrations.postgres import Cluster, Database
from tests.migrations.project import Project, claim, path
from tests.migrations.test_cli import ask, listed

SOURCES = {
    path.stem: path.read_text() for path in sorted((Path(__file__).parents[2] / "stacks/morpheus/supabase/migrations").iterdir())
}
STORIES, SUMMARY, NEWEST, FILL, MOOD, CONTRACT = SOURCES
# What a release ships beside the files of those before it, and what its application says to the database.
RELEASES = {
    "1.0.0": ([STORIES], "insert into stories (title, text, teaser) values ('1.0', 'text', 'teaser') returning teaser"),
    "1.1.0": (
        [SUMMARY, NEWEST, FILL],
        "insert into stories (title, text, teaser, summary) values ('1.1', 'text', 'short', 'short') returning teaser, summary",
    ),
    "1.2.0": ([MOOD], "insert into stories (title, text, summary, mood) values ('1.2', 'text', 'short', 'sad') returning mood"),
    "1.3.0": (
        [CONTRACT],
        "insert into stories (title, text, summary, mood) values ('1.3', 'text', 'short', 'glad') returning mood",
    ),
}


def shipped(release: str) -> dict[str, str]:
    known = list(RELEASES)
    names = [name for one in known[: known.index(release) + 1] for name in RELEASES[one][0]]
    return {name: SOURCES[name] for name in names}


def retained(*releases: str) -> list[dict[str, str]]:
    heads = {one: max(name for name in shipped(one) if name != CONTRACT).partition("_")[0] for one in releases}
    return [{"id": f"{one}-aa", "head": CONTRACT.partition("_")[0] if one == "1.3.0" else heads[one]} for one in releases]


def deploy(project: Project, release: str, *others: str) -> dict[str, Any]:
    project.write(shipped(release))
    result = project.apply(retained=retained(*others))
    for one in (release, *others):
        assert project.database.rows(RELEASES[one][1]), f"{one} does not serve"
    return result


def test_each_file_is_of_the_kind_that_it_shows(database: Database, tmp_path: Path) -> None:
    project = Project(tmp_path, database)
    project.write(SOURCES)
    kinds = [(one["kind"], one["contract"], "backfill" in one) for one in project.parsed()]
    plain = ("additive", False, False)
    assert kinds == [plain, plain, plain, ("backfill", False, True), plain, ("destructive", True, False)]


def test_over_four_releases_each_serves_beside_the_one_before_and_the_contract_waits_for_its_turn(
    database: Database, tmp_path: Path
) -> None:
    project = Project(tmp_path, database)
    claim(database)
    assert deploy(project, "1.0.0")["applied"] == [path(STORIES)]
    database.rows("insert into stories (title, text) select 'old', 'a long text' from generate_series(1, 2500)")
    result = deploy(project, "1.1.0", "1.0.0")
    assert result["applied"] == [path(SUMMARY), path(NEWEST), path(FILL)]
    assert result["backfills"][path(FILL)].startswith("2501 of 2501 rows changed in ")
    assert database.value("select count(*) from stories where title = 'old' and summary = 'a long text'") == 2500
    assert deploy(project, "1.2.0", "1.1.0", "1.0.0")["applied"] == [path(MOOD)]
    # A rollback may lead to 1.1.0 still.
    waits = deploy(project, "1.3.0", "1.2.0", "1.1.0")
    assert (waits["applied"], list(waits["waiting"])) == ([], [path(CONTRACT)])
    assert waits["waiting"][path(CONTRACT)] == "drops the column teaser of stories (line 3), which release 1.1.0-aa may need"
    assert deploy(project, "1.3.0", "1.2.0")["applied"] == [path(CONTRACT)]
    assert project.versions() == [name.partition("_")[0] for name in SOURCES]


@pytest.mark.deep
def test_the_cli_applies_the_same(cli: str, postgres: Cluster, tmp_path: Path) -> None:
    with postgres.database() as one, postgres.database() as other:
        ours, theirs = Project(tmp_path / "ours", one), Project(tmp_path / "theirs", other)
        for project in (ours, theirs):
            claim(project.database)
            project.write(SOURCES)
        assert ours.apply()["applied"] == [path(name) for name in SOURCES]
        ask(cli, theirs, "migration", "up")
        assert ours.rows() == theirs.rows()
        versions = ours.versions()
        assert listed(ask(cli, ours, "migration", "list")) == {version: version for version in versions}
