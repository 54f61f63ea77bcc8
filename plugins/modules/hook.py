#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: hook
short_description: Call a program on the controller and go on only when it ends well
version_added: 0.1.0
description:
  - The program reads O(facts) as one line of JSON. When it ends with another exit status than 0, or does not end within
    O(timeout_seconds), the task fails, with the last lines that it has said. Secrets of the vault are masked in them.
  - When its time is over, or the run is interrupted, it is killed with all that it has started.
  - C(playbooks/deploy.yml) calls the inventory's C(hooks.before_deploy) with it. The other hooks are called by the callback
    P(morpheus.deploy.verdict#callback), which knows how the run ended.
attributes:
  check_mode:
    support: full
    description: Nothing is called.
  diff_mode:
    support: none
    description: What a program does is not known.
  idempotent:
    support: none
    description: The program is called each time.
options:
  name:
    description: What messages call it.
    type: str
    required: true
  command:
    description: The program and its arguments. A relative path is that of the directory where the run was begun.
    type: list
    elements: str
    required: true
  timeout_seconds:
    description: How long it may take, in seconds, above 0.
    type: float
    default: 60.0
  facts:
    description: What it reads. O(name) is added as C(hook).
    type: dict
    default: {}
extends_documentation_fragment:
  - morpheus.deploy.attributes.controller
seealso:
  - plugin: morpheus.deploy.verdict
    plugin_type: callback
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Ask whether something may be deployed now
  morpheus.deploy.hook:
    name: before_deploy
    command: [./ci/calendar, --is-open]
    timeout_seconds: 10
    facts: {environment: production, release: 1.2.0}
  run_once: true
"""

RETURN = r"""
msg:
  description: Why the run does not go on.
  returned: failure
  type: str
  sample: "the hook before_deploy (./ci/calendar) ended with exit status 1; it said:\nno deploys before Monday"
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, on_the_controller, run_module


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "command": {"type": "list", "elements": "str", "required": True},
            "timeout_seconds": {"type": "float", "default": 60.0},
            "facts": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    run_module(module, on_the_controller("hook"))


if __name__ == "__main__":
    main()
