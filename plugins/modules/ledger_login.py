#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: ledger_login
short_description: Make the Postgres role that may read the ledger of migrations and nothing else
version_added: 0.8.0
description:
  - When the module returns, the login of O(reader) has been tried, and may read O(ledger), if that is there. It lies on every
    host, so that a rollback can ask the database which migrations it has.
  - The role is made with the rights of O(url), or is given the password of O(reader) when it was refused. It may connect, use
    the ledger's schema and read the ledger; its transactions are read-only.
  - A role that may do more, such as write the ledger, is neither made a reader nor left as one. The module fails and says what
    it may do.
  - Without the right to make roles the module fails with the statements for whoever has it. No message holds a URL or a password.
    Postgres is sent a verifier and never a password, so none stands in its log.
  - The database of O(url) is asked first whose it is.
attributes:
  check_mode:
    support: full
    description: Tries the login, and changes nothing.
  idempotent:
    support: full
    description: A login that reads the ledger already is left as it is.
options:
  reader:
    description: The login to be made, in the form of O(url).
    type: str
    required: true
  reader_variable:
    description: What messages call O(reader), such as the name of its variable.
    type: str
    default: reader
  ledger:
    description: Table of the migration tool, C(schema.table), or C(preset:schema.table) with a preset of C(stack.migration).
    type: str
    required: true
extends_documentation_fragment:
  - morpheus.deploy.attributes.secret
  - morpheus.deploy.database
  - morpheus.deploy.database.declared
  - morpheus.deploy.token
  - morpheus.deploy.without_lease
seealso:
  - module: morpheus.deploy.stack_ledger
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Let hosts read the ledger
  run_once: true
  morpheus.deploy.ledger_login:
    url: "{{ database_url }}"
    reader: "{{ ledger_url }}"
    ledger: alembic:public.alembic_version
    environment: staging
    token: "{{ lease_taken.token }}"
"""

RETURN = r"""
role:
  description: The role of the login.
  returned: success
  type: str
  sample: ledger_reader
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, missing_library
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import leased
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger import read, reader
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.tools import Ledger
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership import database as declared_database
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import role_pair
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import url as connection_url
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module

try:
    import psycopg2  # type: ignore[import-not-found,import-untyped,unused-ignore] # on hosts only
    from psycopg2 import extensions  # type: ignore[import-not-found,import-untyped,unused-ignore] # on hosts only
except ImportError:
    psycopg2 = None

CONNECT_SECONDS = 15


@contextmanager
def connected(url: str) -> Iterator[Any]:
    keywords = {"application_name": "morpheus.deploy ledger", **connection_url.parse(url).keywords()}
    connection = psycopg2.connect(connect_timeout=CONNECT_SECONDS, tcp_user_timeout=5000, **keywords)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("set local statement_timeout = '10s'; set local lock_timeout = '5s'")
            yield connection
    finally:
        connection.close()


def reads(params: dict[str, Any], ledger: Ledger) -> bool:
    """Whether the login works and may read the ledger. Raises DeployError when it may do more, or the server tells nothing."""
    url, role = params["reader"], role_pair.role_of(params["reader"])
    try:
        with connected(url) as connection, connection.cursor() as cursor:
            if more := reader.powers(cursor, role, ledger):
                raise DeployError(
                    f"{params['reader_variable']} logs in as {role}, which {more}: what lies on every host may read the ledger "
                    "and do nothing else. Give it a role of its own, which a deploy makes"
                )
            read.rows(connection, ledger, psycopg2.errors.InsufficientPrivilege)
            return True
    except read.UnreadableError:
        return False
    except psycopg2.Error as exc:
        words = connection_url.scrubbed(str(exc), url)
        if role_pair.is_refusal(words):
            return False
        raise DeployError(f"{params['reader_variable']} could not be tried: {words}") from None


def make(params: dict[str, Any], ledger: Ledger) -> None:
    url, role = params["url"], role_pair.role_of(params["reader"])
    password = connection_url.parse(params["reader"]).password
    try:
        with connected(url) as connection, connection.cursor() as cursor:
            verifier = extensions.encrypt_password(password, role, scope=connection, algorithm="scram-sha-256")
            reader.open_(cursor, role, verifier, ledger)
    except psycopg2.errors.InsufficientPrivilege:
        raise DeployError(
            f"{params['variable']} may not make the role of {params['reader_variable']}. Whoever may, types once: "
            f"{reader.by_hand(role, ledger)}"
        ) from None
    except psycopg2.Error as exc:
        words = connection_url.scrubbed(connection_url.scrubbed(str(exc), url), params["reader"])
        raise DeployError(f"the role of {params['reader_variable']} could not be made: {words}") from None


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    params = module.params
    leased.require(params, check_mode=module.check_mode)
    if psycopg2 is None:
        raise missing_library("psycopg2")
    ledger = Ledger.of(params["ledger"])
    if ledger.problem:
        raise DeployError(f"ledger: {ledger.problem}")
    declared_database.check({**params, "ledger": "", "timeout_seconds": CONNECT_SECONDS}, params["environment"])
    # libpq would take what a URL leaves open from there.
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]
    role = role_pair.role_of(params["reader"])
    if reads(params, ledger):
        return {"changed": False, "role": role}
    if not module.check_mode:
        make(params, ledger)
        if not reads(params, ledger):
            raise DeployError(
                f"{params['reader_variable']}: the role {role} was made, and is still refused; does it name the database?"
            )
    return {"changed": True, "role": role}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True, "no_log": True},
            "variable": {"type": "str", "default": "url"},
            "reader": {"type": "str", "required": True, "no_log": True},
            "reader_variable": {"type": "str", "default": "reader"},
            "environment": {"type": "str", "required": True},
            "project_ref": {"type": "str", "default": ""},
            "system_identifier": {"type": "str", "default": ""},
            "ledger": {"type": "str", "required": True},
            "token": {"type": "int", "default": 0, "no_log": False},
            "without_lease": leased.WITHOUT_LEASE,
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
