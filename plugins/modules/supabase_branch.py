#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: supabase_branch
short_description: Keep a branch of a Supabase project, for a preview
version_added: 0.1.0
description:
  - When the module returns, the branch is there and healthy, or the project lists none of that name.
  - A branch has a database of its own, without the project's data.
  - A branch that is persistent was made for something else, and is never removed.
attributes:
  check_mode:
    support: full
    description: Looks, and says what would change. A branch that would be made has no database yet.
  diff_mode:
    support: none
    description: There is nothing to compare; a branch is there or is not.
  idempotent:
    support: full
    description: A branch of that name is taken as it is. One that was being made when the run was killed is waited for.
options:
  name:
    description: Name of the branch.
    type: str
    required: true
  state:
    description: Whether the branch is to be there.
    type: str
    choices: [present, absent]
    default: present
  git_branch:
    description: The branch of the repository that it is for, as Supabase shows it.
    type: str
    default: ""
  wait_seconds:
    description: How long to wait for it to be healthy, in seconds.
    type: float
    default: 600.0
extends_documentation_fragment:
  - morpheus.deploy.supabase
  - morpheus.deploy.supabase.management
seealso:
  - module: morpheus.deploy.supabase_branch_info
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Give the preview a branch
  morpheus.deploy.supabase_branch:
    project_ref: abcdefghijklmnopqrst
    token: "{{ vault_supabase_token }}"
    name: preview-pr-12
  delegate_to: localhost
  run_once: true
  register: branch
  no_log: true
"""

RETURN = r"""
ref:
  description: Reference of the branch's own project. Empty without a branch.
  returned: success
  type: str
  sample: hgfedcbahgfedcbahgfe
status:
  description: What the Management API calls its state.
  returned: success
  type: str
  sample: ACTIVE_HEALTHY
database:
  description: How its database is reached. The password is in it, so a task that registers this needs C(no_log).
  returned: with O(state=present), not in check mode before the branch is there
  type: dict
  sample: {host: db.hgfedcbahgfedcbahgfe.supabase.co, port: 5432, user: postgres, password: "..."}
"""

from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api import branches, client
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api.branches import Branches
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    params = module.params
    problem = branches.name_problem(params["name"])
    if problem:
        raise DeployError(problem)
    there = Branches(client.Api.management(params), params["project_ref"])
    branch = there.find(params["name"])
    if params["state"] == "absent":
        return _absent(module, there, branch)
    changed = branch is None
    if branch is None and module.check_mode:
        return {"changed": True, "ref": "", "status": "", "database": {}}
    made = branch or there.create(params["name"], params["git_branch"])
    # So that a run that goes on after a failure, or a person, knows what there is.
    about |= {"ref": made.ref, "status": made.status}
    healthy = made if module.check_mode else there.await_healthy(made, params["wait_seconds"])
    return {"changed": changed, "ref": healthy.ref, "status": healthy.status, "database": there.database(healthy)}


def _absent(module: AnsibleModule, there: Branches, branch: branches.Branch | None) -> dict[str, Any]:
    if branch is None:
        return {"changed": False, "ref": "", "status": ""}
    if branch.persistent:
        raise DeployError(f"the branch {branch.name} is persistent, so it was made for something else, and stays")
    if not module.check_mode:
        there.remove(branch)
    return {"changed": True, "ref": branch.ref, "status": branch.status}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "project_ref": {"type": "str", "required": True},
            "token": {"type": "str", "required": True, "no_log": True},
            "api_url": {"type": "str", "default": client.MANAGEMENT},
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "git_branch": {"type": "str", "default": ""},
            "wait_seconds": {"type": "float", "default": 600.0},
            **client.OPTIONS,
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
