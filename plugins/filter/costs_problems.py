# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: costs_problems
short_description: Say what is wrong with what an environment declares of its costs
version_added: 0.1.0
description:
  - Checks shape (by the argument specification of the role C(morpheus.deploy.ml_gateway)) and meaning, and reports all
    problems at once. A deploy reports the same ones with all others.
positional: _input
options:
  _input:
    description: The inventory's variable C(costs). Nothing is wrong where there is none.
    type: dict
    required: true
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Refuse what is wrong with the costs
  ansible.builtin.assert:
    that: costs | morpheus.deploy.costs_problems == []
"""

RETURN = r"""
_value:
  description: Each problem with its path.
  type: list
  elements: str
  sample: ['costs.supabase[0].kind: "db" is not one of project, branch']
"""

from collections.abc import Callable
from typing import Any


def costs_problems(given: Any) -> list[str]:
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.costs import Costs

    return Costs(given, specifications.options("ml_gateway")).problems


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"costs_problems": costs_problems}
