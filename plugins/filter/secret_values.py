# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: secret_values
short_description: Name every secret as an inventory refers to it
version_added: 0.8.0
description:
  - Names are C(<env file>.<variable>) and C(files.<name>), as C(stack.database.secret) has one.
positional: _input, variables, files
options:
  _input:
    description: C(stack_secrets).
    type: dict
    required: true
  variables:
    description: C(stack_secret_variables).
    type: dict
    default: {}
  files:
    description: C(stack_secret_files).
    type: dict
    default: {}
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Say which secrets there are
  ansible.builtin.debug:
    msg: "{{ stack_secrets | morpheus.deploy.secret_values(stack_secret_variables, stack_secret_files) | list }}"
"""

RETURN = r"""
_value:
  description: Name of the secret to its value.
  type: dict
  sample: {api.DATABASE_URL: "..."}
"""

from collections.abc import Callable, Mapping
from typing import Any


def secret_values(
    secrets: Mapping[str, Any], variables: Mapping[str, Any] | None = None, files: Mapping[str, Any] | None = None
) -> dict[str, str]:
    from ansible_collections.morpheus.deploy.plugins.module_utils.secrets import fingerprints

    return fingerprints.by_name({**secrets, **({fingerprints.VARIABLES: variables} if variables else {})}, files or {})


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"secret_values": secret_values}
