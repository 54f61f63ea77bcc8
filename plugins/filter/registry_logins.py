# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: registry_logins
short_description: Logins of registries as the module stack_release takes them
version_added: 0.1.0
description:
  - Each login becomes one text in base64, so that Ansible does not mask a short password wherever it occurs by chance.
positional: _input
options:
  _input:
    description: C(stack_registries), which the preflight has checked.
    type: list
    elements: dict
    required: true
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Prepare the release
  morpheus.deploy.stack_release:
    release: "{{ preflight_config.release }}"
    environment: "{{ preflight_config.environment }}"
    stack: "{{ preflight_config.stack }}"
    files: "{{ preflight_config.files }}"
    registries: "{{ stack_registries | morpheus.deploy.registry_logins }}"
    token: "{{ lease_taken.token }}"
"""

RETURN = r"""
_value:
  description: Server to its login. Holds secrets.
  type: dict
  sample: {ghcr.io: eyJ1c2VybmFtZSI6ICIuLi4ifQ==}
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.engine import registries


def registry_logins(given: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    keys = ("username", "password", "token")
    parts = {registries.canonical(str(one["server"])): [str(one.get(key) or "") for key in keys] for one in given}
    return {server: registries.packed(*login) for server, login in parts.items()}


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"registry_logins": registry_logins}
