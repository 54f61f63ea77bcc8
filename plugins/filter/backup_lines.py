# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: backup_lines
short_description: Say which backups there are
version_added: 0.1.0
description:
  - A line for each backup, the youngest first.
options:
  _input:
    description: Records, as M(morpheus.deploy.backup_store) returns them.
    type: list
    elements: dict
    required: true
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Say which backups there are
  ansible.builtin.debug:
    msg: "{{ backups.records | morpheus.deploy.backup_lines }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
  sample: ["20261127t020000z  2026-11-27T02:00:03Z  verified 2026-11-27T02:04:11Z  100 rows, 4.6 KiB  (by hand)"]
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.backup.lines import lines


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"backup_lines": lines}
