# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: encrypted_file_problem
short_description: Say why a vault must not or cannot be opened
version_added: 0.1.0
description:
  - Without O(error), looks at the file from outside. It must exist, be wholly encrypted and carry the environment's name as its
    vault id, or it is not the vault of this environment.
  - With O(error), says what to do about a vault that did not open. Nothing of the error's own text is repeated, because it may
    quote what the file holds.
positional: _input, environment, error
options:
  _input:
    description: Path of the vault.
    type: path
    required: true
  environment:
    description: Name of the environment, which its vault carries as vault id.
    type: str
    required: true
  error:
    description: What M(ansible.builtin.include_vars) said when it could not read the file.
    type: str
    default: ""
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Refuse the vault of another environment
  ansible.builtin.assert:
    that: stack_vault | morpheus.deploy.encrypted_file_problem(stack_environment) == ''
    fail_msg: "{{ stack_vault | morpheus.deploy.encrypted_file_problem(stack_environment) }}"
"""

RETURN = r"""
_value:
  description: A sentence, empty when there is no problem.
  type: str
  sample: 'stack_vault: "group_vars/vault.yml" has the vault id "production", and this inventory is that of "staging"'
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.encrypted import header as encrypted_header


def encrypted_file_problem(path: str, environment: str, error: str = "") -> str:
    if error:
        return encrypted_header.cannot_open(path, environment, error)
    try:
        text = Path(path).read_bytes().decode("utf-8", "replace")
    except OSError as exc:
        return encrypted_header.unreadable(path, environment, exc.strerror or "")
    return encrypted_header.problem(path, text, environment)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"encrypted_file_problem": encrypted_file_problem}
