# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: edge_options
short_description: Check ports, trusted proxies and upstreams of an edge
version_added: 0.1.0
description:
  - Says everything that is wrong with them at once, each with path, value and what to write, and contacts nobody.
positional: _input, ports
options:
  _input:
    description: The variables of the role C(morpheus.deploy.edge) as one mapping. Missing ones count as not set.
    type: dict
    required: true
  ports:
    description: C(edge_https_port) of hosts of the inventory, by name, for upstreams that say no port.
    type: dict
    default: {}
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Check the options of the edge
  ansible.builtin.debug:
    msg: "{{ {'edge_http_port': 80, 'edge_https_port': 8443} | morpheus.deploy.edge_options }}"
"""

RETURN = r"""
_value:
  description: The problems, and the options as templates need them.
  type: dict
  sample:
    problems: []
    trusted: [10.0.0.5, 192.0.2.0/24]
    upstreams: [{name: app-1, address: 10.0.0.11, port: 8443}]
    public_https_port: 443
    proxy_headers: ^(forwarded|x[-_]real[-_]ip)$
"""

from collections.abc import Callable, Mapping
from typing import Any


def edge_options(variables: Mapping[str, Any], ports: Mapping[str, Any] | None = None) -> dict[str, Any]:
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.edge_options import checked

    return checked(variables, specifications.options("edge"), ports or {})


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"edge_options": edge_options}
