# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: acme_options
short_description: Check what an inventory says of certificates from an ACME authority
version_added: 0.1.0
description:
  - Says everything that is wrong with C(edge_acme) and the account's key at once, each with path, value and what to write, and
    contacts nobody. No value of the key is in what it says.
positional: _input, stacks, sites, account_key
options:
  _input:
    description: The variable C(edge_acme) of the inventory. Empty where no certificates are wanted.
    type: dict
    required: true
  stacks:
    description: Every stack of the environment, as C(stack) or C(stacks) has it. Their routes say which names are served.
    type: list
    elements: dict
    default: []
  sites:
    description: Names of C(edge_certificate_paths), which have certificates already.
    type: list
    elements: str
    default: []
  account_key:
    description: The private key of the account, in PEM.
    type: str
    default: ""
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Check the options of the certificates
  ansible.builtin.set_fact:
    options: "{{ edge_acme | morpheus.deploy.acme_options([stack], [], vault_acme_account_key) }}"
"""

RETURN = r"""
_value:
  description: The problems, else the options with defaults. C(names) is empty where no certificates are wanted.
  type: dict
  sample:
    problems: []
    names: [www.example.com]
    email: ops@example.com
    directory: https://acme-v02.api.letsencrypt.org/directory
    challenge: http-01
    dns_hook: []
    renew_days: 30
    ca_path: ""
    thumbprint: gv1I39XULGcUwLI5lkZjLhMQmWiFqTu5UR6yVgPMCDI
"""

from collections.abc import Callable, Sequence
from typing import Any


def acme_options(
    given: Any, stacks: Sequence[Any] | None = None, sites: Sequence[str] | None = None, account_key: Any = None
) -> dict[str, Any]:
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.acme.options import Acme, route_hosts
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications

    acme = Acme(given, specifications.options("edge"), route_hosts(stacks or []), sites or [], account_key)
    return {"problems": acme.problems, **acme.told()}


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"acme_options": acme_options}
