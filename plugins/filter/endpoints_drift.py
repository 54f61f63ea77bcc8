# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: endpoints_drift
short_description: Say in sentences how serverless endpoints differ from what is declared
version_added: 0.1.0
description:
  - Takes what M(morpheus.deploy.runpod_endpoint) returned in check mode, or failed with.
positional: _input
options:
  _input:
    description: The result of the module; nothing, or one of a task that was skipped, where it was not asked.
    type: dict
    required: true
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Keep in mind how they differ
  ansible.builtin.set_fact:
    drift: "{{ compared | morpheus.deploy.endpoints_drift }}"
"""

RETURN = r"""
_value:
  description: The sentences. None where all is as declared, or nobody was asked.
  type: list
  elements: str
  sample: ["comic (vllm1xyz): workers.max is 5, declared is 3"]
"""

from collections.abc import Callable, Mapping
from typing import Any


def endpoints_drift(compared: Mapping[str, Any]) -> list[str]:
    if "hourly" not in compared:
        return []
    if not compared["hourly"]:
        return [f"they could not be compared: {compared.get('msg') or 'RunPod gave no answer'}"]
    return [
        f"{one['name']} ({one['id'] or 'no id yet'}): {'; '.join(one['drift'])}" for one in compared["endpoints"] if one["drift"]
    ]


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"endpoints_drift": endpoints_drift}
