# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a run may write: it holds the environment's lease, or was told in words that it needs none. Pure.

``--start-at-task``, ``--tags`` and ``--skip-tags`` walk past the tasks that look whose the hosts are and take the lease.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError

WITHOUT_LEASE = {"type": "bool", "default": False}


def problem(arguments: Mapping[str, Any], *, check_mode: bool) -> str:
    """Why a module must not begin; empty when it may. In check mode no lease is taken, and nothing is written either."""
    if arguments.get("token") or arguments.get("without_lease") or check_mode:
        return ""
    return (
        "This run holds no lease of the environment, so another run may be at work. Nothing was changed. Run the playbook whole, "
        "without --start-at-task, --tags and --skip-tags. A playbook of your own takes the lease by the role "
        "morpheus.deploy.lease and passes lease_taken.token on, or says without_lease: true."
    )


def require(arguments: Mapping[str, Any], *, check_mode: bool) -> None:
    """Raises DeployError when a module must not begin."""
    if words := problem(arguments, check_mode=check_mode):
        raise DeployError(words)
