#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: staging_data_import
short_description: Bring an export of another environment into this one's database
version_added: 0.1.0
description:
  - When the module returns, each table that the export has holds its rows and no others, and foreign keys are whole. It is one
    transaction; whatever fails, the database is as it was.
  - The schema, the marker and the ledger of migrations are this environment's own and stay. Tables that refer to one of the
    export's are emptied, too.
  - A backup is refused, because there are persons in it; so is an export that was changed, and one of this environment itself.
  - The database is asked first whose it is.
attributes:
  check_mode:
    support: full
    description: Looks whether the export could be brought.
  diff_mode:
    support: none
    description: All rows change.
  idempotent:
    support: none
    description: Each run brings the rows again.
options:
  record:
    description: The record of the export, as M(morpheus.deploy.backup_store) returns it.
    type: dict
    required: true
  identity:
    description: The secret key of C(age) that opens the export. It goes through a pipe, and is in no file of the host.
    type: str
    required: true
extends_documentation_fragment:
  - morpheus.deploy.backup
  - morpheus.deploy.backup.place
  - morpheus.deploy.database.declared
  - morpheus.deploy.database
  - morpheus.deploy.token
  - morpheus.deploy.without_lease
seealso:
  - module: morpheus.deploy.staging_data_export
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Bring data into staging
  morpheus.deploy.staging_data_import:
    record: "{{ staging_data_found.records | last }}"
    identity: "{{ staging_data_identity }}"
    url: "{{ staging_data_database_url }}"
    environment: staging
    image: postgres:17
    directory: /var/lib/exports
    token: "{{ lease_taken.token }}"
"""

RETURN = r"""
name:
  description: Name of the export.
  returned: success
  type: str
  sample: 20261127t020000z
at:
  description: Of when the data are.
  returned: success
  type: str
  sample: "2026-11-27T02:00:03Z"
rows:
  description: How many rows were brought.
  returned: success, except in check mode
  type: int
  sample: 100000
begun:
  description: Whether the database may hold something else than before the module failed.
  returned: failure
  type: bool
  sample: false
"""

from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.backup import bring, news, options, record, restore
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.restore import Restoring
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import leased
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    params = module.params
    about["begun"] = False
    leased.require(params, check_mode=module.check_mode)
    found, declared = record.of(params["record"], "record"), options.declared(params)
    tools, told = options.tools(params), news.News()
    result = {"changed": True, "name": found.name, "at": found.at}
    if module.check_mode:
        bring.look(declared, found)
        return result
    with options.at_work(params, tools, told) as spool:
        restoring = Restoring(tools, options.where(params), spool, params["identity"])
        with restore.filling(about):
            bring.bring(restoring, declared, found)
        told.tell(news.STAGING_DATA, {"at": found.at, "name": found.name, "of": found.environment})
    return {**result, "rows": sum(one.rows for one in found.tables.values())}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **options.WHERE,
            **options.DECLARED,
            "record": {"type": "dict", "required": True},
            "identity": {"type": "str", "required": True, "no_log": True},
            "token": {"type": "int", "default": 0, "no_log": False},
            "without_lease": leased.WITHOUT_LEASE,
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
