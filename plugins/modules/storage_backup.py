#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: storage_backup
short_description: Make an encrypted backup of what the buckets of a Supabase project hold
version_added: 0.1.0
description:
  - When the module returns, an archive of all objects of O(buckets) lies in its place with a record beside it, and the very
    stream that was encrypted was read again and had each object as it was written.
  - What is stored can be read by whoever has the identity of one of O(recipients), with C(age) and C(tar). The host has none.
  - The buckets are only read. An object that is deleted meanwhile is left out.
attributes:
  check_mode:
    support: full
    description: Looks whether the buckets are there. No backup is made.
options:
  buckets:
    description: Names of the buckets.
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - morpheus.deploy.backup.storage
  - morpheus.deploy.backup.place
  - morpheus.deploy.supabase
  - morpheus.deploy.supabase.storage
  - morpheus.deploy.backup.made
seealso:
  - module: morpheus.deploy.storage_restore
  - module: morpheus.deploy.database_backup
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Back the pictures up
  run_once: true
  morpheus.deploy.storage_backup:
    url: https://abcdefghijklmnopqrst.supabase.co
    key: "{{ backup_storage_key }}"
    environment: production
    buckets: [pictures]
    directory: /var/backups/morpheus.deploy
    recipients: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p]
    name: 20261127t020000z-objects
    why: every night
"""

RETURN = r"""
backup:
  description: The record of the backup.
  returned: success, except in check mode
  type: dict
  sample: {"name": "20261127t020000z-objects", "at": "2026-11-27T02:00:03Z", "verified": "2026-11-27T02:00:11Z", "size": 4711}
objects:
  description: How many objects it has in all.
  returned: success, except in check mode
  type: int
  sample: 1200
seconds:
  description: How long it took.
  returned: success, except in check mode
  type: float
  sample: 33.5
"""

import time
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.backup import news, options, record
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.objects import Keeping
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    params = module.params
    problem = record.name_problem(params["name"])
    if problem:
        raise DeployError(problem)
    if not params["recipients"] or not params["buckets"]:
        empty = "recipients" if params["buckets"] else "buckets"
        raise DeployError(f"{empty}: required; a backup has something in it, and somebody who can read it")
    objects, told = options.objects(params), news.News()
    if module.check_mode:
        for bucket in params["buckets"]:
            objects.require(bucket)
        return {"changed": True}
    began = time.time()
    with options.at_work(params, None, told) as spool:
        keeping = Keeping(objects, options.where(params), spool, params["environment"])
        found = keeping.make(params["name"], params["why"], params["recipients"], params["buckets"])
        seconds = round(time.time() - began, 1)
        about = {"at": found.at, "name": found.name, "verified": found.verified, "size": found.size, "seconds": seconds}
        told.tell(news.BUCKETS, about)
    count = sum(one.objects for one in found.buckets.values())
    return {"changed": True, "backup": found.shown(), "objects": count, "seconds": seconds}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **options.STORAGE,
            **options.MADE,
            "buckets": {"type": "list", "elements": "str", "required": True},
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
