# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the callback reads in a result of Ansible's: whose it is, and why it failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def words(item: Mapping[str, Any], result: Any) -> str:
    """Why a task failed. What a task with no_log says is hidden."""
    return str(item.get("msg") or f'the task "{result._task.get_name()}" failed, and what it said is hidden (no_log)')


def host(module: str, result: Any, item: Mapping[str, Any]) -> str:
    """The host that the item speaks of: the one that has the lease is not the one of the task."""
    if module == "lease":
        return str((item.get("_ansible_delegated_vars") or {}).get("ansible_delegated_host") or result._host.get_name())
    return str(result._host.get_name())
