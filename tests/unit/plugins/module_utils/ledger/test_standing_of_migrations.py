"""Rows as each tool writes them, beside the files of releases."""

from __future__ import annotations

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.applied import Row, standing
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.shipped import Shipped


def files(*versions: str, **more: tuple[str, ...]) -> list[Shipped]:
    return [Shipped(version, [f"{version}.file"]) for version in versions]


CHAIN = [Shipped("a", ["a.py"]), Shipped("b", ["b.py"], ("a",)), Shipped("c", ["c.py"], ("b",))]
SQUASHED = [Shipped("s.0001_squashed", ["s.py"], (), ("s.0001_a", "s.0002_b"))]
# preset, rows, files, what is pending, what is applied of no file, what has failed
STANDINGS = [
    pytest.param("", [Row("1"), Row("02")], files("01", "2", "3"), ["3"], [], [], id="numbers, however they are written"),
    pytest.param("", [Row("1"), Row("9", "hotfix")], files("1"), [], ["9"], [], id="applied by hand"),
    pytest.param("alembic", [Row("b")], CHAIN, ["c"], [], [], id="alembic: the last one stands for those before it"),
    pytest.param("alembic", [Row("z")], CHAIN, ["a", "b", "c"], ["z"], [], id="alembic: a revision that nobody has"),
    pytest.param("alembic", [], CHAIN, ["a", "b", "c"], [], [], id="alembic: a new database"),
    pytest.param("django", [Row("s.0001_a"), Row("s.0002_b")], SQUASHED, [], [], [], id="django: all that it replaces is there"),
    pytest.param(
        "django", [Row("s.0001_a")], SQUASHED, ["s.0001_squashed"], ["s.0001_a"], [], id="django: a part of it is there"
    ),
    pytest.param("prisma", [Row("1_a", "", "failed")], files("1_a"), ["1_a"], [], ["1_a"], id="prisma: one broke off"),
    pytest.param(
        "prisma",
        [Row("1_a", "", "undone"), Row("1_a")],
        files("1_a"),
        [],
        [],
        [],
        id="prisma: one broke off, was resolved and ran again",
    ),
    pytest.param("prisma", [Row("1_a", "", "undone")], files("1_a"), ["1_a"], [], [], id="prisma: resolved as rolled back"),
    pytest.param("rails", [Row("1"), Row("20260102000000")], files("1", "20260102000000", "3"), ["3"], [], [], id="rails"),
    pytest.param("flyway", [Row("1.0"), Row("001.1")], files("1", "1.1", "2"), ["2"], [], [], id="flyway: parts are numbers"),
    pytest.param(
        "flyway", [Row("1.5", "", "baseline")], files("1", "1.5", "2"), ["2"], [], [], id="flyway: what the baseline stands for"
    ),
    pytest.param(
        "flyway", [Row("1"), Row("2"), Row("2", "", "undone")], files("1", "2"), ["2"], [], [], id="flyway: undone again"
    ),
    pytest.param("flyway", [Row("2", "", "failed")], files("2"), ["2"], [], ["2"], id="flyway: one broke off"),
]


@pytest.mark.parametrize(("preset", "rows", "shipped", "pending", "unknown", "failed"), STANDINGS)
def test_what_is_pending_follows_from_rows_and_files(
    preset: str, rows: list[Row], shipped: list[Shipped], pending: list[str], unknown: list[str], failed: list[str]
) -> None:
    found = standing(rows, shipped, preset)
    assert [one.version for one in found.pending] == pending
    assert [row.version for row in found.unknown] == unknown
    assert list(found.failed) == failed


def test_an_older_release_knows_its_migrations_by_the_files_of_a_newer_one() -> None:
    """Alembic's one row is of the newer release."""
    found = standing([Row("c")], CHAIN[:2], "alembic", known=CHAIN)
    assert (found.pending, found.unknown) == ([], [])
    assert found.applied == {"a", "b", "c"}
