#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: edge_certificate_info
short_description: Read a certificate of a host's edge, without its key
version_added: 0.1.0
description:
  - What it says of itself is judged on the controller, because hosts need no library for it.
options:
  name:
    description: Name of the certificate, as the role C(edge) has given it. That of an ACME authority is V(acme).
    type: str
    default: acme
extends_documentation_fragment:
  - morpheus.deploy.attributes.edge
  - morpheus.deploy.attributes.read_only
seealso:
  - module: morpheus.deploy.edge_certificate
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Read the certificate of the edge
  morpheus.deploy.edge_certificate_info:
  register: read
"""

RETURN = r"""
certificate:
  description: The certificate and those that signed it, in PEM. Empty when the edge has none of this name.
  returned: success
  type: str
  sample: "-----BEGIN CERTIFICATE-----"
path:
  description: The file on the host, which holds its key, too.
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
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    found = EdgeCertificate(EdgePaths(EDGE_ROOT), module.params["name"])
    return {"changed": False, "certificate": found.chain(), "path": str(found.path)}


@in_words
def main() -> None:
    module = AnsibleModule(argument_spec={"name": {"type": "str", "default": "acme"}}, supports_check_mode=True)
    run_module(module, body)


if __name__ == "__main__":
    main()
