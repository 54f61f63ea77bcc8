# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables whose names Compose takes and no env file of a deploy: my-key, spring.redis.password. They stand in the Compose file,
under environment, and those that are secret have their values from a secret variable of Compose. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.variables import is_reserved
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected import dotenv
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.needed import Needed, vault

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def is_odd(name: str) -> bool:
    return not _PLAIN.match(name)


def without(values: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in values.items() if not is_odd(key)}


def variable(vaulted: str) -> str:
    """Compose's own variable, called as the vault's one is."""
    name = vaulted.strip("{ }").removeprefix("vault_").upper()
    return f"APP_{name}" if is_odd(name) or is_reserved(name) else name


def bring(needed: Needed, group: str, values: Mapping[str, str], by_name: dict[str, str]) -> dict[str, str]:
    """As they stand under environment. ``by_name``: of the vault's variables so far, their values; ``group``: what is before the
    name of one whose name has another value already.
    """
    found = {}
    for key, value in values.items():
        if not is_odd(key):
            continue
        if not dotenv.why_secret(key, value):
            found[key] = value.replace("$", "$$")
            continue
        name = next(one for one in _names(group, key) if by_name.setdefault(one, value) == value and _is_free(needed, one))
        needed.holds(name, value)
        needed.variables[variable(name)] = name
        found[key] = f"${{{variable(name)}}}"
    return found


def _is_free(needed: Needed, name: str) -> bool:
    return variable(name) not in needed.stack.get("variables", {}) and needed.variables.get(variable(name), name) == name


def _names(group: str, key: str) -> list[str]:
    return [vault(key), vault(group, key), *(vault(group, key, str(number)) for number in range(2, 99))]


def say(needed: Needed, service: str, values: Mapping[str, str]) -> None:
    """``values``: as ``bring`` gives them."""
    secret = [key for key, value in values.items() if value.startswith("${")]
    takes = "is a name that no env file of a deploy takes, so it stands" if len(values) == 1 else ""
    takes = takes or "are names that no env file of a deploy takes, so they stand"
    more = f"; {', '.join(secret)} from the vault (stack_secret_variables)" if secret else ""
    needed.say(f"services.{service}.environment", "changed", f"{', '.join(values)} {takes} here{more}")
