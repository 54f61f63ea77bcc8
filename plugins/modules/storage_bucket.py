#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: storage_bucket
short_description: Keep a bucket of a Supabase project
version_added: 0.1.0
description:
  - When the module returns, the storage API shows the bucket as the options say, or does not know it.
  - Objects are never removed, unless O(delete_objects) names the bucket.
attributes:
  check_mode:
    support: full
    description: Reads the bucket, and says what would be changed. What would be refused is refused.
  diff_mode:
    support: full
    description: Shows the bucket as it is and as it is wanted.
options:
  name:
    description: Name of the bucket.
    type: str
    required: true
  state:
    description: Whether the bucket is to be there.
    type: str
    choices: [present, absent]
    default: present
  public:
    description: Whether everybody may read what is in it.
    type: bool
    default: false
  max_file_bytes:
    description: Bytes that an object has at most. Left out, what the project allows.
    type: int
  mime_types:
    description: Types that objects may have, such as C(image/png) or C(image/*). Empty allows any.
    type: list
    elements: str
    default: []
  delete_objects:
    description: The name of the bucket again, for a O(state=absent) that takes its objects along.
    type: str
    default: ""
extends_documentation_fragment:
  - morpheus.deploy.attributes.differences
  - morpheus.deploy.supabase
  - morpheus.deploy.supabase.storage
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Keep the bucket of pictures
  morpheus.deploy.storage_bucket:
    url: https://abcdefghijklmnopqrst.supabase.co
    key: "{{ vault_supabase_secret_key }}"
    name: pictures
    max_file_bytes: 5000000
    mime_types: [image/png, image/jpeg]
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
differences:
  description: What differed, or in check mode differs, as sentences.
  returned: success
  type: list
  elements: str
  sample: ["the bucket pictures: public is on, expected off"]
"""

from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api import buckets, client
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api.buckets import Bucket, Buckets
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    params = module.params
    name = params["name"]
    problems = [problem for problem in (buckets.name_problem(name),) if problem]
    problems += [f'mime_types: "{kind}" is not a type' for kind in params["mime_types"] if not buckets.is_mime_type(kind)]
    if params["delete_objects"] not in ("", name):
        problems.append(f'delete_objects: "{params["delete_objects"]}" is not the name of this bucket, {name}')
    if problems:
        raise DeployError("; ".join(problems))
    there = Buckets(buckets.storage(params["url"], params["key"], params))
    before = there.find(name)
    if params["state"] == "absent":
        return _absent(module, there, name, before)
    wanted = Bucket(name, params["public"], params["max_file_bytes"], params["mime_types"])
    found = ["is missing"] if before is None else buckets.differences(wanted, before)
    if found and not module.check_mode:
        there.write(wanted, before)
    return _result(name, found, before.told if before else {}, wanted.told)


def _absent(module: AnsibleModule, there: Buckets, name: str, before: Bucket | None) -> dict[str, Any]:
    if before is None:
        return _result(name, [], {}, {})
    with_objects = module.params["delete_objects"] == name
    if not with_objects:
        there.refuse_objects(name)
    if not module.check_mode:
        there.remove(name, with_objects=with_objects)
    return _result(name, ["is there, and is to go"], before.told, {})


def _result(name: str, found: list[str], before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    sentences = [f"the bucket {name}: {one}" for one in found]
    return {"changed": bool(found), "differences": sentences, "diff": {"before": before, "after": after if found else before}}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **client.STORAGE,
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "public": {"type": "bool", "default": False},
            "max_file_bytes": {"type": "int"},
            "mime_types": {"type": "list", "elements": "str", "default": []},
            "delete_objects": {"type": "str", "default": ""},
            **client.OPTIONS,
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
