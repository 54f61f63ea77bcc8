# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: left_out
short_description: Say what hosts run that --limit leaves out
version_added: 0.1.0
description:
  - Reads what hosts answered that are not in the play, and were asked by M(morpheus.deploy.stack_info) in a loop with
    C(delegate_to). A host that could not be asked is part of the result.
positional: _input, balancers
options:
  _input:
    description: What the loop registered for each host, by host.
    type: dict
    required: true
  balancers:
    description: What M(morpheus.deploy.edge_upstream) returned on each balancer that was to keep off what cannot be reached.
    type: list
    elements: dict
    default: []
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Keep what they run for the verdict
  ansible.builtin.set_fact:
    fleet_left_out: "{{ {'app-1': info} | morpheus.deploy.left_out }}"
"""

RETURN = r"""
_value:
  description: Release, unfinished rollout and schema by host. C(problem) says why a host gave no answer.
  type: dict
  sample: {app-1: {release: 1.0.0, rolling: "", schema: {head: "0001", compatible_since: ""}, problem: ""}}
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.lease import fleet


def left_out(answers: Mapping[str, Mapping[str, Any]], balancers: Sequence[Mapping[str, Any]] = ()) -> dict[str, dict[str, Any]]:
    return fleet.left_out(answers, balancers)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"left_out": left_out}
