#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: edge_challenges
short_description: Let a host's edge answer the challenges of an ACME authority
version_added: 0.1.0
description:
  - When it returns, plain HTTP for C(/.well-known/acme-challenge/<token>) of O(names) is answered with the token and
    O(thumbprint), for every token, by every worker of HAProxy and whenever it restarts. Nothing is reloaded.
  - Nobody gets a token from the authority but whoever holds the account's key, so the answer may be given for ever.
attributes:
  diff_mode:
    support: none
    description: There is nothing that a person could compare.
options:
  names:
    description: Host names, without wildcards.
    type: list
    elements: str
    required: true
  thumbprint:
    description: Thumbprint (RFC 7638) of the public key of the account, which is no secret.
    type: str
    required: true
  without_lease:
    description:
      - That it is meant to be done without a lease, as C(playbooks/certificates.yml) does. Without this, C(0) as O(token) is
        refused, except in check mode.
extends_documentation_fragment:
  - morpheus.deploy.attributes.edge
  - morpheus.deploy.attributes.switch
  - morpheus.deploy.token
  - morpheus.deploy.without_lease
seealso:
  - module: morpheus.deploy.acme_certificate
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Answer the authority's challenges
  morpheus.deploy.edge_challenges:
    names: [www.example.com]
    thumbprint: gv1I39XULGcUwLI5lkZjLhMQmWiFqTu5UR6yVgPMCDI
    without_lease: true
"""

RETURN = r"""
names:
  description: Those that were answered otherwise, or not at all.
  returned: success
  type: list
  elements: str
  sample: [www.example.com]
"""

from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import EDGE_ROOT
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.challenges import Challenges
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import leased
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    leased.require(module.params, check_mode=module.check_mode)
    thumbprint = module.params["thumbprint"]
    changed = []
    for name in module.params["names"]:
        one = Challenges(EdgePaths(EDGE_ROOT), name)
        before = one.look() if module.check_mode else one.switch(thumbprint)
        if any(found != thumbprint for found in before.values()):
            changed.append(name)
    return {"changed": bool(changed), "names": changed}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "thumbprint": {"type": "str", "required": True},
            "token": {"type": "int", "default": 0, "no_log": False},
            "without_lease": leased.WITHOUT_LEASE,
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
