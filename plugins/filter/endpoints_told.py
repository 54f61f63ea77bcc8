# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: endpoints_told
short_description: Say in sentences how serverless endpoints are kept
version_added: 0.1.0
description:
  - Takes what M(morpheus.deploy.runpod_endpoint) returned. A sentence for each endpoint, and one for what all may cost.
positional: _input
options:
  _input:
    description: The result of the module.
    type: dict
    required: true
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Say what was kept
  ansible.builtin.debug:
    msg: "{{ kept | morpheus.deploy.endpoints_told }}"
"""

RETURN = r"""
_value:
  description: The sentences.
  type: list
  elements: str
  sample: ["comic (vllm1xyz): is as declared", "all together may cost 3.3 an hour; ml.limits.hourly_bound is 10"]
"""

from collections.abc import Callable, Mapping
from typing import Any


def endpoints_told(kept: Mapping[str, Any]) -> list[str]:
    lines = [
        f"{one['name']} ({one['id'] or 'no id yet'}): {'; '.join(one['drift']) or 'is as declared'}" for one in kept["endpoints"]
    ]
    hourly = kept["hourly"]
    return [*lines, f"all together may cost {hourly['after']:g} an hour; ml.limits.hourly_bound is {hourly['bound']:g}"]


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"endpoints_told": endpoints_told}
