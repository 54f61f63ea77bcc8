#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: supabase_branch_info
short_description: List the branches of a Supabase project
version_added: 0.1.0
description:
  - Returns the branches whose names begin with O(prefix), without the one that stands for the project itself.
options:
  prefix:
    description: What the names begin with.
    type: str
    default: ""
  expire_hours:
    description: After how many hours a branch has expired. C(0) is never.
    type: float
    default: 0.0
extends_documentation_fragment:
  - morpheus.deploy.supabase
  - morpheus.deploy.supabase.management
  - morpheus.deploy.attributes.read_only
seealso:
  - module: morpheus.deploy.supabase_branch
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: List the branches of previews
  morpheus.deploy.supabase_branch_info:
    project_ref: abcdefghijklmnopqrst
    token: "{{ vault_supabase_token }}"
    prefix: preview-
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
branches:
  description: The branches, by name. C(hours) is the age, and C(expired) says whether it is more than O(expire_hours).
  returned: success
  type: list
  elements: dict
  sample: [{name: preview-pr-12, ref: hgfedcbahgfedcbahgfe, status: ACTIVE_HEALTHY, hours: 3.5, expired: false}]
"""

from datetime import datetime, timezone
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api import client
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api.branches import Branches
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    params = module.params
    now, limit = datetime.now(timezone.utc), params["expire_hours"]  # noqa: UP017 - hosts have Python 3.10
    found = [
        {
            "name": one.name,
            "ref": one.ref,
            "status": one.status,
            "hours": round(one.hours(now), 2),
            "expired": bool(limit) and one.hours(now) > limit,
        }
        for one in Branches(client.Api.management(params), params["project_ref"]).all()
        if one.name.startswith(params["prefix"])
    ]
    return {"changed": False, "branches": found}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "project_ref": {"type": "str", "required": True},
            "token": {"type": "str", "required": True, "no_log": True},
            "api_url": {"type": "str", "default": client.MANAGEMENT},
            "prefix": {"type": "str", "default": ""},
            "expire_hours": {"type": "float", "default": 0.0},
            **client.OPTIONS,
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
