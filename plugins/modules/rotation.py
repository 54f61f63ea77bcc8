#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: rotation
short_description: Take the rotation of a secret one step further, in the vault on the controller
version_added: 0.1.0
description:
  - The controller's part of C(playbooks/rotate_secrets.yml), which calls the states in their order. No host is contacted.
  - The new value is in the vault before anybody is given it. Where a rotation stands is written into the same file by the same
    write, so a run that was killed is finished by the same command.
  - The vault is decrypted in memory only. One variable and one line are changed; comments and order stay.
  - No message holds a value, and none is returned.
attributes:
  check_mode:
    support: full
    description: Writes, makes and revokes nothing.
  idempotent:
    support: full
    description: A state that is reached already is left as it is.
options:
  name:
    description: Which item of O(rotations) is rotated.
    type: str
    required: true
  rotations:
    description: C(stack_rotation) of the inventory, as the role C(preflight) describes it.
    type: list
    elements: dict
    required: true
  secrets:
    description: C(stack_secrets) of the inventory.
    type: dict
    default: {}
  secret_files:
    description: C(stack_secret_files) of the inventory.
    type: dict
    default: {}
  registries:
    description: C(stack_registries) of the inventory.
    type: list
    elements: dict
    default: []
  vault:
    description: The encrypted file on the controller.
    type: path
    required: true
  environment:
    description: The environment.
    type: str
    required: true
  fingerprints:
    description: File of the environment's fingerprints. The secret's own are brought up to date in it.
    type: path
  fingerprint_key:
    description: Key of the fingerprints.
    type: str
  other_fingerprints:
    description: C(stack_other_fingerprints) of the inventory.
    type: list
    elements: path
  shared_secrets:
    description: C(stack_shared_secrets) of the inventory.
    type: list
    elements: str
    default: []
  state:
    description:
      - V(described) looks whether inventory and vault describe the rotation, and needs no lease. What the vault says of its state
        may be another run's work, so it is left aside.
      - V(planned) checks everything and says what is left to do. V(begun) makes the new value and keeps it. V(switched) makes it
        the value that hosts are given. V(waiting) leaves the rest to a person. V(revoked) calls the provider's program.
        V(ended) forgets the old value.
      - V(cancelled) turns a rotation around. The old value becomes the one to keep, and the same steps lead back to it.
    type: str
    choices: [described, planned, begun, switched, waiting, revoked, cancelled, ended]
    default: planned
  without_lease:
    description:
      - That it is meant to be done without a lease. Without this, what writes is refused when O(token) is C(0), except in check
        mode.
extends_documentation_fragment:
  - morpheus.deploy.attributes.controller
  - morpheus.deploy.attributes.secret
  - morpheus.deploy.token
  - morpheus.deploy.without_lease
seealso:
  - module: morpheus.deploy.postgres_login
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: See what is left to do
  morpheus.deploy.rotation:
    name: database
    rotations: "{{ stack_rotation }}"
    secrets: "{{ stack_secrets }}"
    vault: "{{ stack_vault }}"
    environment: "{{ stack_environment }}"
  run_once: true
  register: rotation_plan
"""

RETURN = r"""
rotation:
  description: With O(state=planned), the steps that are left and what the playbook needs to take them. Otherwise the name.
  returned: success
  type: dict
  sample:
    name: database
    provider: postgres_role_pair
    phase: rolling
    steps: [switch, spread, roll, attest, revoke, prove, record]
    old: app_a
state:
  description: What O(state) says.
  returned: success
  type: str
  sample: planned
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import leased
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, on_the_controller, run_module


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "rotations": {"type": "list", "elements": "dict", "required": True, "no_log": True},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "secret_files": {"type": "dict", "default": {}, "no_log": True},
            "registries": {"type": "list", "elements": "dict", "default": [], "no_log": True},
            "vault": {"type": "path", "required": True},
            "environment": {"type": "str", "required": True},
            "fingerprints": {"type": "path"},
            "fingerprint_key": {"type": "str", "no_log": True},
            "other_fingerprints": {"type": "list", "elements": "path"},
            "shared_secrets": {"type": "list", "elements": "str", "default": [], "no_log": True},
            "state": {
                "type": "str",
                "choices": ["described", "planned", "begun", "switched", "waiting", "revoked", "cancelled", "ended"],
                "default": "planned",
            },
            "token": {"type": "int", "default": 0, "no_log": False},
            "without_lease": leased.WITHOUT_LEASE,
        },
        supports_check_mode=True,
    )
    run_module(module, on_the_controller("rotation"))


if __name__ == "__main__":
    main()
