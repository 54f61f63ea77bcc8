# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statements that cannot run in a transaction, run so that one which broke off can be run again.

What such a statement has done when it breaks off stays done: an invalid index, a partition that is half taken out. Before it runs
that is looked for and put away.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase.plan import Statement

_INDEX = """
    select indisvalid, (select pid from pg_stat_progress_create_index where index_relid = indexrelid limit 1)
    from pg_index where indexrelid = to_regclass(%s) and indrelid = to_regclass(%s)
"""
_DETACHED = "select inhdetachpending from pg_inherits where inhparent = to_regclass(%s) and inhrelid = to_regclass(%s)"


def ended_before(cursor: Any, statement: Statement, *, begun: bool) -> bool:
    """Whether there is nothing to run any more, because an attempt that had ``begun`` has come to its end. Puts away what one
    left that did not, whoever began it.
    """
    if statement.index:
        return _index(cursor, statement, begun=begun)
    if statement.gone and begun:
        return not any(_exists(cursor, name) for name in statement.gone)
    if statement.part and begun:
        return _detached(cursor, statement)
    return False


def require_valid(cursor: Any, statement: Statement) -> None:
    """After an index was built: one of the same name that is not that of its table was passed over by IF NOT EXISTS."""
    if statement.index:
        cursor.execute(_INDEX, [statement.index, statement.table])
        row = cursor.fetchone()
        if not row or not row[0]:
            raise DeployError(f"the index {statement.index} is not there as a valid index of {statement.table}")


def _index(cursor: Any, statement: Statement, *, begun: bool) -> bool:
    cursor.execute(_INDEX, [statement.index, statement.table])
    row = cursor.fetchone()
    if not row:
        return False
    is_valid, builder = row
    if is_valid:
        return begun
    if builder:
        raise DeployError(
            f"the index {statement.index} is being built by the session {builder}, which is not this run's; wait for its end "
            "and run "
            "this again"
        )
    cursor.execute(f"drop index concurrently if exists {statement.index}")
    return False


def _detached(cursor: Any, statement: Statement) -> bool:
    cursor.execute(_DETACHED, [statement.table, statement.part])
    row = cursor.fetchone()
    if row and row[0]:
        cursor.execute(f"alter table {statement.table} detach partition {statement.part} finalize")
    return not row or bool(row[0])


def _exists(cursor: Any, name: str) -> bool:
    cursor.execute("select to_regclass(%s) is not null", [name])
    return bool(cursor.fetchone()[0])
