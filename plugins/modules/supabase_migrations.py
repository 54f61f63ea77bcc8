#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: supabase_migrations
short_description: Apply Supabase's migrations to a database, and keep the ledger of its CLI
version_added: 0.8.0
description:
  - When the module returns, each file of O(files) is applied that does not wait, and stands in
    C(supabase_migrations.schema_migrations) with its version, name and statements, as Supabase's CLI writes it.
    C(supabase migration list) agrees.
  - A file and its line in the ledger are one transaction. A file with a statement that cannot run in one (C(CONCURRENTLY),
    C(VACUUM), C(ALTER TYPE ... ADD VALUE)) is run statement by statement, and what has ended is noted. Killed at any point, the
    next run goes on from there. An invalid index that an attempt has left is built anew.
  - A file that begins with C(-- backfill key=<column> batch=<rows>) is run in batches, each with a note of how far it has come in
    one transaction. Between two it rests for as long as the one before took. Killed, the next run goes on behind the last batch.
  - One run at a time on a database, by an advisory lock. A statement waits for a lock as long as O(lock_timeout_seconds) says
    and is then tried again, so that nobody waits long behind it.
  - Nothing is run when a file was edited after it was applied, is missing, has a version that is applied of another file, or is
    older than what is applied; or when it takes away what a release of O(retained) may need. The message says the way out.
  - The database is asked first whose it is.
attributes:
  check_mode:
    support: full
    description: Reads the ledger, refuses what it would refuse, and says what would be applied.
  diff_mode:
    support: none
    description: The files say what they change.
  idempotent:
    support: full
    description: What the ledger has is not applied again.
options:
  files:
    description: The release's migrations as the controller has parsed them, oldest first; C(migrations) of the role C(preflight).
    type: list
    elements: dict
    required: true
  stack:
    description: Name of the stack. With it, this host remembers what the database has come to, for rollbacks.
    type: str
    default: ""
  release_id:
    description: With O(stack), id of a release that M(morpheus.deploy.stack_release) prepared on this host.
    type: str
    default: ""
  retained:
    description: Releases that serve now or that a rollback may lead to, C(id) and C(head), the schema that each was made for.
    type: list
    elements: dict
    default: []
  accept_edited:
    description: Versions that may differ from what was applied.
    type: list
    elements: str
    default: []
  force:
    description: Why what releases of O(retained) may need is taken away all the same. It is written into the journal.
    type: str
    default: ""
  lock_timeout_seconds:
    description: How long a statement may wait for a lock before it is tried again, in seconds.
    type: float
    default: 4.0
  statement_timeout_seconds:
    description: How long a statement may run, in seconds; C(0) as long as O(timeout_seconds).
    type: float
    default: 0.0
  timeout_seconds:
    description: How long all of it may take, in seconds. Then what runs is cancelled.
    type: float
    default: 300.0
extends_documentation_fragment:
  - morpheus.deploy.database
  - morpheus.deploy.database.declared
  - morpheus.deploy.token.fenced
  - morpheus.deploy.run
  - morpheus.deploy.without_lease
seealso:
  - module: morpheus.deploy.stack_migration
  - module: morpheus.deploy.database_identity
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Apply what is pending
  run_once: true
  morpheus.deploy.supabase_migrations:
    url: "{{ database_url }}"
    environment: staging
    files: "{{ preflight_config.migrations }}"
    token: "{{ lease_taken.token }}"
    run: "{{ lease_taken.run }}"
"""

RETURN = r"""
applied:
  description: Files that were applied; in check mode those that would be.
  returned: success
  type: list
  elements: str
  sample: [supabase/migrations/20260101000000_orders.sql]
waiting:
  description: Contract files that wait, with the reason of each.
  returned: success
  type: dict
  sample: {supabase/migrations/20260102000000_b.sql: "drops the column note of orders (line 2), which release 1.0.0-1a may need"}
backfills:
  description: Backfills that ran or, in check mode, would run, each with how far it has come, in words.
  returned: success
  type: dict
  sample: {supabase/migrations/20260103000000_c.sql: 990 of 1000 rows changed in 2 batches}
