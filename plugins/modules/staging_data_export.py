#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: staging_data_export
short_description: Make data for another environment of a backup, with nothing of a person in it
version_added: 0.1.0
description:
  - The backup is restored into a server of its own on the host, cut to O(subset), and masked by O(rules). When the module
    returns, the rows that are left lie in their place, encrypted to O(recipients), with foreign keys whole.
  - Refused, with every column at once, while a column has no rule that sounds or looks like something of a person, or holds
    documents or bytes. All rows are looked at, those of documents, arrays and text included.
  - The database that serves is not asked. Nothing of the schema leaves the host, and no large object.
attributes:
  check_mode:
    support: none
    description: To know what would be refused, the backup must be restored.
  diff_mode:
    support: none
    description: An export has nothing before it.
  idempotent:
    support: none
    description: Each run makes another export, with another key for what is put in the place of values.
options:
  environment:
    description: The environment whose backup it must be.
    type: str
    required: true
  identity:
    description: The secret key of C(age) that opens the backup. It goes through a pipe, and is in no file of the host.
    type: str
    required: true
  name:
    description: Name of the export.
    type: str
    required: true
  recipients:
    description: Public keys of the environment that the export is for.
    type: list
    elements: str
    required: true
  rules:
    description: C(<schema>.<table>.<column>) and its rule.
    type: dict
    required: true
  subset:
    description: C(<schema>.<table>) and the condition of the rows that stay, in SQL. Rows without those that they refer to go.
    type: dict
    default: {}
  to_directory:
    description: Where the export is put on the host.
    type: str
    default: ""
  to_urls:
    description: In the place of O(to_directory), URLs as M(morpheus.deploy.backup_store) signs them.
    type: dict
    default: {}
  rate_megabytes_per_second:
    description:
      - How fast the host may be read from and written to for the export as a whole, all tables together; C(0) for as fast as it
        goes.
      - What counts is the archive where it is fetched, looked at and restored, each table that a statement goes through, and the
        export where it is made, looked at and sent. Time in which nothing of it was read is not caught up.
    type: float
    default: 0.0
extends_documentation_fragment:
  - morpheus.deploy.backup
  - morpheus.deploy.backup.place
  - morpheus.deploy.backup.record
seealso:
  - module: morpheus.deploy.staging_data_import
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Make data for staging
  morpheus.deploy.staging_data_export:
    record: "{{ backup_found.records | last }}"
    environment: production
    identity: "{{ backup_identity }}"
    image: postgres:17
    directory: /var/backups/morpheus.deploy
    name: 20261127t020000z
    recipients: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p]
    rules: {public.users.email: email}
    to_directory: /var/lib/exports
"""

RETURN = r"""
export:
  description: The record of the export, without what its tables hold.
  returned: success
  type: dict
  sample: {"name": "20261127t020000z", "at": "2026-11-27T02:00:03Z", "of": "20261127t020000z", "size": 4711}
rows:
  description: How many rows it has in all.
  returned: success
  type: int
  sample: 100000
"""

from pathlib import Path
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.backup import flow, news, options, place, record, restore
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.export import Exporting, Wanted
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.restore import Restoring
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    params = module.params
    backup = record.of(params["record"], "record")
    restore.refuse_other(backup, params["environment"], record.BACKUP)
    problem = record.name_problem(params["name"])
    if problem or not params["recipients"]:
        raise DeployError(problem or "recipients: required; nobody could read an export that is encrypted to nobody")
    if bool(params["to_directory"]) == bool(params["to_urls"]):
        raise DeployError("to_directory and to_urls: exactly one of them says where the export goes")
    tools, told = options.tools(params), news.News()
    pace = flow.Pace(params["rate_megabytes_per_second"] * 1e6)
    wanted = Wanted(params["name"], params["recipients"], params["rules"], params["subset"])
    with options.at_work(params, tools, told) as spool:
        restoring = Restoring(tools, options.where(params, pace), spool, params["identity"], pace=pace)
        grows = Path(params["to_directory"] or spool)
        where = place.of(params["to_directory"], params["to_urls"], pace)
        found = Exporting(restoring, where, grows).export(backup, wanted)
    return {"changed": True, "export": found.shown(), "rows": sum(one.rows for one in found.tables.values())}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **options.WHERE,
            "record": {"type": "dict", "required": True},
            "environment": {"type": "str", "required": True},
            "identity": {"type": "str", "required": True, "no_log": True},
            "name": {"type": "str", "required": True},
            "recipients": {"type": "list", "elements": "str", "required": True},
            "rules": {"type": "dict", "required": True},
            "subset": {"type": "dict", "default": {}},
            "to_directory": {"type": "str", "default": ""},
            "to_urls": {"type": "dict", "default": {}, "no_log": True},
            "rate_megabytes_per_second": {"type": "float", "default": 0.0},
        },
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
