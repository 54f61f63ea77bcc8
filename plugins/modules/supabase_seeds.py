#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: supabase_seeds
short_description: Run seed files on a database by the rule of Supabase's CLI
version_added: 0.1.0
description:
  - When the module returns, each file of O(files) stands in C(supabase_migrations.seed_files) with its path and the hash of its
    content, as C(supabase db push --include-seed) writes it. One that was not there has been run. One whose content has changed
    since is only written down with its new hash; it is not run again, as with the CLI.
  - A file and its line in the ledger are one transaction. A file that fails is undone whole, and those before it stay.
  - One run at a time on a database, by the advisory lock of M(morpheus.deploy.supabase_migrations).
  - The database is asked first whose it is.
attributes:
  check_mode:
    support: full
    description: Reads the ledger, and says which files would be run or written down.
  diff_mode:
    support: none
    description: What is inserted stands in the files.
  idempotent:
    support: full
    description: What the ledger has with the same hash is left alone.
options:
  files:
    description: Seed files in their order, as the filter P(morpheus.deploy.seed_files#filter) has read them.
    type: list
    elements: dict
    required: true
  stack:
    description: Name of the stack that uses the database. With it, none of its rollouts is at work on this host meanwhile.
    type: str
    default: ""
  lock_timeout_seconds:
    description: How long a statement may wait for a lock before its file is undone and the run fails, in seconds.
    type: float
    default: 4.0
  timeout_seconds:
    description: How long all files together may take, in seconds. Then the one that runs is cancelled and undone.
    type: float
    default: 300.0
extends_documentation_fragment:
  - morpheus.deploy.database
  - morpheus.deploy.database.declared
  - morpheus.deploy.token.fenced
  - morpheus.deploy.run
  - morpheus.deploy.without_lease
seealso:
  - module: morpheus.deploy.supabase_migrations
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Seed the database
  run_once: true
  morpheus.deploy.supabase_seeds:
    url: "{{ database_url }}"
    environment: staging
    stack: shop
    files: "{{ (stack_source | morpheus.deploy.seed_files('staging')).files }}"
    token: "{{ lease_taken.token }}"
    run: "{{ lease_taken.run }}"
"""

RETURN = r"""
seeded:
  description: Files that were run; in check mode those that would be.
  returned: success
  type: list
  elements: str
  sample: [supabase/seed.sql]
recorded:
  description: Files whose content has changed since they were run, and that were only written down.
  returned: success
  type: list
  elements: str
  sample: []
begun:
  description: Whether something was changed before it failed.
  returned: failure
  type: bool
  sample: false
"""

import os
from collections.abc import Sequence
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, FencedError, missing_library
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import engine
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.host.lock import alone
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import leased
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership import database as declared_database
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import url as connection_url
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase import seeds
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase.runner import Limits
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase.seeds import Decision, Seeder, SeedFile
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import explained, in_words, run_module

try:
    import psycopg2  # type: ignore[import-not-found,import-untyped,unused-ignore] # on hosts only
except ImportError:
    psycopg2 = None

CONNECT_SECONDS = 15


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    params = module.params
    about["begun"] = False
    leased.require(params, check_mode=module.check_mode)
    if psycopg2 is None:
        raise missing_library("psycopg2")
    try:
        found = _act(params, about, check_mode=module.check_mode)
    except psycopg2.Error as exc:
        raise DeployError(f"the seeds failed: {connection_url.scrubbed(str(exc), params['url'])}") from None
    except (DeployError, FencedError, OSError) as exc:
        raise DeployError(f"the seeds failed: {explained(exc)}") from exc
    return {"changed": bool(found.seeded or found.recorded), **found.told()}


def _act(params: dict[str, Any], about: dict[str, Any], *, check_mode: bool) -> Decision:
    problem = connection_url.pooler_problem(connection_url.parse(params["url"]))
    if problem:
        raise DeployError(f"{params['variable']} {problem}")
    declared_database.check({**params, "ledger": "", "timeout_seconds": CONNECT_SECONDS}, params["environment"])
    # libpq would take what a URL leaves open from there.
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]
    files = [SeedFile.of(one) for one in params["files"]]
    connection = psycopg2.connect(
        connect_timeout=CONNECT_SECONDS,
        application_name="morpheus.deploy seeds",
        keepalives_idle=10,
        keepalives_interval=5,
        **connection_url.parse(params["url"]).keywords(),
    )
    try:
        if check_mode:
            connection.set_session(readonly=True)
            return seeds.decide(files, seeds.read(connection.cursor()))
        at_work = Seeder(connection, psycopg2.Error, Limits(params["lock_timeout_seconds"], all=params["timeout_seconds"]))
        if not params["stack"]:
            return _seed(at_work, files, about)
        with alone(StackHost(params["stack"], engine.connect()), params["token"], params["run"]) as fence:
            at_work.guard = fence.check
            return _seed(at_work, files, about)
    finally:
        connection.close()


def _seed(at_work: Seeder, files: Sequence[SeedFile], about: dict[str, Any]) -> Decision:
    try:
        return at_work.run(files)
    finally:
        about["begun"] = bool(at_work.done.seeded or at_work.done.recorded)


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
            "lock_timeout_seconds": {"type": "float", "default": 4.0},
            "timeout_seconds": {"type": "float", "default": 300.0},
            "token": {"type": "int", "default": 0, "no_log": False},
            "run": {"type": "str", "default": ""},
            "without_lease": leased.WITHOUT_LEASE,
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
