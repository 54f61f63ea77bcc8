# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools of connections that replicas have to the database: their size reaches the application, and is counted. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.compose import data as compose_data
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import rules as compose_rules
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import variables


def place(stack: dict[str, Any]) -> list[str]:
    """Put the size of each pool of a typed ``stack`` into the env file that its variable names."""
    found, env = [], {name: dict(values) for name, values in (stack.get("env") or {}).items() if isinstance(values, Mapping)}
    for number, pool in enumerate(stack.get("pools") or []):
        option = f"stack.pools[{number}]"
        group, _, variable = (pool["variable"] or "").partition(".")
        if not variable:
            found.append(f'{option}.variable: "{pool["variable"]}" is not <env file>.<VARIABLE>, as in api.DATABASE_POOL_SIZE')
        elif variable in env.get(group, {}):
            found.append(f"stack.env.{group}.{variable}: is set by {option}; take the line out")
        else:
            env.setdefault(group, {})[variable] = str(pool["size"])
        found += [f"{option}.{name}: must be 1 or more" for name in ("size", "processes") if (pool[name] or 0) < 1]
    if stack.get("pools"):
        stack["env"] = {**(stack.get("env") or {}), **env}
    return found


def problems(stack: Mapping[str, Any], services: Mapping[str, Any]) -> list[str]:
    """``services``: of the Compose files. A size that no replica reads would be counted and bind nobody."""
    found = []
    for number, pool in enumerate(stack.get("pools") or []):
        name, group = pool["service"], (pool["variable"] or "").partition(".")[0]
        service = services.get(name)
        if service is None:
            found.append(f'stack.pools[{number}].service: the Compose files have no service "{name}"')
        elif isinstance(service, Mapping) and f"env/{group}.env" not in dict(variables.env_files(service)):
            found.append(
                f"stack.pools[{number}].variable: services.{name}.env_file does not read env/{group}.env, so the size would "
                "reach nobody; add it there, or name a variable of a file that the service reads"
            )
    return found


def wanted(stack: Stack, model: Mapping[str, Any], files: Mapping[str, str], placement: Mapping[str, Sequence[str]]) -> list[Any]:
    """What the preflight counts: of each pool its service, size, processes and replicas on a host, whether old and new replicas
    live side by side, and the hosts where it runs alone (none: all).
    """
    ground = compose_data.Ground.of(stack, files)
    found = []
    for pool in stack.document.get("pools") or []:
        name = pool["service"]
        service = model["services"].get(name)
        if not isinstance(service, Mapping):
            continue
        said = ((service.get("deploy") or {}).get("update_config") or {}).get("order")
        order = said or ("stop-first" if compose_data.reason(service, ground) else "start-first")
        one = {key: pool[key] for key in ("service", "size", "processes")}
        found.append(
            {**one, "replicas": compose_rules.replicas(service), "order": order, "hosts": list(placement.get(name) or [])}
        )
    return found
