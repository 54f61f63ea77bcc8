#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: supabase_isolation_info
short_description: Try other environments' Supabase projects with this one's address and tokens
version_added: 0.1.0
description:
  - Begins a connection to each database, up to where a password is asked for, and shows each token to the APIs of each project.
    No password is sent, and no token leaves but to Supabase.
  - The own project is tried as well. Where it does not accept, a refusal of another one proves nothing.
  - It does not fail for what it sees. No message holds a token.
attributes:
  platform:
    support: full
    platforms: posix
    description: For addresses the hosts of the environment; tokens can be tried from anywhere.
options:
  own:
    description: The environment's own project.
    type: dict
    required: true
    suboptions: &project
      name:
        description: The environment.
        type: str
        default: ""
      project_ref:
        description: Reference of the project.
        type: str
        required: true
      url:
        description: Where the APIs of the project are.
        type: str
        default: ""
      databases:
        description: The database and its poolers.
        type: list
        elements: dict
        default: []
        suboptions:
          host:
            description: Name or address.
            type: str
            required: true
          port:
            description: The port.
            type: int
            default: 5432
          user:
            description: Who would sign in. A pooler takes the project from it, as in C(postgres.abcdefghijklmnopqrst).
            type: str
            default: postgres
  others:
    description: The projects of the other environments.
    type: list
    elements: dict
    default: []
    suboptions: *project
  token:
    description: Access token of the Management API. Empty tries none.
    type: str
    default: ""
  api_keys:
    description: Name of a key of the own project -> the key. Empty tries none.
    type: dict
    default: {}
  api_url:
    description: Where the Management API is.
    type: str
    default: https://api.supabase.com
  try_addresses:
    description: Whether databases are tried.
    type: bool
    default: true
extends_documentation_fragment:
  - morpheus.deploy.supabase
  - morpheus.deploy.attributes.read_only
seealso:
  - module: morpheus.deploy.supabase_project
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Try production's database from a host of staging
  morpheus.deploy.supabase_isolation_info:
    own: {project_ref: abcdefghijklmnopqrst, databases: [{host: db.abcdefghijklmnopqrst.supabase.co}]}
    others:
      - name: production
        project_ref: tsrqponmlkjihgfedcba
        databases: [{host: db.tsrqponmlkjihgfedcba.supabase.co}]
"""

RETURN = r"""
proofs:
  description:
    - One for each database and token, with C(kind) C(address) or C(token), C(project) (empty for the own one), C(subject),
      C(target), C(outcome) C(accepted), C(refused) or C(unknown), and C(detail).
  returned: success
  type: list
  elements: dict
  sample:
    - kind: address
      project: production
      subject: the address of this host
      target: db.tsrqponmlkjihgfedcba.supabase.co port 5432
      outcome: refused
      detail: no connection within 5 s
"""

from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api import client, isolation
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module

_DATABASE = {
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "default": 5432},
    "user": {"type": "str", "default": "postgres"},
}
_PROJECT = {
    "name": {"type": "str", "default": ""},
    "project_ref": {"type": "str", "required": True},
    "url": {"type": "str", "default": ""},
    "databases": {"type": "list", "elements": "dict", "default": [], "options": _DATABASE},
}


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    params = module.params
    own, others = params["own"], params["others"]
    found = isolation.tokens(own, others, params)
    if params["try_addresses"]:
        found += isolation.addresses(own, others, params["timeout_seconds"])
    return {"changed": False, "proofs": [one.as_result() for one in found]}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "own": {"type": "dict", "required": True, "options": _PROJECT},
            "others": {"type": "list", "elements": "dict", "default": [], "options": _PROJECT},
            "token": {"type": "str", "default": "", "no_log": True},
            "api_keys": {"type": "dict", "default": {}, "no_log": True},
            "api_url": {"type": "str", "default": client.MANAGEMENT},
            "try_addresses": {"type": "bool", "default": True},
            **client.OPTIONS,
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
