# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A migration tool's ledger in a database. Knows a connection by DB-API's verbs only."""

from __future__ import annotations

from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.applied import Row
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.tools import Ledger

_COLUMNS = "select attname::text from pg_attribute where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped"
_THERE = """
    select exists (
        select from pg_class join pg_namespace on pg_namespace.oid = relnamespace where nspname = %s and relname = %s
    )
"""


class UnreadableError(DeployError):
    """The table is there and this user may not read it."""


def rows(connection: Any, ledger: Ledger, refusal: type[Exception]) -> list[Row]:
    """Oldest first; none without the table. ``refusal`` is the driver's error for a statement that the user may not execute.

    Raises UnreadableError without the right to read it, and DeployError when it is not the table of the ledger's tool.
    """
    cursor = connection.cursor()
    cursor.execute(_THERE, ledger.table.lower().split("."))
    if not cursor.fetchone()[0]:
        return []
    cursor.execute("savepoint ledger")
    try:
        cursor.execute(_COLUMNS, [ledger.table])
        columns = {str(name) for (name,) in cursor.fetchall()}
        if not ledger.tool.columns <= columns:
            raise DeployError(_another(ledger, columns))
        # The name was checked where the configuration was: letters, digits and _ only.
        select = ledger.tool.select.replace("{table}", ledger.table)
        if "name" in columns and not ledger.preset:
            select = select.replace("''", "coalesce(name, '')", 1)
        cursor.execute(select)
        return [Row(*map(str, row)) for row in cursor.fetchall()]
    except refusal:
        cursor.execute("rollback to savepoint ledger")
        raise UnreadableError(f"has a ledger {ledger.table} that this user may not read") from None


def _another(ledger: Ledger, columns: set[str]) -> str:
    lacks = ", ".join(sorted(ledger.tool.columns - columns))
    if ledger.preset:
        return (
            f"has a table {ledger.table} without {lacks}, so it is not the ledger of {ledger.preset}; correct "
            "stack.migration.preset, or name the right table in stack.migration.ledger"
        )
    return (
        f"has a ledger {ledger.table} without a column version: stack.migration.ledger reads a ledger as Supabase keeps it, one "
        "row per version. For Alembic, Django, Prisma, Rails and Flyway set stack.migration.preset, which knows their tables; "
        'for another tool set the ledger to "": then the migration runs at every deploy that changes something, and the tool '
        "itself finds what is to do"
    )
