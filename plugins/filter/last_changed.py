# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: last_changed
short_description: Say which of several stacks the last run gave another release
version_added: 0.1.0
description:
  - A rollback that names no stack takes these back. When the last run was killed, and so has said nothing, none is chosen.
positional: _input, names
options:
  _input:
    description: What M(morpheus.deploy.lease) returned with C(state=read), of each host that keeps the lease.
    type: list
    elements: dict
    required: true
  names:
    description: The stacks of the environment, in order.
    type: list
    elements: str
    required: true
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Choose the stacks that the last run changed
  ansible.builtin.set_fact:
    choice: "{{ [lease] | morpheus.deploy.last_changed(['gateway', 'web']) }}"
"""

RETURN = r"""
_value:
  description: The stacks, and why there is none.
  type: dict
  sample: {stacks: [gateway], problem: ""}
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def last_changed(leases: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import last_changed as choice

    read = [lease for lease in leases if "holder" in lease and not lease.get("failed")]
    if not read:
        return {"stacks": [], "problem": "no host could say what the last run has changed; choose one with -e stack_name=<name>"}
    stacks, problem = choice.last_changed([lease.get("history") or [] for lease in read], names)
    return {"stacks": stacks, "problem": problem}


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"last_changed": last_changed}
