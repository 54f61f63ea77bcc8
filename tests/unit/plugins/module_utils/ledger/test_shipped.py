"""Files as each tool's own generator writes them."""

from __future__ import annotations

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.shipped import Shipped, problems, shipped


def alembic(revision: str, before: str) -> bytes:
    return f'''"""A change

Revision ID: {revision}
"""
from typing import Sequence, Union

from alembic import op

revision: str = "{revision}"
down_revision: Union[str, None] = {before}
branch_labels: Union[str, Sequence[str], None] = None
depends_on: Union[str, Sequence[str], None] = None


def upgrade() -> None:
    op.execute("create table x ()")
'''.encode()


def django(dependencies: str, replaces: str = "") -> bytes:
    more = f"    replaces = {replaces}\n" if replaces else ""
    return f"""from django.db import migrations


class Migration(migrations.Migration):
{more}
    dependencies = {dependencies}

    operations = []
""".encode()


ALEMBIC = {
    "alembic/versions/ffff_first.py": alembic("ffff", "None"),
    "alembic/versions/aaaa_second.py": alembic("aaaa", "'ffff'"),
    "alembic/versions/bbbb_third.py": alembic("bbbb", "'aaaa'"),
    "alembic/env.py": b"run()",
}
DJANGO = {
    "shop/migrations/__init__.py": b"",
    "shop/migrations/0001_initial.py": django("[migrations.swappable_dependency(settings.AUTH_USER_MODEL)]"),
    "shop/migrations/0002_note.py": django("[('shop', '0001_initial'), ('cart', '0001_initial')]"),
    "cart/migrations/0001_initial.py": django("[('auth', '0012_alter_user')]"),
    "cart/models.py": b"",
}
READ = [
    pytest.param("alembic", ALEMBIC, "alembic/versions", ["ffff", "aaaa", "bbbb"], id="alembic: as they follow each other"),
    pytest.param(
        "django", DJANGO, ".", ["cart.0001_initial", "shop.0001_initial", "shop.0002_note"], id="django: as they need each other"
    ),
    pytest.param(
        "prisma",
        {
            "prisma/migrations/20260102000000_b/migration.sql": b"",
            "prisma/migrations/20260101000000_a/migration.sql": b"",
            "prisma/migrations/migration_lock.toml": b"",
        },
        "prisma/migrations",
        ["20260101000000_a", "20260102000000_b"],
        id="prisma: names of directories",
    ),
    pytest.param(
        "rails",
        {"db/migrate/20260102000000_b.rb": b"", "db/migrate/001_create_a.rb": b"", "db/schema.rb": b""},
        "db/migrate",
        ["1", "20260102000000"],
        id="rails: numbers without leading zeros",
    ),
    pytest.param(
        "flyway",
        {
            "sql/V1_1__b.sql": b"",
            "sql/V1__a.sql": b"",
            "sql/deep/V2.0__c.sql": b"",
            "sql/V10__d.sql": b"",
            "sql/R__view.sql": b"",
        },
        "sql",
        ["1", "1.1", "2", "10"],
        id="flyway: by their parts, on any level",
    ),
]


@pytest.mark.parametrize(("preset", "files", "directory", "versions"), READ)
def test_migrations_are_named_and_ordered_as_their_tool_does(
    preset: str, files: dict[str, bytes], directory: str, versions: list[str]
) -> None:
    assert [one.version for one in shipped(files, directory, preset)] == versions
    assert problems(files, directory, preset) == []


def test_without_a_directory_nobody_knows_of_any() -> None:
    assert shipped(ALEMBIC, "", "alembic") == []


def test_what_was_written_down_is_read_again() -> None:
    one = Shipped("shop.0003_s", ["shop/migrations/0003_s.py"], ("cart.0001_initial",), ("shop.0001_initial",))
    assert Shipped.of(one.as_dict()).as_dict() == one.as_dict()


WRONG = [
    pytest.param(
        "alembic",
        {"v/a.py": alembic("a", "None"), "v/b.py": alembic("b", "'a'"), "v/c.py": alembic("c", "'a'")},
        ["v/b.py and v/c.py both come last, and the tool does not choose between them; join them with: alembic merge heads"],
        id="alembic: two heads",
    ),
    pytest.param(
        "alembic",
        {"v/b.py": alembic("b", "'gone'")},
        ["v/b.py: comes after gone, which no file is; ship that file too"],
        id="alembic: one is missing",
    ),
    pytest.param(
        "alembic",
        {"v/b.py": b"revision = name()"},
        ["v/b.py: has no revision that is written out; take it out of the directory"],
        id="alembic: a revision that nobody can read",
    ),
    pytest.param(
        "alembic",
        {"v/a.py": alembic("a", "None"), "v/b.py": alembic("a", "None")},
        ["v/a.py and v/b.py have the same version: a tool applies one of them and never the other; give each its own"],
        id="alembic: one revision twice",
    ),
    pytest.param(
        "django",
        {
            "v/shop/migrations/0001_a.py": django("[]"),
            "v/shop/migrations/0002_b.py": django("[('shop', '0001_a')]"),
            "v/shop/migrations/0002_c.py": django("[('shop', '0001_a')]"),
        },
        [
            "v/shop/migrations/0002_b.py and v/shop/migrations/0002_c.py both come last, and the tool does not choose between "
            "them; join them with: python manage.py makemigrations --merge"
        ],
        id="django: two that come last",
    ),
    pytest.param(
        "flyway",
        {"v/V1__a.sql": b"", "v/x/V01__b.sql": b""},
        [
            "v/V1__a.sql and v/x/V01__b.sql have the same version: a tool applies one of them and never the other; give each "
            "its own"
        ],
        id="flyway: one number, written differently",
    ),
    pytest.param("django", {"v/shop/migrations/0001_a.py": b"class Migration("}, None, id="django: no Python"),
]


@pytest.mark.parametrize(("preset", "files", "expected"), WRONG)
def test_what_the_tool_would_stop_at_is_told_before_anything_runs(
    preset: str, files: dict[str, bytes], expected: list[str] | None
) -> None:
    found = problems(files, "v", preset)
    assert found == expected if expected is not None else found


def test_two_files_with_one_version_are_both_named() -> None:
    names = ["migrations/20260701000000_a.sql", "migrations/20260701000000_b.sql", "migrations/20260702000000_c.sql"]
    assert problems(dict.fromkeys(names, b""), "migrations") == [
        "migrations/20260701000000_a.sql and migrations/20260701000000_b.sql have the same version: a tool applies one of them "
        "and never the other; give each its own"
    ]


@pytest.mark.parametrize(
    ("names", "count"),
    [
        pytest.param(["1_a.sql", "2_b.sql"], 0, id="different"),
        pytest.param(["1_a.up.sql", "1_a.down.sql"], 0, id="up and down of one"),
        pytest.param(["1_a.up.sql", "1_a.down.sql", "1_b.up.sql"], 1, id="an up of another"),
        pytest.param(["01_a.sql", "1_b.sql"], 1, id="the same number, written differently"),
        pytest.param(["1_a.sql", "1_b.sql", "2_c.sql", "2_d.sql"], 2, id="twice"),
        pytest.param(["notes.md", "more.md"], 0, id="no versions at all"),
    ],
)
def test_a_version_belongs_to_one_migration(names: list[str], count: int) -> None:
    assert len(problems({f"migrations/{name}": b"" for name in names}, "migrations")) == count
