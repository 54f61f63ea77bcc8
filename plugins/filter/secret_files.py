# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: secret_files
short_description: Name every env file of secrets that a stack has
version_added: 0.1.0
description:
  - The env files of the services, and the one with the variables that the Compose files may use, which is called C(variables).
positional: _input, variables
options:
  _input:
    description: What C(stack_secrets) holds, as name of the file to its variables.
    type: dict
    required: true
  variables:
    description: What C(stack_secret_variables) holds. Without any there is no such file.
    type: dict
    required: true
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Say which env files there are
  ansible.builtin.debug:
    msg: "{{ stack_secrets | morpheus.deploy.secret_files(stack_secret_variables) | list }}"
"""

RETURN = r"""
_value:
  description: Name of the file to its variables.
  type: dict
  sample: {"api": {"DATABASE_URL": "..."}, "variables": {"SENTRY_DSN": "..."}}
"""

from collections.abc import Callable, Mapping
from typing import Any


def secret_files(secrets: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
    return {**secrets, **({"variables": variables} if variables else {})}


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"secret_files": secret_files}
