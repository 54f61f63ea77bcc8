# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: batches
short_description: Say how many hosts are switched at the same time
version_added: 0.1.0
description:
  - For C(serial) of a play. A play's own keywords see no variables of the inventory, so they are read from a host.
  - It is C(stack.hosts_at_once). Where a prepared release has jobs, the first host is a batch of its own, because a job that runs
    once must have ended well before another host begins.
positional: _input, hostvars
options:
  _input:
    description: The groups of the inventory.
    type: dict
    required: true
  hostvars:
    description: The variables of every host.
    type: dict
    required: true
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Roll out
  hosts: app
  serial: "{{ groups | morpheus.deploy.batches(hostvars | default({})) }}"
"""

RETURN = r"""
_value:
  description: Sizes of the batches. The last one is that of all that follow.
  type: list
  elements: int
  sample: [1, 2]
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def batches(groups: Mapping[str, Sequence[str]], hostvars: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    """Also of no host, and where Ansible reads a playbook without an inventory: then nothing is known, and nothing runs."""
    hosts = [hostvars[name] for name in groups.get("app") or () if name in hostvars]
    jobs = any((host.get("stack_prepared") or {}).get("jobs") for host in hosts)
    at_once = (hosts[0].get("stack") or {}).get("hosts_at_once") if hosts else None
    return ([1] if jobs else []) + [at_once or 1]


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"batches": batches}
