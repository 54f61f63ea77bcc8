#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: storage_restore
short_description: Put objects of a backup back into the buckets of a Supabase project
version_added: 0.1.0
description:
  - With O(state=restored) each object of the backup is in its bucket as it was when the module returns. Others that are there
    stay. Before the first one is written the whole archive is read and compared with its record.
  - With O(state=drilled) the archive is taken from its place, decrypted and compared, and nothing is written.
  - With O(state=planned) it says what a restore would do.
  - Objects are no transaction. A run that was ended is finished by the same one.
attributes:
  check_mode:
    support: full
    description: With O(state=restored), says what would be done.
  diff_mode:
    support: none
    description: What would be done is told in sentences.
  idempotent:
    support: partial
    description: The same objects are written again.
options:
  state:
    description: What is wanted.
    type: str
    choices: [planned, drilled, restored]
    required: true
  identity:
    description: The secret key of C(age). Not needed with O(state=planned).
    type: str
    default: ""
extends_documentation_fragment:
  - morpheus.deploy.backup.storage
  - morpheus.deploy.backup.place
  - morpheus.deploy.supabase
  - morpheus.deploy.supabase.storage
  - morpheus.deploy.backup.record
  - morpheus.deploy.token
  - morpheus.deploy.without_lease
seealso:
  - module: morpheus.deploy.storage_backup
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Try whether the pictures could be put back
  run_once: true
  morpheus.deploy.storage_restore:
    state: drilled
    record: "{{ backup_found.records[-1] }}"
    url: https://abcdefghijklmnopqrst.supabase.co
    key: "{{ backup_storage_key }}"
    environment: production
    directory: /var/backups/morpheus.deploy
    identity: "{{ backup_identity }}"
    without_lease: true
"""

RETURN = r"""
lost:
  description: What a restore does to what is there, in sentences.
  returned: success, unless O(state=drilled)
  type: list
  elements: str
  sample: ["bucket pictures: 12 objects now, 10 in the backup, which take the place of those of their names; others stay"]
name:
  description: Name of the backup.
  returned: O(state=drilled) or O(state=restored)
  type: str
  sample: 20261127t020000z-objects
objects:
  description: How many objects came back, each as it was.
  returned: O(state=drilled) or O(state=restored)
  type: int
  sample: 1200
seconds:
  description: How long it took.
  returned: O(state=drilled) or O(state=restored)
  type: float
  sample: 21.5
"""

import time
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.backup import news, options, record, restore
from ansible_collections.morpheus.deploy.plugins.module_utils.backup import objects as kept
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.objects import Returning
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import leased
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    params, state = module.params, module.params["state"]
    leased.require(params, check_mode=module.check_mode)
    found = record.of(params["record"], "record")
    restore.refuse_other(found, params["environment"], record.OBJECTS)
    objects = options.objects(params)
    result: dict[str, Any] = {"changed": False}
    if state != "drilled":
        result["lost"] = kept.lost(found, objects)
    if state == "planned" or module.check_mode:
        return {**result, "changed": state == "restored"}
    if not params["identity"]:
        raise DeployError("identity: required; without the secret key nobody can read the backup")
    began, told = time.time(), news.News()
    with options.at_work(params, None, told) as spool:
        returning = Returning(options.where(params), spool, params["identity"])
        count = returning.drill(found) if state == "drilled" else returning.restore(found, objects)
        seconds, at = round(time.time() - began, 1), record.said(time.time())
        about = {"at": at, "name": found.name, "of": found.at, "objects": count, "seconds": seconds}
        if state == "drilled":
            told.drilled(about, news.BUCKETS_DRILL)
        else:
            told.tell(news.BUCKETS_RESTORE, about)
    return {**result, "changed": state == "restored", "name": found.name, "objects": count, "seconds": seconds}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **options.STORAGE,
            **options.RESTORED,
            "token": {"type": "int", "default": 0, "no_log": False},
            "without_lease": leased.WITHOUT_LEASE,
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
