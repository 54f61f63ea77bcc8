#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: new_environment
short_description: Write the files of a new environment
version_added: 0.1.0
description:
  - Writes an inventory, an encrypted vault with a password of its own, its fingerprints and what C(ansible.cfg) must say, into
    the current directory. C(playbooks/new_environment.yml) calls it.
  - Nothing that is there is overwritten. What is missing is written; C(ansible.cfg), C(.gitignore) and the
    C(preflight_environments) of other environments get a line more.
  - What nobody has said is read from the Compose file where that leaves no doubt, and else left empty, so that a deploy refuses
    it with its path.
  - No host is contacted.
attributes:
  check_mode:
    support: full
    description: Says what would be written.
  diff_mode:
    support: none
    description: The files hold secrets.
  idempotent:
    support: full
    description: A second run writes what is missing, and nothing when nothing is.
options:
  name:
    description: Name of the environment. Lower-case letters, digits and C(-).
    type: str
    default: ""
  hosts:
    description: Its hosts, addresses or names that SSH knows.
    type: list
    elements: str
    default: []
  user:
    description: Who logs in there. Left out, the SSH configuration says it.
    type: str
    default: ""
  site:
    description: Name under which users reach it. Left out, requests of any name are served.
    type: str
    default: ""
  compose:
    description: The Compose file. Left out, that of the current directory. C(compose.<name>.yml) beside it counts, too.
    type: str
    default: ""
  service:
    description: The service that users reach. Left out, the only one that the Compose file gives a port or an HTTP health check.
    type: str
    default: ""
  port:
    description: Its port inside the container. Left out, the one that the Compose file says.
    type: str
    default: ""
  health:
    description: Path that answers 200 when it is well. Left out, the one that the Compose file's health check asks.
    type: str
    default: ""
extends_documentation_fragment:
  - morpheus.deploy.attributes.controller
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Write a new environment
  morpheus.deploy.new_environment:
    name: staging
    hosts: [10.0.0.1, 10.0.0.2]
    site: staging.example.com
"""

RETURN = r"""
written:
  description: Files that were written or added to.
  returned: success
  type: list
  elements: str
  sample: [inventories/staging/hosts.yml]
left:
  description: Files that were there and stay as they were.
  returned: success
  type: list
  elements: str
  sample: [ansible.cfg]
open:
  description: What a person must fill in.
  returned: success
  type: list
  elements: str
  sample: ["inventories/staging/group_vars/all/stack.yml: stack.services[0].port"]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, on_the_controller, run_module

OPTIONS = {
    "name": {"type": "str", "default": ""},
    "hosts": {"type": "list", "elements": "str", "default": []},
    "user": {"type": "str", "default": ""},
    "site": {"type": "str", "default": ""},
    "compose": {"type": "str", "default": ""},
    "service": {"type": "str", "default": ""},
    "port": {"type": "str", "default": ""},
    "health": {"type": "str", "default": ""},
}


@in_words
def main() -> None:
    run_module(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True), on_the_controller("new_environment"))


if __name__ == "__main__":
    main()
