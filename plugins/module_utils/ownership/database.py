# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database that a secret's URL reaches, compared with the declared one. No message holds the URL or its password."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, missing_library
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger import read as ledger_rows
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.applied import Row
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.tools import Ledger
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership import marker as database_identity
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership.marker import Seen
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import room
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import url as connection_url

import_error: ImportError | None = None
try:
    import psycopg2  # type: ignore[import-not-found,import-untyped,unused-ignore] # on hosts only
except ImportError as exc:
    import_error = exc

# Of a module that asks a database.
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "url": {"type": "str", "required": True, "no_log": True},
    "variable": {"type": "str", "default": "url"},
    "project_ref": {"type": "str", "default": ""},
    "system_identifier": {"type": "str", "default": ""},
    "ledger": {"type": "str", "default": ""},
    "timeout_seconds": {"type": "int", "default": 5},
}


@dataclass(frozen=True)
class Answer:
    """What the database said before and says now, the rows of its ledger, and how many connections it has room for."""

    before: Seen
    after: Seen
    rows: list[Row]
    connections: dict[str, int]

    def as_result(self) -> dict[str, Any]:
        return {
            "environment": self.after.environment,
            "system_identifier": self.after.system_identifier,
            "versions": sorted(row.version for row in self.rows if row.state == "applied"),
            "ledger": [row.as_dict() for row in self.rows],
            "connections": self.connections,
        }


def check(options: Mapping[str, Any], environment: str) -> Answer:
    """Ask, in a read-only transaction. ``options``: values of OPTIONS. Raises DeployError when it is not the declared one."""

    def look(connection: Any) -> tuple[Seen, Seen]:
        connection.set_session(readonly=True)
        seen = database_identity.look(connection, psycopg2.errors.InsufficientPrivilege)
        _refuse(database_identity.problems(Seen(environment, options["system_identifier"]), seen))
        return seen, seen

    return _asked(options, look)


def read_ledger(options: Mapping[str, Any], environment: str) -> list[Row]:
    """The rows of the ledger of ``environment``'s database. Raises DeployError when it is not that, or cannot be read."""

    def look(connection: Any) -> tuple[Seen, Seen]:
        connection.set_session(readonly=True)
        seen = database_identity.look(connection, psycopg2.errors.InsufficientPrivilege)
        _refuse(database_identity.problems(Seen(environment, ""), seen))
        return seen, seen

    return _asked({**options, "must_read": True}, look).rows


def claim(options: Mapping[str, Any], environment: str, release_from: str, *, check_mode: bool) -> Answer:
    """Mark it as the environment's. Raises DeployError when it is another one's, or not the declared one."""

    def mark(connection: Any) -> tuple[Seen, Seen]:
        if check_mode:
            connection.set_session(readonly=True)
        else:
            database_identity.lock(connection)
        before = database_identity.look(connection, psycopg2.errors.InsufficientPrivilege)
        expected = Seen(environment, options["system_identifier"])
        _refuse(database_identity.claim_problems(expected, before, release_from))
        after = Seen(environment, before.system_identifier)
        if after != before and not check_mode:
            database_identity.mark(connection, environment)
            connection.commit()
        return before, after

    return _asked(options, mark)


def _refuse(problems: list[str]) -> None:
    if problems:
        raise DeployError("leads to a database that " + ", and ".join(problems))


def _asked(options: Mapping[str, Any], act: Callable[[Any], tuple[Seen, Seen]]) -> Answer:
    if import_error:
        raise missing_library("psycopg2")
    name, url, ledger = options["variable"], options["url"], options["ledger"]
    if ledger and (problem := Ledger.of(ledger).problem):
        raise DeployError(f"ledger: {problem}")
    try:
        connection = _reach(options)
        try:
            before, after = act(connection)
            rows, connections = _rows(connection, options), room.look(connection.cursor())
        finally:
            connection.close()
    except DeployError as exc:
        raise DeployError(f"{name} {exc}") from None
    except psycopg2.Error as exc:
        why = connection_url.scrubbed(str(exc), url)
        raise DeployError(f"{name} leads to a database that does not say which environment it belongs to: {why}") from None
    return Answer(before, after, rows, connections)


def _rows(connection: Any, options: Mapping[str, Any]) -> list[Row]:
    """None without the right to read them, where they need not be read: then the tool itself finds what is to do."""
    ledger = options["ledger"]
    if not ledger:
        return []
    try:
        return ledger_rows.rows(connection, Ledger.of(ledger), psycopg2.errors.InsufficientPrivilege)
    except ledger_rows.UnreadableError as exc:
        if options.get("must_read"):
            raise DeployError(f"leads to a database that {exc}") from None
        return []
    except DeployError as exc:
        raise DeployError(f"leads to a database that {exc}") from None
    except psycopg2.Error as exc:
        why = connection_url.scrubbed(str(exc), options["url"])
        raise DeployError(
            f"leads to a database with an unreadable ledger, {ledger}: {why}. A migration that is at work may have locked it"
        ) from None


def _reach(options: Mapping[str, Any]) -> Any:
    """A connection to the declared project. Raises DeployError when the URL names another one, or nobody answers."""
    address = connection_url.parse(options["url"])
    problem = connection_url.project_problem(address, options["project_ref"])
    if problem:
        raise DeployError(f"{problem}; nothing was contacted")
    # libpq would take what the URL leaves open from there.
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]
    try:
        return psycopg2.connect(connect_timeout=options["timeout_seconds"], tcp_user_timeout=5000, **address.keywords())
    except psycopg2.Error as exc:
        why = connection_url.scrubbed(str(exc), options["url"])
        raise DeployError(f"leads to a database that cannot be used from this host: {why}") from None
