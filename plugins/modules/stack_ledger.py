#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: stack_ledger
short_description: Read which migrations a stack's database has, by the login that lies on the host
version_added: 0.8.0
description:
  - Asks the ledger of the live release, C(stack.migration.ledger), in a read-only transaction, with the login that the secret of
    C(stack.migration.reader) holds on this host. It needs no secret of the controller, so a rollback can do it.
  - A database that is not marked as the environment's of this host is not believed.
  - When the database does not answer within 5 s, the result is what this host has read last, and says when that was and why.
    The module does not fail for it.
  - In the database nothing is changed. On the host the answer is kept, in C(ledger.json) beside the releases.
attributes:
  check_mode:
    support: full
    description: Asks as ever, and keeps nothing.
  diff_mode:
    support: none
    description: What is read has nothing before it.
  idempotent:
    support: full
    description: What is kept is replaced by what is read.
options:
  release_id:
    description: Id of a prepared release whose ledger it is; the live one when empty.
    type: str
    default: ""
requirements:
  - psycopg2, on the host
extends_documentation_fragment:
  - morpheus.deploy.engine.stacks
  - morpheus.deploy.stack
seealso:
  - module: morpheus.deploy.ledger_login
  - module: morpheus.deploy.stack_info
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Read which migrations the database has
  morpheus.deploy.stack_ledger:
    stack: morpheus
  register: ledger
"""

RETURN = r"""
source:
  description: V(live) when the database has answered, V(seen) when it is what this host read last, V(none) when nobody knows.
  returned: success
  type: str
  sample: live
ledger:
  description: The tool's preset and table; empty when the live release has no migration with a ledger.
  returned: success
  type: str
  sample: alembic:public.alembic_version
reader:
  description: Name of the secret with the login; empty when the live release names none.
  returned: success
  type: str
  sample: ledger.DATABASE_URL
rows:
  description: What the ledger lists, with C(version), C(name) and C(state) of each.
  returned: success
  type: list
  elements: dict
  sample: [{version: "20260101000000", name: orders, state: applied}]
at:
  description: When it was read, UTC.
  returned: success
  type: str
  sample: "2026-01-01T12:00:00Z"
why:
  description: Why the database did not answer.
  returned: success
  type: str
  sample: ""
live:
  description: Id of the live release; empty before the first deploy.
  returned: success
  type: str
  sample: 1.1.0-77b1e4d2
releases:
  description: What each retained release says of the schema, C(migrations) with the version and the paths of each among it.
  returned: success
  type: dict
  sample:
    1.1.0-77b1e4d2:
      head: "20260101000000"
      compatible_since: ""
      breaking: {}
      migrations: [{version: "20260101000000", paths: [supabase/migrations/20260101000000_orders.sql]}]
"""

import time
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base import clock
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import engine
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.operations import ledger
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    releases = StackHost(module.params["stack"], engine.connect()).releases
    now = clock.utc(time.time())
    found = ledger.look(releases, now, release_id=module.params["release_id"], keep=not module.check_mode)
    return {"changed": False, **found}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "stack": {"type": "str", "required": True},
            "release_id": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
