# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: stack_configs
short_description: Check the configuration of several stacks of an environment
version_added: 0.1.0
description:
  - Checks each stack as P(morpheus.deploy.stack_config#filter) checks a single one, and reports the problems of all at once, each
    with its path below C(stacks).
positional: _input, stacks, names, hosts
options:
  _input:
    description: What stacks have in common, the variables that P(morpheus.deploy.stack_config#filter) takes.
    type: dict
    required: true
  stacks:
    description: The stacks by name, as the inventory has them in C(stacks).
    type: dict
    required: true
  names:
    description: Those that are checked, in this order. Nothing of any other one is read.
    type: list
    elements: str
    required: true
  hosts:
    default: {}
extends_documentation_fragment:
  - morpheus.deploy.several_stacks
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Check the configuration of every stack
  ansible.builtin.set_fact:
    result: "{{ {'stack_environment': 'staging', 'stack_groups': groups} | morpheus.deploy.stack_configs(stacks, ['web']) }}"
"""

RETURN = r"""
_value:
  description: C(problems) and C(notes) as P(morpheus.deploy.stack_config#filter) has them, of all stacks, and what is released.
  type: dict
  sample:
    problems: ["stacks.web.services[0].port: required"]
    notes: []
    releases: gateway 2.0.0, web 1.1.0
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def stack_configs(
    common: Mapping[str, Any],
    stacks: Mapping[str, Any],
    names: Sequence[str],
    hosts: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    from ansible_collections.morpheus.deploy.plugins.filter.costs_problems import costs_problems
    from ansible_collections.morpheus.deploy.plugins.filter.ml_problems import ml_problems
    from ansible_collections.morpheus.deploy.plugins.module_utils.health import gate
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.acme import options as acme
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.check import StackConfig
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.no_jmespath import NO_JMESPATH
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.notify.channels import told
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.preflight import finding as preflight
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.stacks import described

    if gate.import_error:
        return {"problems": [NO_JMESPATH], "notes": []}
    options = specifications.options("preflight")
    problems, notes, releases = [], [], []
    for name in names:
        raw = described.as_single(name, stacks[name], common, (hosts or {}).get(name))
        missing = described.missing_source(name, raw)
        checked = StackConfig(raw, options)
        found = [missing] if missing else [described.renamed(name, problem) for problem in checked.problems]
        problems += found
        notes += [described.renamed(name, note) for note in checked.notes]
        releases.append(f"{name} {checked.release}")
    problems += acme.problems(common, list(stacks.values()), lambda: specifications.options("edge"))
    # Whom they tell is the same for every stack, and said once.
    people = told(common.get("notifications"), common.get("hooks"), options).problems
    problems = [*[problem for problem in problems if not problem.endswith(tuple(people))], *people]
    problems += preflight.limits(common, options)[1]
    problems += [*ml_problems(common.get("ml")), *costs_problems(common.get("costs")), *(common.get("monitoring_problems") or [])]
    return {"problems": list(dict.fromkeys(problems)), "notes": notes, "releases": ", ".join(releases)}


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"stack_configs": stack_configs}
