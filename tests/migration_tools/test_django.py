"""Django on a real Postgres: what ``showmigrations`` says of a project's own apps is what the collection reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger import shipped
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.tools import TOOLS

from tests.migration_tools import tool
from tests.migration_tools.standing import files, pending, seen
from tests.migrations.postgres import Database

tool.imported(
    *(f"django.core.management.commands.{name}" for name in ("makemigrations", "migrate", "showmigrations", "squashmigrations")),
    "django.db.backends.postgresql.base",
)
SETTINGS = """
DATABASES = {{"default": {{"ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "PORT": {port}, "NAME": "{name}",
                           "USER": "postgres"}}}}
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "shop", "cart"]
SECRET_KEY = "x"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""
MANAGE = """
import os
from django.core.management import execute_from_command_line
import sys
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
execute_from_command_line(sys.argv)
"""
MODELS = {
    "cart": "from django.db import models\n\nclass Cart(models.Model):\n    name = models.TextField()\n",
    "shop": (
        "from django.conf import settings\nfrom django.db import models\n\nclass Order(models.Model):\n"
        "    cart = models.ForeignKey('cart.Cart', models.CASCADE)\n"
        "    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)\n"
    ),
}


class Project:
    """Two apps of its own, beside those that Django brings."""

    def __init__(self, root: Path, database: Database) -> None:
        self.root, self.database = root, database
        (root / "settings.py").write_text(SETTINGS.format(port=database.port, name=database.name))
        (root / "manage.py").write_text(MANAGE)
        for app, text in MODELS.items():
            (root / app / "migrations").mkdir(parents=True)
            for name in ("__init__.py", "migrations/__init__.py"):
                (root / app / name).touch()
            (root / app / "models.py").write_text(text)

    def run(self, *words: str) -> str:
        return self.command("python", "manage.py", *words)

    def command(self, *words: str) -> str:
        python, script, *rest = words
        assert python == "python"
        return tool.run(self.root, self.root / script, *rest)

    def adds(self, app: str, field: str) -> None:
        path = self.root / app / "models.py"
        path.write_text(f"{path.read_text()}    {field} = models.TextField(null=True)\n")
        self.run("makemigrations", app)

    def pending(self) -> list[str]:
        return pending(self.database, self.root, ".", "django")

    def plan(self) -> list[str]:
        """Django's own word on its apps."""
        lines = re.findall(r"^\[ \]\s+(\S+)", self.run("showmigrations", "--plan"), re.MULTILINE)
        return [name for name in lines if name.partition(".")[0] in MODELS]


@pytest.fixture
def project(tmp_path: Path, database: Database) -> Project:
    return Project(tmp_path, database)


def test_what_is_pending_is_what_django_says_and_its_command_applies(project: Project) -> None:
    project.run("makemigrations")
    assert sorted(project.pending()) == sorted(project.plan()) == ["cart.0001_initial", "shop.0001_initial"]
    assert project.pending().index("cart.0001_initial") == 0, "shop needs it"
    project.command(*TOOLS["django"].command)
    assert (project.pending(), project.plan()) == ([], [])
    project.adds("shop", "note")
    assert project.pending() == project.plan() == ["shop.0002_order_note"]
    project.command(*TOOLS["django"].command)
    assert project.pending() == []


def test_squashed_migrations_stand_for_those_that_they_replace(project: Project) -> None:
    project.run("makemigrations")
    project.adds("shop", "note")
    project.command(*TOOLS["django"].command)
    project.run("squashmigrations", "shop", "0002", "--noinput")
    assert project.pending() == project.plan() == []
    project.command(*TOOLS["django"].command)
    for path in (project.root / "shop/migrations").glob("000[12]_[!s]*.py"):
        if "squashed" not in path.name:
            path.unlink()
    assert project.pending() == project.plan() == []


def test_two_that_come_last_are_told_before_the_command_stops_at_them(project: Project) -> None:
    project.run("makemigrations")
    project.adds("shop", "note")
    path = project.root / "shop/migrations/0002_order_note.py"
    other = path.with_name("0002_order_other.py")
    other.write_text(path.read_text().replace('"note"', '"other"').replace("'note'", "'other'"))
    [problem] = shipped.problems(files(project.root), ".", "django")
    assert problem.endswith("join them with: python manage.py makemigrations --merge")
    with pytest.raises(AssertionError, match="Conflicting migrations"):
        project.command(*TOOLS["django"].command)
    project.run("makemigrations", "--merge", "--noinput")
    assert shipped.problems(files(project.root), ".", "django") == []


def test_what_django_brings_is_no_surprise_and_what_was_applied_by_hand_is(project: Project) -> None:
    project.run("makemigrations")
    project.command(*TOOLS["django"].command)
    unknown = {row.version.partition(".")[0] for row in seen(project.database, project.root, ".", "django").unknown}
    assert unknown == {"auth", "contenttypes"}