forced:
  description: Files that ran only because of O(force).
  returned: success
  type: list
  elements: str
  sample: []
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, FencedError, missing_library
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import engine
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.host.lock import alone
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import leased
from ansible_collections.morpheus.deploy.plugins.module_utils.operations import migrate_supabase
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.migrate_supabase import Wanted
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership import database as declared_database
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import url as connection_url
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase.plan import MigrationFile, Release
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase.runner import Limits, Runner
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import explained, in_words, run_module

try:
    import psycopg2  # type: ignore[import-not-found,import-untyped,unused-ignore] # on hosts only
except ImportError:
    psycopg2 = None

CONNECT_SECONDS = 15


@contextmanager
def connected(url: str) -> Iterator[Any]:
    connection = psycopg2.connect(
        connect_timeout=CONNECT_SECONDS,
        application_name="morpheus.deploy migrations",
        keepalives_idle=10,
        keepalives_interval=5,
        **connection_url.parse(url).keywords(),
    )
    try:
        yield connection
    finally:
        connection.close()


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    params = module.params
    about["answered"] = True
    leased.require(params, check_mode=module.check_mode)
    if psycopg2 is None:
        raise missing_library("psycopg2")
    try:
        result = _act(params, check_mode=module.check_mode)
    except psycopg2.Error as exc:
        why = connection_url.scrubbed(str(exc), params["url"])
        raise DeployError(f"the migrations failed, and no host was switched: {why}") from None
    except (DeployError, FencedError, OSError) as exc:
        raise DeployError(f"the migrations failed, and no host was switched: {explained(exc)}") from exc
    return {"changed": bool(result["applied"]), **result}


def _act(params: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
    problem = connection_url.pooler_problem(connection_url.parse(params["url"]))
    if problem:
        raise DeployError(f"{params['variable']} {problem}")
    declared_database.check({**params, "ledger": "", "timeout_seconds": CONNECT_SECONDS}, params["environment"])
    # libpq would take what a URL leaves open from there.
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]
    wanted = Wanted(
        [MigrationFile.of(one) for one in params["files"]],
        [Release(str(one["id"]), str(one.get("head") or "")) for one in params["retained"]],
        params["accept_edited"],
        params["force"],
    )
    limits = Limits(params["lock_timeout_seconds"], params["statement_timeout_seconds"], params["timeout_seconds"])
    with connected(params["url"]) as connection:
        if check_mode:
            connection.set_session(readonly=True)
            return migrate_supabase.look(connection.cursor(), wanted)
        if not params["stack"]:
            return migrate_supabase.apply(Runner(connection, psycopg2.Error, limits), wanted)
        host = StackHost(params["stack"], engine.connect())
        with alone(host, params["token"], params["run"]) as fence:
            runner = Runner(connection, psycopg2.Error, limits, fence.check)
            return migrate_supabase.apply(runner, wanted, host, params["release_id"])


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True, "no_log": True},
            "variable": {"type": "str", "default": "url"},
            "environment": {"type": "str", "required": True},
            "project_ref": {"type": "str", "default": ""},
            "system_identifier": {"type": "str", "default": ""},
            "files": {"type": "list", "elements": "dict", "required": True},
            "stack": {"type": "str", "default": ""},
            "release_id": {"type": "str", "default": ""},
            "retained": {"type": "list", "elements": "dict", "default": []},
            "accept_edited": {"type": "list", "elements": "str", "default": []},
            "force": {"type": "str", "default": ""},
            "lock_timeout_seconds": {"type": "float", "default": 4.0},
            "statement_timeout_seconds": {"type": "float", "default": 0.0},
            "timeout_seconds": {"type": "float", "default": 300.0},
            "token": {"type": "int", "default": 0, "no_log": False},
            "run": {"type": "str", "default": ""},
            "without_lease": leased.WITHOUT_LEASE,
        },
        supports_check_mode=True,
        required_by={"stack": ["release_id"]},
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
