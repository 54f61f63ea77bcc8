#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: database_backup
short_description: Make an encrypted backup of a Postgres database, and see that it can be restored
version_added: 0.1.0
description:
  - When the module returns, the backup lies in its place with a record beside it, and was restored into a server of its own
    from the very stream that was encrypted. There each table has the rows that it had at the moment of the backup.
  - What is stored can be read by whoever has the identity of one of O(recipients). The host has none.
  - A backup that could not be restored is kept, is told as a failure, and does not count as one.
  - The database is asked first whose it is. It is only read, in one transaction.
attributes:
  check_mode:
    support: full
    description: Asks the database and looks at the programs. No backup is made.
options:
  schemas:
    description: Only these schemas. All of them, with what is in none, when left out.
    type: list
    elements: str
    default: []
  rate_megabytes_per_second:
    description: How fast the database may be read; C(0) for as fast as it goes.
    type: float
    default: 0.0
extends_documentation_fragment:
  - morpheus.deploy.backup
  - morpheus.deploy.backup.place
  - morpheus.deploy.backup.made
  - morpheus.deploy.database.declared
  - morpheus.deploy.database
seealso:
  - module: morpheus.deploy.database_restore
  - module: morpheus.deploy.backup_store
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Back the database up
  run_once: true
  morpheus.deploy.database_backup:
    url: "{{ backup_database_url }}"
    environment: production
    image: postgres:17
    directory: /var/backups/morpheus.deploy
    recipients: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p]
    name: 20261127t020000z
    why: every night
"""

RETURN = r"""
backup:
  description: The record of the backup, without what its tables hold.
  returned: success, except in check mode
  type: dict
  sample: {"name": "20261127t020000z", "at": "2026-11-27T02:00:03Z", "verified": "2026-11-27T02:04:11Z", "size": 4711}
rows:
  description: How many rows it has in all.
  returned: success, except in check mode
  type: int
  sample: 100000
seconds:
  description: How long it took, with the restore beside.
  returned: success, except in check mode
  type: float
  sample: 241.5
"""

import time
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.backup import news, options, record
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.make import Making, Wanted
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    params = module.params
    problem = record.name_problem(params["name"])
    if problem:
        raise DeployError(problem)
    rate = params["rate_megabytes_per_second"] * 1e6
    wanted = Wanted(params["name"], params["why"], params["recipients"], params["schemas"], rate)
    if not wanted.recipients:
        raise DeployError("recipients: required; nobody could read a backup that is encrypted to nobody")
    tools, told = options.tools(params), news.News()
    if module.check_mode:
        Making(options.declared(params), tools, options.where(params), told.directory).look(wanted)
        return {"changed": True}
    began = time.time()
    with options.at_work(params, tools, told) as spool:
        found = Making(options.declared(params), tools, options.where(params), spool).make(wanted)
        seconds = round(time.time() - began, 1)
        about = {"at": found.at, "name": found.name, "verified": found.verified, "size": found.size, "seconds": seconds}
        told.tell(news.BACKUP, about)
    rows = sum(one.rows for one in found.tables.values())
    return {"changed": True, "backup": found.shown(), "rows": rows, "seconds": seconds}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **options.WHERE,
            **options.DECLARED,
            **options.MADE,
            "schemas": {"type": "list", "elements": "str", "default": []},
            "rate_megabytes_per_second": {"type": "float", "default": 0.0},
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
