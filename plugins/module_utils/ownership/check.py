# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Before a write: do this host, and the database that a secret reaches from it, belong to the environment?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership import database as declared_database
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership import host as identity
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership.host import HostIdentity, Owner

# Of a module that asks.
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "sandbox_only": {"type": "bool", "default": False},
    "database": {"type": "dict", "options": dict(declared_database.OPTIONS)},
}


def check(host: HostIdentity, environment: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """What the database said, when ``options`` (values of OPTIONS) names one. Raises DeployError, a problem in each line."""
    require(host, host.read(), environment, sandbox_only=options["sandbox_only"])
    if not options["database"]:
        return {}
    return declared_database.check(options["database"], environment).as_result()


def require(host: HostIdentity, owner: Owner, environment: str, *, sandbox_only: bool) -> None:
    problems = identity.problems(environment, owner, sandbox_only=sandbox_only, is_sandbox=host.is_sandbox)
    if problems:
        raise DeployError("\n".join(problems))
