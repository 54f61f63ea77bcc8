# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: missing_hosts
short_description: Say which hosts a play does without, and why
version_added: 0.1.0
description:
  - A host is missing when it was lost in this run, or when C(--limit) leaves it out. C(ansible_play_hosts_all) alone cannot tell,
    because C(--limit) shrinks it, too; a group of the inventory stays as it is.
positional: _input, present, chosen
options:
  _input:
    description: The hosts that are needed, for example C(groups['app']).
    type: list
    elements: str
    required: true
  present:
    description: The hosts that are still there, C(ansible_play_hosts).
    type: list
    elements: str
    required: true
  chosen:
    description: The hosts that the play set out with, C(ansible_play_hosts_all).
    type: list
    elements: str
    required: true
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Refuse to go on without every host of the group
  ansible.builtin.assert:
    that: groups['app'] | morpheus.deploy.missing_hosts(ansible_play_hosts, ansible_play_hosts_all) | length == 0
"""

RETURN = r"""
_value:
  description: A sentence for each host that is missing.
  type: list
  elements: str
  sample: [app-1 is left out by --limit]
"""

from collections.abc import Callable, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.lease.fleet import missing


def missing_hosts(needed: Sequence[str], present: Sequence[str], chosen: Sequence[str]) -> list[str]:
    return missing(needed, present, chosen)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"missing_hosts": missing_hosts}
