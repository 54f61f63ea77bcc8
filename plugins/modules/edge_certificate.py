#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: edge_certificate
short_description: Let a host's edge serve another certificate without cutting a connection
version_added: 0.1.0
description:
  - When it returns, new connections get the certificate, and it stays, whether HAProxy reloads or restarts.
  - Nothing is reloaded. Connections that are open go on with the one that they began with, tunnels included.
  - A certificate that HAProxy does not take, such as one with another key, leaves the one before in place.
attributes:
  check_mode:
    support: full
    description: Looks whether it is another one.
  idempotent:
    support: full
    description: HAProxy is told nothing where its file is as wanted already.
options:
  name:
    description: Which certificate of the edge is replaced. The role C(edge) has made room for it.
    type: str
    default: acme
  content:
    description: Certificate, chain and private key in PEM, in that order.
    type: str
    required: true
  without_lease:
    description:
      - That it is meant to be done without a lease, as C(playbooks/certificates.yml) does, because a deploy may go on meanwhile.
        Without this, C(0) as O(token) is refused, except in check mode.
extends_documentation_fragment:
  - morpheus.deploy.attributes.edge
  - morpheus.deploy.attributes.secret
  - morpheus.deploy.token
  - morpheus.deploy.without_lease
seealso:
  - module: morpheus.deploy.edge_certificate_info
  - module: morpheus.deploy.acme_certificate
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Let the edge serve the certificate that was issued
  morpheus.deploy.edge_certificate:
    content: "{{ issued.content }}"
    without_lease: true
"""

RETURN = r"""
path:
  description: The file on the host.
  returned: success
  type: str
  sample: /var/lib/morpheus.deploy/edge/conf/certs/acme.pem
"""

from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import EDGE_ROOT
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.certificate import EdgeCertificate
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import leased
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    leased.require(module.params, check_mode=module.check_mode)
    found = EdgeCertificate(EdgePaths(EDGE_ROOT), module.params["name"])
    content = module.params["content"]
    changed = found.differs(content) if module.check_mode else found.serve(content)
    return {"changed": changed, "path": str(found.path)}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "default": "acme"},
            "content": {"type": "str", "required": True, "no_log": True},
            "token": {"type": "int", "default": 0, "no_log": False},
            "without_lease": leased.WITHOUT_LEASE,
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
