#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: compose_inspect
short_description: Say what a Compose file needs to be deployed
version_added: 0.1.0
description:
  - Reads a Compose file that C(docker compose up) runs, and says what a deploy accepts, what it adds, and what must be written,
    with the lines to copy. The checks of a deploy judge the lines. C(playbooks/inspect.yml) calls it.
  - With O(write) it writes a first environment with these lines, as M(morpheus.deploy.new_environment) does, and an override
    beside the Compose file. Nothing that is there is overwritten.
  - No host is contacted, and no inventory is needed.
attributes:
  check_mode:
    support: full
    description: Looks as always, and names the files that O(write) would make.
  diff_mode:
    support: none
    description: A password of a vault is among the files.
  idempotent:
    support: full
    description: What was written stays as it is.
options:
  compose:
    description: The Compose file; or several, separated by commas, that Compose merges in this order.
    type: str
    default: ""
  write:
    description: C(inventories/<name>) in the current directory. Left out, nothing is written.
    type: str
    default: ""
  hosts:
    description: For O(write), the machines, as M(morpheus.deploy.new_environment) takes them.
    type: list
    elements: str
    default: []
  user:
    description: For O(write), the login of O(hosts).
    type: str
    default: ""
  site:
    description: Host name of the routes. Several services get a name below it each.
    type: str
    default: ""
  service:
    description:
      - The one service that users reach. Left out, all that publish a port that a browser may ask, or that a proxy is told of.
    type: str
    default: ""
  port:
    description: Where O(service) listens, when the Compose file leaves a doubt.
    type: str
    default: ""
  env:
    description:
      - The env file from which Compose takes its variables now, read once. Left out, the C(.env) beside the Compose file.
      - Plain values become C(stack.variables). What is a secret by its name or by its value is named for the vault
        (C(stack_secret_variables)), and its value is neither printed nor, without O(import_secrets), written.
    type: str
    default: ""
  import_secrets:
    description:
      - For O(write), the secrets of O(env) and of other env files that services read come into the new vault, encrypted. Those of
        another environment are refused by the next deploy, so import the env file of this one.
      - A vault that is there already stays as it is, and so does the env file.
    type: bool
    default: false
  health:
    description: What the gate asks of each service. Left out, what its own health check asks, or C(/).
    type: str
    default: ""
extends_documentation_fragment:
  - morpheus.deploy.attributes.controller
seealso:
  - module: morpheus.deploy.new_environment
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: See what it needs
  morpheus.deploy.compose_inspect:
    compose: compose.yml
"""

RETURN = r"""
rows:
  description: What there is to know, a person's part first.
  returned: success
  type: list
  elements: dict
  sample: [{place: services.web.ports, how: changed, said: requests come through the edge}]
override:
  description: Text of a Compose file beside the first one.
  returned: success
  type: str
  sample: "services: {web: {ports: !reset []}}"
inventory:
  description: Lines of the inventory.
  returned: success
  type: str
  sample: "stack: {name: shop}"
problems:
  description: What the checks of a deploy still refuse with these lines.
  returned: success
  type: list
  elements: str
  sample: []
written:
  description: Files that were written.
  returned: success
  type: list
  elements: str
  sample: [inventories/staging/hosts.yml]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, on_the_controller, run_module

OPTIONS = {
    "compose": {"type": "str", "default": ""},
    "write": {"type": "str", "default": ""},
    "hosts": {"type": "list", "elements": "str", "default": []},
    "user": {"type": "str", "default": ""},
    "site": {"type": "str", "default": ""},
    "service": {"type": "str", "default": ""},
    "port": {"type": "str", "default": ""},
    "health": {"type": "str", "default": ""},
    "env": {"type": "str", "default": ""},
    "import_secrets": {"type": "bool", "default": False, "no_log": False},
}


@in_words
def main() -> None:
    run_module(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True), on_the_controller("compose_inspect"))


if __name__ == "__main__":
    main()
