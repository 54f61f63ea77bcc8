#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
from __future__ import annotations

DOCUMENTATION = r"""
module: host_identity
short_description: Claim a host for an environment, or make sure that it belongs to it
version_added: 0.1.0
description:
  - With O(state=checked), when the module returns the host belongs to O(environment). Nothing is written. When it belongs to
    another environment or to none, the module fails and says which.
  - With O(state=claimed), when the module returns the host belongs to O(environment) and to no other. A host of another
    environment is refused.
  - The claim is the file C(/etc/morpheus.deploy/identity.json).
attributes:
  check_mode:
    support: full
    description: Refuses what it would refuse and claims nothing.
  diff_mode:
    support: full
    description: The environment before and after.
  idempotent:
    support: full
    description: A claim by the same environment changes nothing.
  platform:
    support: full
    platforms: posix
    description: Needs nothing but Python.
options:
  environment:
    description: The environment of the inventory.
    type: str
    required: true
  state:
    description: V(checked) makes sure that the host belongs to the environment, V(claimed) lets the environment claim it.
    type: str
    choices: [checked, claimed]
    default: checked
  release_from:
    description: With O(state=claimed), the environment that the host belongs to and that gives it up.
    type: str
    default: ""
  sandbox_only:
    description:
      - Refuse a host that is none of the sandbox, which has the file C(/etc/morpheus.deploy/sandbox).
      - For inventories whose secrets are known to everybody.
    type: bool
    default: false
seealso:
  - module: morpheus.deploy.database_identity
author:
  - The morpheus.deploy maintainers
"""

EXAMPLES = r"""
- name: Claim the hosts
  morpheus.deploy.host_identity:
    environment: staging
    state: claimed

- name: Make sure that the hosts are staging's
  morpheus.deploy.host_identity:
    environment: staging

- name: Move a host from staging to production
  morpheus.deploy.host_identity:
    environment: production
    state: claimed
    release_from: staging
"""

RETURN = r"""
environment:
  description: The environment that the host belongs to.
  returned: success
  type: str
  sample: staging
claimed:
  description: When it was claimed, UTC.
  returned: success
  type: str
  sample: "2026-11-24T10:00:00Z"
sandbox:
  description: Whether it is a host of the sandbox.
  returned: success
  type: bool
  sample: false
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils import identity
from ansible_collections.morpheus.deploy.plugins.module_utils.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.identity import HostIdentity, Owner


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "environment": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["checked", "claimed"], "default": "checked"},
            "release_from": {"type": "str", "default": ""},
            "sandbox_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    params = module.params
    if not params["environment"]:
        module.fail_json(msg="environment must not be empty")
    host = HostIdentity()
    try:
        before = host.read()
    except DeployError as exc:
        module.fail_json(msg=str(exc))
    after = before
    if params["state"] == "claimed":
        refused = [identity.claim_problem(params["environment"], before, params["release_from"])]
        if before.environment != params["environment"]:
            after = Owner(params["environment"], time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    else:
        refused = []
    expected = {"sandbox_only": params["sandbox_only"], "is_sandbox": host.is_sandbox}
    refused = [problem for problem in refused if problem] or identity.problems(params["environment"], after, **expected)
    if refused:
        module.fail_json(msg="\n".join(refused))
    if after != before and not module.check_mode:
        host.write(after)
    diff = {"before": f"{before.environment}\n", "after": f"{after.environment}\n"}
    module.exit_json(
        changed=after != before, environment=after.environment, claimed=after.claimed, sandbox=host.is_sandbox, diff=diff
    )


if __name__ == "__main__":
    main()
