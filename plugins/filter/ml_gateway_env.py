# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: ml_gateway_env
short_description: Make the ML gateway's configuration of an environment's endpoints and limits
version_added: 0.1.0
description:
  - Gives the variables of an env file of the gateway's stack, without the provider's key.
  - Gives none where C(ml) has problems, since a deploy names them, with all others, before it contacts a host.
positional: _input, environment
options:
  _input:
    description: The inventory's variable C(ml).
    type: dict
    required: true
extends_documentation_fragment:
  - morpheus.deploy.environment
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Make the configuration of the gateway
  ansible.builtin.set_fact:
    gateway_env: "{{ ml | morpheus.deploy.ml_gateway_env(stack_environment) }}"
"""

RETURN = r"""
_value:
  description: Variable -> value.
  type: dict
  sample: {ML_GATEWAY_CONFIG: '{"endpoints": {}, "environment": "staging", "limits": {}, "tier": "mock", "urls": {}}'}
"""

from collections.abc import Callable
from typing import Any


def ml_gateway_env(given: Any, environment: str) -> dict[str, str]:
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.ml import Ml

    return Ml(given, specifications.options("ml_gateway"), environment).env()


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"ml_gateway_env": ml_gateway_env}
