# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database role that may read a ledger and nothing else: it lies on every host, for rollbacks.

Knows a cursor by DB-API's verbs only. Passwords are never seen here: Postgres is given their SCRAM verifier.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.tools import Ledger

# Five hosts read at the same time, and a status beside them.
CONNECTIONS = 20
_POWERS = """
    select concat_ws(', ',
        case when rolsuper then 'a superuser' end,
        case when rolcreaterole then 'may make roles' end,
        case when rolcreatedb then 'may make databases' end,
        case when rolreplication then 'may replicate' end,
        case when rolbypassrls then 'passes by row level security' end,
        case when exists (select from pg_auth_members where member = pg_roles.oid) then 'is a member of other roles' end,
        case when exists (
            select from pg_shdepend where refclassid = 'pg_authid'::regclass and refobjid = pg_roles.oid and deptype = 'o'
        ) then 'owns objects' end)
    from pg_roles where rolname = %s
"""
_WRITES = """
    select has_table_privilege(%s, pg_class.oid, 'insert, update, delete, truncate') from pg_class
    join pg_namespace on pg_namespace.oid = relnamespace where nspname = %s and relname = %s
"""


def powers(cursor: Any, role: str, ledger: Ledger) -> str:
    """What a role may do beside reading, in words; empty when it may do nothing else."""
    cursor.execute(_POWERS, [role])
    row = cursor.fetchone()
    found = str(row[0]) if row else ""
    cursor.execute(_WRITES, [role, *ledger.table.lower().split(".")])
    row = cursor.fetchone()
    return ", ".join(filter(None, [found, "may write the ledger" if row and row[0] else ""]))


def exists(cursor: Any, role: str) -> bool:
    cursor.execute("select exists (select from pg_roles where rolname = %s)", [role])
    return bool(cursor.fetchone()[0])


def open_(cursor: Any, role: str, verifier: str, ledger: Ledger) -> None:
    """Let ``role`` log in with the password of ``verifier``, and read the ledger where it is there. Raises DeployError when the
    role is somebody's who may do more.
    """
    if exists(cursor, role):
        if more := powers(cursor, role, ledger):
            raise DeployError(f'the role "{role}" is there and {more}; give the reader a name of its own')
        cursor.execute(f'alter role "{role}" login password %s connection limit {CONNECTIONS}', [verifier])
    else:
        cursor.execute(f'create role "{role}" login password %s connection limit {CONNECTIONS} noinherit', [verifier])
    cursor.execute(f'alter role "{role}" set default_transaction_read_only = on')
    grant(cursor, role, ledger)


def grant(cursor: Any, role: str, ledger: Ledger) -> None:
    """The right to read the ledger, once it is there."""
    cursor.execute("select to_regclass(%s) is not null, current_database()", [ledger.table])
    is_there, database = cursor.fetchone()
    cursor.execute(f'grant connect on database "{database}" to "{role}"')
    if is_there:
        cursor.execute(f'grant usage on schema {ledger.table.split(".")[0]} to "{role}"')
        cursor.execute(f'grant select on {ledger.table} to "{role}"')


def by_hand(role: str, ledger: Ledger) -> str:
    """What a person who may do it types into psql. The password is asked for, and stands nowhere."""
    schema = ledger.table.split(".")[0]
    return (
        f"create role {role} login noinherit; grant usage on schema {schema} to {role}; grant select on {ledger.table} to "
        f"{role}; then \\password {role}"
    )
