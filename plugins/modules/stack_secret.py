#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: stack_secret
short_description: Give a secret of a stack another value on a host
version_added: 0.1.0
description:
  - When the module returns, the host's secret files hold the value. No container is touched, and no other secret and no release
    changes. What runs goes on with the value that it was started with, until M(morpheus.deploy.stack_rollout) replaces it.
  - On failure nothing has been written.
attributes:
  check_mode:
    support: full
    description: Says whether something would change, and writes nothing.
  idempotent:
    support: full
    description: Files that hold the value are left as they are.
options:
  names:
    description: Names of the secrets that get the value, C(<env file>.<variable>) or C(files.<name>). They must be there.
    type: list
    elements: str
    required: true
  value:
    description: The value.
    type: str
    required: true
  token:
    description:
      - Fencing token of the environment's lease, from M(morpheus.deploy.lease). A run that comes with an older one than this
        host has seen is refused. C(0) is a run without a lease.
extends_documentation_fragment:
  - morpheus.deploy.attributes.secret
  - morpheus.deploy.engine.stacks
  - morpheus.deploy.stack
  - morpheus.deploy.token.fenced
  - morpheus.deploy.run
  - morpheus.deploy.without_lease
seealso:
  - module: morpheus.deploy.stack_rollout
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Write the new key
  morpheus.deploy.stack_secret:
    stack: morpheus
    names: [api.ML_API_KEY]
    value: "{{ new_key }}"
    token: "{{ lease_taken.token }}"
    run: "{{ lease_taken.run }}"
"""

RETURN = r"""
files:
  description: Names of the secret files that were changed, or would be.
  returned: success
  type: list
  elements: str
  sample: [api.env]
"""

from collections.abc import Sequence
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import engine
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.host.lock import alone
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import leased
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def give(releases: Releases, names: Sequence[str], value: str, *, check_mode: bool) -> list[str]:
    """Names of the files that changed."""
    changed = releases.changed_by(names, value)
    if not check_mode:
        for name, content in changed.items():
            releases.rewrite_secret(name, content)
    return sorted(changed)


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    params = module.params
    leased.require(params, check_mode=module.check_mode)
    host = StackHost(params["stack"], engine.connect())
    if module.check_mode:
        files = give(host.releases, params["names"], params["value"], check_mode=True)
    else:
        with alone(host, params["token"], params["run"]):
            files = give(host.releases, params["names"], params["value"], check_mode=False)
    return {"changed": bool(files), "files": files}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "stack": {"type": "str", "required": True},
            "names": {"type": "list", "elements": "str", "required": True},
            "value": {"type": "str", "required": True, "no_log": True},
            "token": {"type": "int", "default": 0, "no_log": False},
            "run": {"type": "str", "default": ""},
            "without_lease": leased.WITHOUT_LEASE,
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
