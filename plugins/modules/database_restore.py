#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: database_restore
short_description: Restore a backup of a Postgres database, try whether it could be, or say what that would lose
version_added: 0.1.0
description:
  - With O(state=restored) the database holds what the backup holds when the module returns, and nothing else. It is one
    transaction, at whose end each table is compared with the record; whatever fails, the database is as it was.
  - With O(state=drilled) the archive was taken from its place, decrypted, restored into a server of its own on the host, and each
    table compared with the record.
  - With O(state=planned) nothing is changed, and RV(lost) says what a restore would take away.
  - An archive that is not the one that was made is refused. The database is asked first whose it is; one that was lost and made
    anew, without any table, may be restored into.
attributes:
  check_mode:
    support: partial
    description: Says what a restore would lose, as O(state=planned).
    details: A drill is not made.
  diff_mode:
    support: none
    description: RV(lost) says what changes.
  idempotent:
    support: none
    description: A restore is made each time.
options:
  state:
    description: What to do with the backup.
    type: str
    choices: [planned, drilled, restored]
    required: true
  identity:
    description:
      - The secret key of C(age) that opens the archive. It goes through a pipe, and is in no file of the host. Not needed with
        O(state=planned).
    type: str
    default: ""
  without_lease:
    description:
      - That it is meant to be done without a lease, as plans and drills are, which leave the database alone. Without this, C(0)
        as O(token) is refused, except in check mode.
extends_documentation_fragment:
  - morpheus.deploy.backup
  - morpheus.deploy.backup.place
  - morpheus.deploy.backup.record
  - morpheus.deploy.database.declared
  - morpheus.deploy.database
  - morpheus.deploy.token
  - morpheus.deploy.without_lease
seealso:
  - module: morpheus.deploy.database_backup
  - module: morpheus.deploy.backup_store
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Try whether the last backup could be restored
  run_once: true
  morpheus.deploy.database_restore:
    state: drilled
    record: "{{ backup_found.records[-1] }}"
    url: "{{ backup_database_url }}"
    environment: production
    image: postgres:17
    directory: /var/backups/morpheus.deploy
    identity: "{{ backup_identity }}"
    without_lease: true
"""

RETURN = r"""
lost:
  description: What a restore takes away, in sentences.
  returned: success, unless O(state=drilled)
  type: list
  elements: str
  sample: ['"public"."orders": 120 rows now, 100 rows in the backup']
is_empty:
  description: Whether the database has no table, so that there is nothing to lose.
  returned: success, unless O(state=drilled)
  type: bool
  sample: false
name:
  description: Name of the backup.
  returned: O(state=drilled) or O(state=restored)
  type: str
  sample: 20261127t020000z
rows:
  description: How many rows came back, each as it was.
  returned: O(state=drilled) or O(state=restored)
  type: int
  sample: 100000
seconds:
  description: How long it took.
  returned: O(state=drilled) or O(state=restored)
  type: float
  sample: 61.5
begun:
  description: Whether the database may hold something else than before the module failed.
  returned: failure
  type: bool
  sample: false
"""

import time
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.backup import news, options, record, restore
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.restore import Restoring
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import leased
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    params, state = module.params, module.params["state"]
    about["begun"] = False
    leased.require(params, check_mode=module.check_mode)
    found = record.of(params["record"], "record")
    restore.refuse_other(found, params["environment"], record.BACKUP)
    declared, tools = options.declared(params), options.tools(params)
    result: dict[str, Any] = {"changed": False}
    if state != "drilled":
        plan = restore.plan(declared, found, time.time())
        result |= {"lost": list(plan.lost), "is_empty": plan.is_empty}
    if state == "planned" or module.check_mode:
        return {**result, "changed": state == "restored"}
    if not params["identity"]:
        raise DeployError("identity: required; without the secret key nobody can read the backup")
    began, told = time.time(), news.News()
    with options.at_work(params, tools, told) as spool:
        restoring = Restoring(tools, options.where(params), spool, params["identity"])
        if state == "drilled":
            rows = restoring.drill(found)
            seconds = round(time.time() - began, 1)
            at = record.said(time.time())
            told.drilled({"at": at, "name": found.name, "of": found.at, "rows": rows, "seconds": seconds})
        else:
            with restore.filling(about):
                restoring.restore(declared, found)
            rows = sum(one.rows for one in found.tables.values())
            seconds = round(time.time() - began, 1)
            at = record.said(time.time())
            told.tell(news.RESTORE, {"at": at, "name": found.name, "of": found.at, "rows": rows, "seconds": seconds})
    return {**result, "changed": state == "restored", "name": found.name, "rows": rows, "seconds": seconds}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **options.WHERE,
            **options.DECLARED,
            **options.RESTORED,
            "token": {"type": "int", "default": 0, "no_log": False},
            "without_lease": leased.WITHOUT_LEASE,
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
