# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migration tools whose ledger can be read: its table, as the tool itself makes it, and the command that applies what is pending.

A ledger is called ``<preset>:<schema>.<table>``; without a preset it is a table with a column ``version``, as Supabase's CLI and
many others keep one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

TABLE = r"[A-Za-z_][A-Za-z0-9_]*\.[A-Za-z_][A-Za-z0-9_]*"


@dataclass(frozen=True)
class Tool:
    """``columns``: those without which the table is not the tool's. ``select``: version, name and state of each row, oldest
    first, with ``{table}`` for the table; the states are those of ``applied.Row``. ``whole``: whether all that it may apply is
    among the files of a release.
    """

    table: str
    columns: frozenset[str]
    select: str
    command: Sequence[str] = ()
    whole: bool = True


PLAIN = Tool(
    "supabase_migrations.schema_migrations",
    frozenset({"version"}),
    "select version::text, '', 'applied' from {table} order by 1",
)
TOOLS: Mapping[str, Tool] = {
    # https://alembic.sqlalchemy.org: one row for each head.
    "alembic": Tool(
        "public.alembic_version",
        frozenset({"version_num"}),
        "select version_num, '', 'applied' from {table} order by 1",
        ("alembic", "upgrade", "head"),
    ),
    # django.db.migrations.recorder. What packages bring (auth, sessions) is in the image and not among the files.
    "django": Tool(
        "public.django_migrations",
        frozenset({"app", "name", "applied"}),
        "select app || '.' || name, '', 'applied' from {table} order by id",
        ("python", "manage.py", "migrate", "--noinput"),
        whole=False,
    ),
    # schema-engine: a row for each attempt; one that failed has neither date until "migrate resolve" gives it one.
    "prisma": Tool(
        "public._prisma_migrations",
        frozenset({"migration_name", "finished_at", "rolled_back_at", "started_at"}),
        "select migration_name, '', case when rolled_back_at is not null then 'undone' when finished_at is null then 'failed' "
        "else 'applied' end from {table} order by started_at",
        ("npx", "prisma", "migrate", "deploy"),
    ),
    # ActiveRecord::SchemaMigration.
    "rails": Tool(
        "public.schema_migrations",
        frozenset({"version"}),
        "select version::text, '', 'applied' from {table} order by 1",
        ("bin/rails", "db:migrate"),
    ),
    # Repeatable migrations (R__) have no version, and neither has the row that says that Flyway made the schema.
    "flyway": Tool(
        "public.flyway_schema_history",
        frozenset({"installed_rank", "version", "description", "type", "success"}),
        "select version, description, case when not success then 'failed' "
        "when type like 'UNDO%' or type = 'DELETE' then 'undone' when type = 'BASELINE' then 'baseline' else 'applied' end "
        "from {table} where version is not null order by installed_rank",
        ("flyway", "migrate"),
        whole=False,
    ),
}


@dataclass(frozen=True)
class Ledger:
    """A tool's table in a database. ``preset``: empty where nobody said which tool writes it."""

    preset: str
    table: str

    @classmethod
    def of(cls, text: str) -> Ledger:
        preset, _, table = text.rpartition(":")
        return cls(preset, table)

    def __str__(self) -> str:
        return f"{self.preset}:{self.table}" if self.preset else self.table

    @property
    def tool(self) -> Tool:
        return TOOLS[self.preset] if self.preset else PLAIN

    @property
    def problem(self) -> str:
        """Why it cannot be read; empty when it can."""
        if self.preset and self.preset not in TOOLS:
            return f'"{self.preset}" is not one of {", ".join(TOOLS)}'
        if not re.fullmatch(TABLE, self.table):
            return f'"{self.table}" is not a <schema>.<table> (letters, digits and _)'
        return ""
