#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: stack_attestation
short_description: Make sure that every container of a host uses the new value of a secret
version_added: 0.1.0
description:
  - When the module returns, every running replica of a service that reads the secret was started with the new value, and no
    running container of the host has the old one, whoever started it. Environment, command and mounted secret files count.
  - Otherwise the module fails and names each container with what it uses.
  - Values are compared on the host. What is returned are fingerprints under O(key), which is recreated for each run when empty.
options:
  names:
    description: Names of the secrets that have the value, C(<env file>.<variable>) or C(files.<name>).
    type: list
    elements: str
    required: true
  new:
    description: The value that all must use.
    type: str
    required: true
  old:
    description: The value that none may have. When empty, only replicas of the stack that read the secret are looked at.
    type: str
    default: ""
  key:
    description: Key of the fingerprints.
    type: str
    default: ""
extends_documentation_fragment:
  - morpheus.deploy.attributes.read_only
  - morpheus.deploy.engine.stacks
  - morpheus.deploy.stack
seealso:
  - module: morpheus.deploy.stack_secret
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Make sure that nobody uses the old key any more
  morpheus.deploy.stack_attestation:
    stack: morpheus
    names: [api.ML_API_KEY]
    new: "{{ new_key }}"
    old: "{{ old_key }}"
"""

RETURN = r"""
replicas:
  description: Every running replica of a service that reads the secret, and which value it uses.
  returned: always
  type: list
  elements: dict
  sample:
    - name: morpheus-api-7
      service: api
      secret: api.ML_API_KEY
      uses: new
      fingerprint: 788c86fb312e887acb0b3934c21b2ff3
"""

import secrets
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import engine
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.secrets import attestation as attest
from ansible_collections.morpheus.deploy.plugins.module_utils.secrets.fingerprints import VARIABLES
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def look(host: StackHost, names: list[str], values: attest.Values, key: str) -> tuple[list[attest.Attestation], list[str]]:
    live = host.releases.live()
    if not live:
        raise DeployError("no release is live on this host; deploy one first")
    stack, workspace = host.releases.read(live).stack, host.releases.workspace(live)
    model = host.model(stack, workspace)
    of_compose = [name for name in names if name.partition(".")[0] == VARIABLES]
    parts = attest.NONE
    if of_compose:
        parts = attest.composed(model, host.written(stack, workspace), of_compose, workspace.given())
    containers = [attest.container(details, host.stack) for details in host.engine.running()]
    return attest.attest(containers, attest.readers(model, names, values.new, parts), names, values, key, parts)


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    params = module.params
    about["replicas"] = []
    values = attest.Values(params["new"], params["old"])
    host = StackHost(params["stack"], engine.connect())
    found, problems = look(host, params["names"], values, params["key"] or secrets.token_hex(16))
    about["replicas"] = [one.as_dict() for one in found]
    if problems:
        raise DeployError(f"nothing was revoked: {'; '.join(problems)}. Replace or remove it, and run this again")
    return {"changed": False, **about}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "stack": {"type": "str", "required": True},
            "names": {"type": "list", "elements": "str", "required": True},
            "new": {"type": "str", "required": True, "no_log": True},
            "old": {"type": "str", "default": "", "no_log": True},
            "key": {"type": "str", "default": "", "no_log": True},
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
