# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: supabase_options
short_description: Check what an inventory declares of its Supabase project
version_added: 0.1.0
description:
  - Says everything that is wrong with it at once, each with path, value and what to write, and contacts nobody. No value of a
    token is in what it says.
positional: _input, stacks
options:
  _input:
    description: C(supabase_project), C(supabase_buckets) and C(supabase_others) as one mapping. Empty ones count as left out.
    type: dict
    required: true
  stacks:
    description: Every stack of the environment. The project of its database must be the same.
    type: list
    elements: dict
    default: []
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Check what is declared of the project
  ansible.builtin.set_fact:
    options: "{{ {'supabase_project': supabase_project} | morpheus.deploy.supabase_options([stack]) }}"
"""

RETURN = r"""
_value:
  description: The problems, else what modules are asked for. C(own) is missing where no project is declared.
  type: dict
  sample:
    problems: []
    settings: {auth: {site_url: https://staging.example.com}}
    own: {name: "", project_ref: abcdefghijklmnopqrst, url: https://abcdefghijklmnopqrst.supabase.co, databases: []}
    others: []
    buckets: []
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def supabase_options(given: Mapping[str, Any], stacks: Sequence[Any] | None = None) -> dict[str, Any]:
    # Loaded when it is needed: Ansible loads every filter of the collection at the start of each run.
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.supabase_api.declared import Declared

    declared = Declared(given, specifications.options("supabase"), stacks or [])
    return {"problems": declared.problems, **declared.told()}


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"supabase_options": supabase_options}
