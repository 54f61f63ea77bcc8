# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The owner of a database, told by a marker row in it and by the identifier of its cluster.

Knows a connection by DB-API's verbs only, and no URL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# The transaction is ended by whoever gave the connection. Poolers forget what is set for longer.
_PATIENCE = "set local statement_timeout = '5s'; set local lock_timeout = '5s'"
_LOCK = 0x6D6F727068657573
_MAKE = """
    create schema if not exists morpheus_deploy;
    create table if not exists morpheus_deploy.identity (
        only_row boolean primary key default true check (only_row),
        environment text not null,
        claimed timestamptz not null default now()
    );
    grant usage on schema morpheus_deploy to public;
    grant select on morpheus_deploy.identity to public
"""
_WRITE = """
    insert into morpheus_deploy.identity (environment) values (%s)
    on conflict (only_row) do update set environment = excluded.environment, claimed = now()
"""


@dataclass(frozen=True)
class Seen:
    """What a database says of itself. ``environment`` is empty without a marker, ``system_identifier`` when it is not told."""

    environment: str
    system_identifier: str


def look(connection: Any, refusal: type[Exception]) -> Seen:
    """Read the database's identity. ``refusal`` is the driver's error for a statement that the user may not execute."""
    cursor = connection.cursor()
    cursor.execute(_PATIENCE)
    cursor.execute("select to_regclass('morpheus_deploy.identity') is not null")
    environment = ""
    if cursor.fetchone()[0]:
        cursor.execute("select environment from morpheus_deploy.identity")
        row = cursor.fetchone()
        environment = str(row[0]) if row else ""
    cursor.execute("savepoint identifier")
    try:
        cursor.execute("select system_identifier from pg_control_system()")
        identifier = str(cursor.fetchone()[0])
    except refusal:
        cursor.execute("rollback to savepoint identifier")
        identifier = ""
    return Seen(environment, identifier)


def mark(connection: Any, environment: str) -> None:
    """Write the marker. Whoever marks at the same time waits."""
    cursor = connection.cursor()
    cursor.execute(_MAKE)
    cursor.execute(_WRITE, [environment])


def lock(connection: Any) -> None:
    """Until the transaction ends nobody else may mark the database."""
    cursor = connection.cursor()
    cursor.execute(_PATIENCE)
    cursor.execute("select pg_advisory_xact_lock(%s)", [_LOCK])


def problems(expected: Seen, seen: Seen) -> list[str]:
    """How a database differs from the one that is expected; an empty expected identifier stands for any."""
    found = identifier_problems(expected, seen)
    if not seen.environment:
        found.append(
            f"carries no marker, so its owner is unknown; if it is {expected.environment}'s, claim it: "
            f"playbooks/claim.yml with the inventory of {expected.environment}"
        )
    elif seen.environment != expected.environment:
        found.append(f"is marked as {seen.environment}'s, expected {expected.environment}'s; correct the secret")
    return found


def claim_problems(expected: Seen, seen: Seen, release_from: str) -> list[str]:
    """Why the environment may not claim a database."""
    found = identifier_problems(expected, seen)
    if seen.environment not in ("", expected.environment, release_from):
        found.append(
            f"is {seen.environment}'s by its marker and cannot become {expected.environment}'s; correct the secret, or, if the "
            f"database has moved or is a copy, run again with -e identity_release_from={seen.environment}"
        )
    return found


def identifier_problems(expected: Seen, seen: Seen) -> list[str]:
    if expected.system_identifier in ("", seen.system_identifier):
        return []
    told = seen.system_identifier or "not told to this user"
    return [f"has the system identifier {told}, expected {expected.system_identifier}"]
