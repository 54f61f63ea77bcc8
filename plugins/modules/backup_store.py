#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: backup_store
short_description: List, remove and open what lies where backups are kept
version_added: 0.1.0
description:
  - Backups lie in a directory of a host, or in a bucket with S3's interface. The bucket is asked from the controller, so that no
    host has a key to it; a host is given URLs that each open one object for a while.
  - With O(state=listed) the records of all backups are returned.
  - With O(state=pruned) those are removed besides that are older than O(keep_days), except the O(keep_at_least) youngest that
    were verified. While none was verified, none is removed.
  - With O(state=signed) URLs are returned for the backup O(name); of a directory none.
attributes:
  check_mode:
    support: full
    description: Says what would be removed.
  diff_mode:
    support: none
    description: RV(removed) names what goes.
  idempotent:
    support: full
    description: What is gone is not removed again.
  action:
    support: full
    description: A bucket is asked by the action plugin, on the controller.
options:
  state:
    description: What to do.
    type: str
    choices: [listed, pruned, signed]
    default: listed
  directory:
    description: Directory of the host.
    type: str
    default: ""
  s3:
    description:
      - In the place of O(directory), the bucket. C(bucket), C(prefix), C(region), C(endpoint), C(ca_path), C(access_key) and
        C(secret_key).
    type: dict
    default: {}
  name:
    description: With O(state=signed), name of the backup.
    type: str
    default: ""
  seconds:
    description: How long signed URLs open something.
    type: int
    default: 21600
  keep_days:
    description: How old backups may become.
    type: float
    default: 14.0
  keep_at_least:
    description: How many verified ones are kept, however old they are.
    type: int
    default: 3
requirements:
  - boto3, on the controller, for O(s3)
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: List backups
  run_once: true
  morpheus.deploy.backup_store:
    directory: /var/backups/morpheus.deploy
  register: backups
"""

RETURN = r"""
records:
  description: The record of each backup that is there, oldest first.
  returned: unless O(state=signed)
  type: list
  elements: dict
  sample: [{"name": "20261127t020000z", "at": "2026-11-27T02:00:03Z", "verified": "2026-11-27T02:04:11Z", "size": 4711}]
removed:
  description: Names of backups that were removed, or would be in check mode.
  returned: O(state=pruned)
  type: list
  elements: str
  sample: [20261112t020000z]
urls:
  description: URLs, each of which opens one object. Empty for a directory.
  returned: O(state=signed)
  type: dict
  sample: {}
"""

import json
import time
from pathlib import Path
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.backup import record
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.place import Directory
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    params, state = module.params, module.params["state"]
    if params["s3"] or not params["directory"]:
        raise DeployError("directory: required; a bucket is asked on the controller, by the action plugin of the same name")
    if state == "signed":
        return {"changed": False, "urls": {}}
    place = Directory(Path(params["directory"]))
    records = place.records()
    result: dict[str, Any] = {"changed": False}
    if state == "pruned":
        gone = record.expired(records, time.time(), keep_days=params["keep_days"], keep_at_least=params["keep_at_least"])
        names = [one.name for one in gone]
        if not module.check_mode:
            place.remove(names)
            records = [one for one in records if one.name not in names]
        result = {"changed": bool(names), "removed": names}
    return {**result, "records": [json.loads(one.text()) for one in records]}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["listed", "pruned", "signed"], "default": "listed"},
            "directory": {"type": "str", "default": ""},
            "s3": {"type": "dict", "default": {}, "no_log": True},
            "name": {"type": "str", "default": ""},
            "seconds": {"type": "int", "default": 21600},
            "keep_days": {"type": "float", "default": 14.0},
            "keep_at_least": {"type": "int", "default": 3},
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
