#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: database_identity
short_description: Claim a Postgres database for an environment, or make sure that it belongs to it
version_added: 0.1.0
description:
  - With O(state=checked), when the module returns the database that O(url) reaches is the declared one. It is asked in a
    read-only transaction.
  - The Supabase project is told by host name or user name, the cluster by its system identifier, the environment by a marker,
    the only row of the table C(morpheus_deploy.identity). The first is compared before anything is contacted.
  - With O(state=claimed), when the module returns the marker is that of O(environment). Another environment's is refused.
    Every user of the database may read the marker.
  - When something differs, when the marker is missing and when the database cannot be reached within O(timeout_seconds), the
    module fails with what was expected and what was seen. No message holds the URL or its password.
attributes:
  check_mode:
    support: full
    description: Asks as ever, refuses what it would refuse and writes nothing.
  diff_mode:
    support: full
    description: The environment of the marker before and after.
options:
  url:
    description:
      - C(postgresql://user:password@host:5432/database). Of its parameters C(sslmode) and C(sslrootcert) count.
      - A URL that can be read in two ways is refused, and so are parameters that lead elsewhere, such as C(hostaddr).
    type: str
    required: true
  variable:
    description: What messages call the URL.
    type: str
    default: url
  environment:
    description: The environment that the database must belong to.
    type: str
    required: true
  state:
    description: V(checked) makes sure that the database is the declared one, V(claimed) lets the environment claim it.
    type: str
    choices: [checked, claimed]
    default: checked
  release_from:
    description: With O(state=claimed), the environment whose marker may be replaced.
    type: str
    default: ""
  project_ref:
    description: The Supabase project that the URL must name. Empty asks for none.
    type: str
    default: ""
  ledger:
    description:
      - Table of a migration tool whose rows are to be read, C(schema.table) with a column C(version), or
        C(preset:schema.table) with a preset of C(stack.migration). Empty reads none.
    type: str
    default: ""
  timeout_seconds:
    description: How long to wait for a connection to each address of the host, in seconds.
    type: int
    default: 5
extends_documentation_fragment:
  - morpheus.deploy.attributes.claim
  - morpheus.deploy.database
seealso:
  - module: morpheus.deploy.host_identity
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Claim the database, once
  morpheus.deploy.database_identity:
    url: "{{ database_url }}"
    environment: staging
    state: claimed
    project_ref: stagingmorpheusproja
  run_once: true

- name: Make sure that the database is staging's
  morpheus.deploy.database_identity:
    url: "{{ database_url }}"
    environment: staging
    project_ref: stagingmorpheusproja
  run_once: true
"""

RETURN = r"""
environment:
  description: The environment of the marker.
  returned: success
  type: str
  sample: staging
system_identifier:
  description: The cluster's system identifier; empty when the user may not ask for it.
  returned: success
  type: str
  sample: "7451239908170123456"
versions:
  description: Versions of the schema that O(ledger) lists as applied.
  returned: success
  type: list
  elements: str
  sample: ["0001", "0002"]
ledger:
  description: The rows of O(ledger), oldest first. C(state) is C(applied), C(failed), C(undone) or C(baseline).
  returned: success
  type: list
  elements: dict
  sample: [{version: "0001", name: "", state: applied}]
connections:
  description:
    - How many connections the server lets anybody have (C(max)), how many of them are kept back (C(reserved)) or are of other
      logins (C(others)), and what the login or the database is limited to (C(limit), -1 where they are not).
  returned: success
  type: dict
  sample: {max: 100, reserved: 3, others: 12, limit: -1}
"""

from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership import database as declared_database
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    params = module.params
    environment = params["environment"]
    if not environment:
        raise DeployError("environment must not be empty")
    if params["state"] == "claimed":
        answer = declared_database.claim(params, environment, params["release_from"], check_mode=module.check_mode)
    else:
        answer = declared_database.check(params, environment)
    diff = {"before": f"{answer.before.environment}\n", "after": f"{answer.after.environment}\n"}
    return {"changed": answer.after != answer.before, **answer.as_result(), "diff": diff}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **declared_database.OPTIONS,
            "environment": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["checked", "claimed"], "default": "checked"},
            "release_from": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
