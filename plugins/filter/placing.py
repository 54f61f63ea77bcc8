# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: placing
short_description: Say whether balancers have to be told which hosts have which routes of a stack, and what speaks against it
version_added: 0.1.0
description:
  - They have to where a service with routes does not run on every host, or did not until now.
positional: _input, left_out, balancers, stack, fleet, several
options:
  _input:
    description: The routes of each host of the run, as M(morpheus.deploy.stack_release) returned them, by host.
    type: dict
    required: true
  left_out:
    description: What M(morpheus.deploy.stack_info) returned of hosts that stay as they are, by host.
    type: dict
    required: true
  balancers:
    description: What M(morpheus.deploy.edge_upstream_info) returned, by balancer.
    type: dict
    required: true
  stack:
    description: Name of the stack.
    type: str
    required: true
  fleet:
    description: All hosts that run the stack.
    type: list
    elements: str
    required: true
  several:
    description: Whether the environment has several stacks.
    type: bool
    default: false
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: See whether the balancer has to be told anything
  ansible.builtin.debug:
    msg: "{{ {'app-1': stack_prepared.routes} | morpheus.deploy.placing({}, {'lb-1': asked}, 'shop', groups['app']) }}"
"""

RETURN = r"""
_value:
  description: For the filter P(morpheus.deploy.placed_routes#filter). C(tells) says whether it is needed, C(problems) why not.
  type: dict
  sample:
    tells: true
    lasting: true
    now: {app-1: [shop.example/], app-2: [shop.example/]}
    wanted: {app-1: [shop.example/], app-2: [shop.example/, shop.example/reports/]}
    guarded: []
    problems: []
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

Results = Mapping[str, Mapping[str, Any]]


def placing(
    hosts: Results, left_out: Results, balancers: Results, stack: str, fleet: Iterable[str], several: bool = False
) -> dict[str, Any]:
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.placed_routes import decide

    return asdict(decide(hosts, left_out, balancers, stack, fleet, several=bool(several)))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"placing": placing}
