#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: begin
short_description: Refuse a run that could do nothing, or not say how it ended
version_added: 0.1.0
description:
  - The first task of every playbook of this collection. When it returns, the callback P(morpheus.deploy.verdict#callback)
    watches the run, the inventory has hosts in the group C(app), and C(--tags) and C(--skip-tags) leave out nothing that later
    steps need.
  - Otherwise it fails, and says what is wrong and how to mend it. Without the callback it also writes the file that the callback
    would have written, C(.deploy/<environment>/verdict.json), so that none of an earlier run is left there.
  - No host is contacted.
attributes:
  check_mode:
    support: full
    description: As without it.
  idempotent:
    support: full
    description: Nothing is changed.
options:
  playbook:
    description: Name of the playbook.
    type: str
    required: true
  tags:
    description: Tags that the playbook understands. With any other one there would be nothing to do.
    type: list
    elements: str
    default: []
  always_tag:
    description: The tag among O(tags) of what all other steps need, so that it must be chosen with any other.
    type: str
    default: ""
extends_documentation_fragment:
  - morpheus.deploy.attributes.controller
  - morpheus.deploy.attributes.unchanged
seealso:
  - plugin: morpheus.deploy.verdict
    plugin_type: callback
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: See that this run can do something, and say how it ended
  morpheus.deploy.begin:
    playbook: deploy
    tags: [preflight, identity]
    always_tag: preflight
  run_once: true
"""

RETURN = r"""
msg:
  description: What is wrong, and how to mend it.
  returned: failure
  type: str
  sample: "the inventory inventories/stagin has no host in group app; it holds no host at all, so its path may be wrong,
    or its content (Ansible's warnings above)"
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, on_the_controller, run_module


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "playbook": {"type": "str", "required": True},
            "tags": {"type": "list", "elements": "str", "default": []},
            "always_tag": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    run_module(module, on_the_controller("begin"))


if __name__ == "__main__":
    main()
