#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: acme_certificate
short_description: Get a certificate from an ACME authority, on the controller
version_added: 0.1.0
description:
  - Makes a key and has the authority sign it for O(names). When it returns RV(content), the certificate is valid and on no host
    yet; nothing is written on the controller either.
  - It does not fail. What the authority, or the way to it, refuses is returned as RV(problem), so that the certificate that hosts
    have goes on serving.
  - The protocol is spoken by the modules C(acme_*) of the collection C(community.crypto), 2.24 or newer.
  - Beforehand, hosts must answer the authority's challenges, see M(morpheus.deploy.edge_challenges). With V(dns-01) that is the
    program's business.
attributes:
  check_mode:
    support: full
    description: Contacts nobody.
  idempotent:
    support: none
    description: Each call gets another certificate. P(morpheus.deploy.certificate_state#filter) says whether one is due.
options:
  directory:
    description: URL of the authority's directory.
    type: str
    required: true
  email:
    description: Where the authority may write to.
    type: str
    required: true
  account_key:
    description: The account's private key, in PEM. The account is made with the first order.
    type: str
    required: true
  names:
    description: Host names for which the certificate is to be; those of V(dns-01) may begin with C(*.).
    type: list
    elements: str
    required: true
  challenge:
    description: By what the authority sees that the names are the environment's.
    type: str
    choices: [http-01, dns-01]
    default: http-01
  dns_hook:
    description:
      - For V(dns-01), a program with its arguments. It reads one line of JSON, C(action) (C(present) or C(remove)),
        C(environment), C(record) and C(value), and ends with 0 when the TXT record is there, or gone, for everybody.
    type: list
    elements: str
    default: []
  environment:
    description: The environment, for O(dns_hook).
    type: str
    required: true
  ca_path:
    description: PEM file with the authority that signed the directory's own certificate, where it is no public one.
    type: path
    default: ""
extends_documentation_fragment:
  - morpheus.deploy.attributes.controller
  - morpheus.deploy.attributes.secret
seealso:
  - module: morpheus.deploy.edge_certificate
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Get a certificate
  morpheus.deploy.acme_certificate:
    directory: https://acme-v02.api.letsencrypt.org/directory
    email: ops@example.com
    account_key: "{{ vault_acme_account_key }}"
    names: [www.example.com]
    environment: staging
  delegate_to: localhost
  register: issued
  no_log: true
"""

RETURN = r"""
content:
  description: Certificate, chain and private key in PEM. Empty when there is none.
  returned: success
  type: str
  sample: "-----BEGIN CERTIFICATE-----"
ends:
  description: The day on which it ends.
  returned: success
  type: str
  sample: "2026-12-31"
problem:
  description: Why there is none, empty when there is one.
  returned: success
  type: str
  sample: "the authority could not be reached: Connection refused"
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, on_the_controller, run_module


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "str", "required": True},
            "email": {"type": "str", "required": True},
            "account_key": {"type": "str", "required": True, "no_log": True},
            "names": {"type": "list", "elements": "str", "required": True},
            "challenge": {"type": "str", "choices": ["http-01", "dns-01"], "default": "http-01"},
            "dns_hook": {"type": "list", "elements": "str", "default": []},
            "environment": {"type": "str", "required": True},
            "ca_path": {"type": "path", "default": ""},
        },
        supports_check_mode=True,
    )
    run_module(module, on_the_controller("acme_certificate"))


if __name__ == "__main__":
    main()
