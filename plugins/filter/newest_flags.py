# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: newest_flags
short_description: The newest feature flags, where the hosts of a deploy do not all have them
version_added: 0.1.0
description:
  - A host keeps feature flags that are newer than those of the inventory. This finds what the others are to be given.
positional: _input
options:
  _input:
    description: Results of M(morpheus.deploy.stack_release), one a host.
    type: list
    elements: dict
    required: true
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: See which flags every host is to have
  ansible.builtin.set_fact:
    newest: "{{ ansible_play_hosts | map('extract', hostvars, 'prepared') | morpheus.deploy.newest_flags }}"
"""

RETURN = r"""
_value:
  description: The live file, as base64; empty when every host has it.
  type: dict
  sample: {flags/flags.json: eyJmbGFncyI6IHt9fQo=}
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.flags import words


def newest_flags(prepared: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    found = [str(one.get("newer_flags") or "") for one in prepared]
    newest = max(found, key=lambda one: words.version(base64.b64decode(one)), default="")
    return {words.NAME: newest} if any(one != newest for one in found) else {}


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"newest_flags": newest_flags}
