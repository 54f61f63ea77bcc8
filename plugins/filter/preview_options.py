# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: preview_options
short_description: Check what is asked of a preview
version_added: 0.1.0
description:
  - Says everything that is wrong with it at once, each with path, value and what to write, and contacts nobody. No value of the
    token is in what it says.
positional: _input, environment, stack
options:
  _input:
    description: The variables of the role C(preview) as one mapping. Empty ones count as left out.
    type: dict
    required: true
  stack:
    description: C(stack) of the inventory, which is named after the preview.
    type: dict
    default: {}
extends_documentation_fragment:
  - morpheus.deploy.environment
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Check what is asked of the preview
  ansible.builtin.set_fact:
    asked: "{{ {'preview_name': 'pr-12'} | morpheus.deploy.preview_options('preview', stack) }}"
"""

RETURN = r"""
_value:
  description: The problems, else C(stack), the name of its stack and branch, and C(url), where it is served.
  type: dict
  sample: {problems: [], stack: preview-pr-12, url: https://pr-12.preview.example.com}
"""

from collections.abc import Callable, Mapping
from typing import Any


def preview_options(given: Mapping[str, Any], environment: str, stack: Mapping[str, Any] | None = None) -> dict[str, Any]:
    # Loaded when it is needed: Ansible loads every filter of the collection at the start of each run.
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import preview, specifications

    asked = preview.Asked(given, specifications.options("preview"), environment, stack or {})
    return {"problems": asked.problems, **asked.told()}


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"preview_options": preview_options}
