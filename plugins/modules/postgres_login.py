#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_login
short_description: Open a login of a Postgres role pair, or close it once nobody uses it
version_added: 0.1.0
description:
  - With O(state=open), when the module returns the login of O(url) has been tried and works. Its role can log in with the
    password of the URL and acts as O(owner), so that whatever it makes belongs to that role.
  - With O(state=closed), when the module returns nobody was logged in with the login of O(url), nobody can log in with it any
    more, and it has been tried and was refused.
  - A login that is still in use is not closed. After O(wait_seconds) the module fails and says where its sessions come from.
  - A role whose password is not that of the URL is not closed, because it is in somebody else's use.
  - Through each connection of O(admin_url) the database is asked first whose it is. What carries another environment's marker, or
    none, is left as it is.
  - No message holds a URL or a password. Postgres is sent a verifier and never a password, so none stands in its log.
attributes:
  check_mode:
    support: full
    description: Asks as ever and changes nothing. What would be changed is not tried afterwards.
  idempotent:
    support: full
    description: A login that is open or closed already is left as it is.
options:
  url:
    description: The login, as C(postgresql://role:password@host:5432/database).
    type: str
    required: true
  admin_url:
    description: A login that may create and alter roles, in the same form.
    type: str
    required: true
  environment:
    description:
      - The environment that the database of O(admin_url) must belong to, by the marker that C(playbooks/claim.yml) writes.
    type: str
    required: true
  may_be_unmarked:
    description:
      - Whether a database without a marker will do, as one is that C(stack.database) does not name. Another environment's marker
        will not.
    type: bool
    default: false
  owner:
    description:
      - With O(state=open), the role that the login acts as. It must exist.
      - When empty, the login is tried and not changed.
    type: str
    default: ""
  state:
    description: Whether the login works or is refused when the module returns.
    type: str
    choices: [open, closed]
    default: open
  wait_seconds:
    description: How long sessions may take to end, and a pooler to notice a change, in seconds.
    type: float
    default: 30.0
extends_documentation_fragment:
  - morpheus.deploy.attributes.secret
  - morpheus.deploy.database
  - morpheus.deploy.token
  - morpheus.deploy.without_lease
seealso:
  - module: morpheus.deploy.key_probe
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Open the other login
  morpheus.deploy.postgres_login:
    url: postgresql://app_b:{{ new_password }}@db.example.com/app
    admin_url: "{{ admin_url }}"
    environment: staging
    owner: app
    token: "{{ lease_taken.token }}"
  run_once: true

- name: Close the one that nobody uses any more
  morpheus.deploy.postgres_login:
    url: postgresql://app_a:{{ old_password }}@db.example.com/app
    admin_url: "{{ admin_url }}"
    environment: staging
    state: closed
    token: "{{ lease_taken.token }}"
  run_once: true
"""

RETURN = r"""
role:
  description: The role of the login.
  returned: success
  type: str
  sample: app_b
ended_sessions:
  description: Sessions that began while the login was being closed, and were ended.
  returned: success
  type: int
  sample: 0
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, missing_library
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import leased
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership import marker as database_identity
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import role_pair
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import url as connection_url
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module

try:
    import psycopg2  # type: ignore[import-not-found,import-untyped,unused-ignore] # on hosts only
    from psycopg2 import extensions  # type: ignore[import-not-found,import-untyped,unused-ignore] # on hosts only
except ImportError:
    psycopg2 = None

CONNECT_SECONDS = 15
POLL_SECONDS = 0.5


@contextmanager
def connected(url: str) -> Iterator[Any]:
    connection = psycopg2.connect(
        connect_timeout=CONNECT_SECONDS,
        tcp_user_timeout=5000,
        application_name="morpheus.deploy",
        **connection_url.parse(url).keywords(),
    )
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def administering(params: Mapping[str, Any]) -> Iterator[Any]:
    """A connection with admin's rights to the environment's own database, in one transaction.

    Raises DeployError with the server's words and none of the URL's, and, before anything else, when the database is not ours.
    """
    url = params["admin_url"]
    try:
        with connected(url) as connection, connection:
            refuse_foreign(params, database_identity.look(connection, psycopg2.errors.InsufficientPrivilege))
            with connection.cursor() as cursor:
                cursor.execute("set local statement_timeout = '10s'; set local lock_timeout = '5s'")
            yield connection
    except psycopg2.Error as exc:
        raise DeployError(f"the database could not be administered: {connection_url.scrubbed(str(exc), url)}") from None


def refuse_foreign(params: Mapping[str, Any], seen: database_identity.Seen) -> None:
    expected = database_identity.Seen(params["environment"], params["system_identifier"])
    problems = database_identity.problems(expected, seen)
    if not seen.environment and params["may_be_unmarked"]:
        problems = database_identity.identifier_problems(expected, seen)
    if problems:
        raise DeployError(f"admin_url leads to a database that {', and '.join(problems)}. No role was looked at or changed")


def user_of(url: str) -> str | None:
    """The role that a login acts as; None when it is refused. Raises DeployError when the server tells neither."""
    try:
        with connected(url) as connection, connection.cursor() as cursor:
            cursor.execute("select current_user")
            return str(cursor.fetchone()[0])
    except psycopg2.Error as exc:
        words = connection_url.scrubbed(str(exc), url)
        if role_pair.is_refusal(words):
            return None
        raise DeployError(f"the login {role_pair.role_of(url)} could not be tried: {words}") from None


def open_login(params: dict[str, Any], *, check_mode: bool) -> tuple[bool, int]:
    url, owner, role = params["url"], params["owner"], role_pair.role_of(params["url"])
    acts_as = user_of(url)
    if acts_as is not None and owner in ("", acts_as):
        return False, 0
    if not owner:
        raise DeployError(f"the login {role} is refused, and it is not of the pair, so it was left as it is")
    if check_mode:
        with administering(params):
            return True, 0
    with administering(params) as admin, admin.cursor() as cursor:
        password = connection_url.parse(url).password
        verifier = extensions.encrypt_password(password, role, scope=admin, algorithm="scram-sha-256")
        role_pair.open_(cursor, role, owner, verifier)
    _until(lambda: user_of(url) == owner, params["wait_seconds"], f"the login {role} was opened, and does not work as {owner}")
    return True, 0


def close_login(params: dict[str, Any], *, check_mode: bool) -> tuple[bool, int]:
    url, role = params["url"], role_pair.role_of(params["url"])
    if user_of(url) is None:
        # Closed already, or open with another password. Only what is closed may have sessions to end.
        with administering(params) as admin, admin.cursor() as cursor:
            found = role_pair.look(cursor, role, "")
            is_closed = found is not None and not found.can_log_in
            return False, role_pair.end_sessions(cursor, role) if is_closed and not check_mode else 0
    _wait_for_end_of_sessions(params, role)
    if check_mode:
        return True, 0
    with administering(params) as admin, admin.cursor() as cursor:
        role_pair.close(cursor, role)
    with administering(params) as admin, admin.cursor() as cursor:
        ended = role_pair.end_sessions(cursor, role)
    _until(lambda: user_of(url) is None, params["wait_seconds"], f"the login {role} was closed, and still works")
    return True, ended


def _wait_for_end_of_sessions(params: dict[str, Any], role: str) -> None:
    deadline = time.monotonic() + params["wait_seconds"]
    while True:
        with administering(params) as admin, admin.cursor() as cursor:
            found = role_pair.sessions(cursor, role)
        if not found:
            return
        if time.monotonic() >= deadline:
            where = ", ".join(sorted({str(session) for session in found}))
            raise DeployError(
                f"{len(found)} sessions are logged in as {role} still, {where}: nothing was revoked. "
                "Let that client use the new login, or end its sessions, and run this again"
            )
        time.sleep(POLL_SECONDS)


def _until(condition: Any, seconds: float, words: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            raise DeployError(words)
        time.sleep(POLL_SECONDS)


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    params = module.params
    leased.require(params, check_mode=module.check_mode)
    if psycopg2 is None:
        raise missing_library("psycopg2")
    # libpq would take what a URL leaves open from there.
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]
    act = open_login if params["state"] == "open" else close_login
    role = role_pair.role_of(params["url"])
    changed, ended = act(params, check_mode=module.check_mode)
    return {"changed": changed, "role": role, "ended_sessions": ended}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True, "no_log": True},
            "admin_url": {"type": "str", "required": True, "no_log": True},
            "environment": {"type": "str", "required": True},
            "system_identifier": {"type": "str", "default": ""},
            "may_be_unmarked": {"type": "bool", "default": False},
            "owner": {"type": "str", "default": ""},
            "state": {"type": "str", "choices": ["open", "closed"], "default": "open"},
            "wait_seconds": {"type": "float", "default": 30.0},
            "token": {"type": "int", "default": 0, "no_log": False},
            "without_lease": leased.WITHOUT_LEASE,
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
