#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
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
  - With O(database), the database is compared with the declared one too, as M(morpheus.deploy.database_identity) does it, once
    the host has been found to be the environment's. That saves a run of its own.
attributes:
  check_mode:
    support: full
    description: Refuses what it would refuse and claims nothing.
  diff_mode:
    support: full
    description: The environment before and after.
  platform:
    support: full
    platforms: posix
    description: Needs nothing but Python, and psycopg2 with O(database).
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
      - Refuse a host outside of the sandbox, which has the file C(/etc/morpheus.deploy/sandbox).
      - For inventories whose secrets are known to everybody.
    type: bool
    default: false
  database:
    description: With O(state=checked), a database to compare with the declared one on the way. It is only read.
    type: dict
    suboptions:
      url:
        description: As O(morpheus.deploy.database_identity#module:url).
        type: str
        required: true
      variable:
        description: What messages call the URL.
        type: str
        default: url
      project_ref:
        description: The Supabase project that the URL must name. Empty asks for none.
        type: str
        default: ""
      system_identifier:
        description: The system identifier that the cluster must have. Empty asks for none.
        type: str
        default: ""
      ledger:
        description: Table of a migration tool (C(schema.table)) whose versions are to be read. Empty reads none.
        type: str
        default: ""
      timeout_seconds:
        description: How long to wait for a connection to each address of the host, in seconds.
        type: int
        default: 5
requirements:
  - psycopg2, on the host, with O(database)
extends_documentation_fragment:
  - morpheus.deploy.attributes.claim
seealso:
  - module: morpheus.deploy.database_identity
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
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
database:
  description: What the database said, as M(morpheus.deploy.database_identity) returns it. Empty without O(database).
  returned: success
  type: dict
  sample: {environment: staging, system_identifier: "7451239908170123456", versions: ["0001"]}
"""

import time
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base import clock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership import check as environment_check
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership import host as identity
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership.host import HostIdentity, Owner
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def claim(host: HostIdentity, params: dict[str, Any], before: Owner, *, check_mode: bool) -> Owner:
    """The owner of the host afterwards. Raises DeployError when another environment has it."""
    refused = identity.claim_problem(params["environment"], before, params["release_from"])
    if refused:
        raise DeployError(refused)
    after = before
    if before.environment != params["environment"]:
        after = Owner(params["environment"], clock.utc(time.time()))
    environment_check.require(host, after, params["environment"], sandbox_only=params["sandbox_only"])
    if after != before and not check_mode:
        host.write(after)
    return after


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    params = module.params
    if not params["environment"]:
        raise DeployError("environment must not be empty")
    if params["database"] and params["state"] == "claimed":
        raise DeployError("database: only with state=checked; morpheus.deploy.database_identity claims a database")
    host = HostIdentity()
    before = after = host.read()
    database = {}
    if params["state"] == "claimed":
        after = claim(host, params, before, check_mode=module.check_mode)
    else:
        database = environment_check.check(host, params["environment"], params)
    return {
        "changed": after != before,
        "environment": after.environment,
        "claimed": after.claimed,
        "sandbox": host.is_sandbox,
        "database": database,
        "diff": {"before": f"{before.environment}\n", "after": f"{after.environment}\n"},
    }


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "environment": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["checked", "claimed"], "default": "checked"},
            "release_from": {"type": "str", "default": ""},
            **environment_check.OPTIONS,
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
