# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the connection URL of a Postgres database leads, and of which Supabase project that is. Pure.

Stricter than libpq: a URL that two parsers may understand differently is refused, for what is compared here must be what is
reached. No message quotes a part of the URL that may be of the password.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import rows

DEFAULT_PORT = "5432"
_SCHEME = re.compile(r"postgres(ql)?(\+\w+)?\Z")
_HOST = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>\d+))?\Z")
# They lead elsewhere than the host that everybody reads.
_DETOURS = ("host", "hostaddr", "port", "user", "dbname", "service", "servicefile", "passfile")
# What matters for reaching the database; other parameters are for the driver of the application.
_KEPT = ("sslmode", "sslrootcert")
_TRANSACTION_POOLER = "6543"
_PROJECT_OF_HOST = re.compile(r"db\.([a-z0-9]+)\.supabase\.[a-z]+\Z")
_POOLER = re.compile(r"[a-z0-9.-]+\.pooler\.supabase\.[a-z]+\Z")


@dataclass(frozen=True)
class Address:
    """A database and how to log in there; ``hosts`` are tried in turn."""

    hosts: tuple[str, ...]
    ports: tuple[str, ...]
    user: str
    password: str = field(repr=False)
    database: str
    options: dict[str, str]

    def keywords(self) -> dict[str, str]:
        """The same in libpq's words."""
        found = {"host": ",".join(host.strip("[]") for host in self.hosts), "port": ",".join(self.ports)}
        found |= {"user": self.user, "password": self.password, "dbname": self.database} | self.options
        return {name: value for name, value in found.items() if value}


def parse(url: str) -> Address:
    """Raises DeployError that says what is wrong, without a word of the URL."""
    scheme, separator, rest = url.partition("://")
    if not separator or not _SCHEME.match(scheme):
        raise DeployError("is not a connection URL (postgresql://user:password@host:5432/database)")
    if re.search(r"[\s\x00-\x1f\x7f]", url):
        raise DeployError("holds a space or a control character; percent-encode it")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    login, _, places = authority.rpartition("@")
    if rest.count("@") != authority.count("@") or "@" in login or login.count(":") > 1 or "#" in rest:
        raise DeployError("can be read in two ways; percent-encode @ : / ? # in its user and its password")
    matches = [_HOST.match(place) for place in places.split(",")]
    if not all(matches):
        raise DeployError("names no host that can be connected to")
    user, _, password = login.partition(":")
    path, _, query = rest.removeprefix(authority).partition("?")
    parameters = parse_qsl(query, keep_blank_values=True)
    detours = sorted({name for name, _ in parameters} & set(_DETOURS))
    if detours:
        raise DeployError(f"has the parameter {', '.join(detours)}, which leads elsewhere than its host; remove it")
    found = [match.groupdict() for match in matches if match]
    return Address(
        hosts=tuple(place["host"].lower() for place in found),
        ports=tuple(place["port"] or DEFAULT_PORT for place in found),
        user=unquote(user),
        password=unquote(password),
        database=unquote(path.lstrip("/")),
        options={name: value for name, value in parameters if name in _KEPT},
    )


def projects(address: Address) -> set[str]:
    """Supabase projects that an address speaks of: ``db.<project>.supabase.co``, or ``<user>.<project>`` at the pooler."""
    found = {match[1] for host in address.hosts if (match := _PROJECT_OF_HOST.match(host))}
    if any(map(_POOLER.match, address.hosts)) and "." in address.user:
        found.add(address.user.rpartition(".")[2])
    return found


def project_problem(address: Address, expected: str) -> str:
    """Why an address is not that of the project ``expected``; empty when it is, or when nothing is expected."""
    seen = projects(address)
    if not expected or seen == {expected}:
        return ""
    if not seen:
        return f"names no Supabase project, expected {expected} (db.{expected}.supabase.co, or the user <role>.{expected})"
    return f"leads to the Supabase project {', '.join(sorted(seen))}, expected {expected}"


def pooler_problem(address: Address) -> str:
    """Why migrations cannot go by an address; empty when they can."""
    if _TRANSACTION_POOLER not in address.ports:
        return ""
    return (
        f"leads to port {_TRANSACTION_POOLER}, the transaction pooler, which gives each transaction a session of its own: "
        "neither a "
        f"lock nor a setting would last. Migrations go by the session pooler: the same URL with port {DEFAULT_PORT}"
    )


def scrubbed(text: str, url: str) -> str:
    """``text`` of a driver or a program on one line, without the URL, its password in any of their spellings, and rows."""
    text = rows.without(text)
    secrets = {url}
    try:
        password = parse(url).password
        secrets |= {password, quote(password), quote(password, safe="")}
    except DeployError:
        pass
    secrets.add(url.partition("://")[2].rpartition("@")[0].partition(":")[2])
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return " ".join(text.split())
