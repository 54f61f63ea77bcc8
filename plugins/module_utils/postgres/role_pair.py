# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two Postgres logins that take turns and act as one owner, so that what either makes belongs to both.

Knows a connection by DB-API's verbs only. Passwords are never seen here: Postgres is given their SCRAM verifier, so that none
stands in its log either.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import url as connection_url

_ROLE = re.compile(r"[a-z_][a-z0-9_]{0,62}\Z")
_AUTHORITY_ENDS = re.compile(r"[/?#]")
PASSWORD_BYTES = 24
# What a server or a pooler answers to a login that does not count.
_REFUSED = re.compile(
    r"authentication failed|not permitted to log in|role .* does not exist|wrong password|user not found", re.IGNORECASE
)


@dataclass(frozen=True)
class Session:
    client: str
    application: str

    def __str__(self) -> str:
        return f"from {self.client or 'the server itself'}" + (f' ("{self.application}")' if self.application else "")


@dataclass(frozen=True)
class Login:
    """What the catalogue says of a role."""

    can_log_in: bool
    acts_as: str
    is_member: bool


def role_problem(name: str) -> str:
    """Why ``name`` cannot be the name of a role of a pair; empty when it can."""
    return "" if _ROLE.match(name) else f'"{name}" must be lower-case letters, digits and _, no digit first'


def role_of(url: str) -> str:
    """The role that a URL logs in as; a pooler's users are called ``<role>.<project>``."""
    address = connection_url.parse(url)
    role, _, project = address.user.rpartition(".")
    return role if role and project in connection_url.projects(address) else address.user


def next_role(url: str, roles: Sequence[str]) -> str:
    """The role that comes after the login of ``url``."""
    first, second = roles
    return second if role_of(url) == first else first


def with_login(url: str, role: str, password: str) -> str:
    """``url`` with another login and nothing else changed; a pooler's project stays behind the name."""
    user = connection_url.parse(url).user
    name = role + user.removeprefix(role_of(url))
    scheme, _, rest = url.partition("://")
    end = match.start() if (match := _AUTHORITY_ENDS.search(rest)) else len(rest)
    places = rest[:end].rpartition("@")[2]
    return f"{scheme}://{quote(name, safe='')}:{quote(password, safe='')}@{places}{rest[end:]}"


def new_login(url: str, roles: Sequence[str]) -> str:
    """The URL of the pair's other login, with a password that nobody has seen."""
    return with_login(url, next_role(url, roles), secrets.token_urlsafe(PASSWORD_BYTES))


def is_refusal(message: str) -> bool:
    """Whether a failed connection was refused for its login, and not because no server answered."""
    return bool(_REFUSED.search(message))


def look(cursor: Any, role: str, owner: str) -> Login | None:
    cursor.execute(
        "select rolcanlogin, coalesce((select split_part(entry, '=', 2) from pg_db_role_setting, unnest(setconfig) as entry"
        " where setrole = oid and setdatabase = 0 and entry like 'role=%%'), ''),"
        " exists (select from pg_auth_members where member = oid and roleid = (select oid from pg_roles where rolname = %s))"
        " from pg_roles where rolname = %s",
        [owner, role],
    )
    row = cursor.fetchone()
    return Login(bool(row[0]), str(row[1]).strip('"'), bool(row[2])) if row else None


def open_(cursor: Any, role: str, owner: str, verifier: str) -> None:
    """Let ``role`` log in with the password of ``verifier``, and act as ``owner`` from then on."""
    cursor.execute("select 1 from pg_roles where rolname = %s", [owner])
    if not cursor.fetchone():
        raise DeployError(
            f'the role "{owner}", whose rights the pair is to have, does not exist in this database; mend postgres.owner in '
            "stack_rotation"
        )
    found = look(cursor, role, owner)
    if found is None:
        cursor.execute(f"create role {_quoted(role)}")
    if found is None or not found.is_member:
        cursor.execute(f"grant {_quoted(owner)} to {_quoted(role)}")
    cursor.execute(f"alter role {_quoted(role)} set role = {_quoted(owner)}")
    cursor.execute(f"alter role {_quoted(role)} login password %s", [verifier])


def sessions(cursor: Any, role: str) -> list[Session]:
    """Whoever is logged in as ``role`` now."""
    cursor.execute(
        "select coalesce(host(client_addr), ''), coalesce(application_name, '') from pg_stat_activity"
        " where usename = %s and backend_type = 'client backend' order by 1, 2",
        [role],
    )
    return [Session(*map(str, row)) for row in cursor.fetchall()]


def close(cursor: Any, role: str) -> None:
    """From now on nobody can log in as ``role``."""
    cursor.execute(f"alter role {_quoted(role)} nologin password null")


def end_sessions(cursor: Any, role: str) -> int:
    """How many sessions of ``role`` were ended."""
    cursor.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", [role])
    return len(cursor.fetchall())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
