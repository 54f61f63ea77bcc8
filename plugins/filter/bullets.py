# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: bullets
short_description: Write sentences below a heading, one on each line
version_added: 0.1.0
description:
  - How every playbook shows a list of problems or of steps.
positional: _input, heading
options:
  _input:
    description: The sentences.
    type: list
    elements: str
    required: true
  heading:
    description: What they have in common.
    type: str
    required: true
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Refuse a configuration with problems
  ansible.builtin.assert:
    that: preflight_config.problems | length == 0
    fail_msg: "{{ preflight_config.problems | morpheus.deploy.bullets('Nothing was changed. Problems:') }}"
"""

RETURN = r"""
_value:
  description: The heading, and the sentences below it.
  type: str
  sample: |-
    Nothing was changed. Problems:
      - stack.name: required
"""

from collections.abc import Callable, Iterable
from typing import Any


def bullets(sentences: Iterable[str], heading: str) -> str:
    return "\n  - ".join([heading, *sentences])


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"bullets": bullets}
