# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with ``stack_registries``: names of servers, logins that are half, and those that no image needs. Pure.

Names servers and users, never a password.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.engine import registries

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_SERVER = re.compile(rf"({_LABEL}(\.{_LABEL})*|\[[0-9A-Fa-f:]+\])(:(?P<port>[0-9]{{1,5}}))?")


def problems(given: Sequence[Mapping[str, Any]]) -> list[str]:
    """``given``: as the argument specification types it."""
    found: list[str] = []
    seen: dict[str, int] = {}
    for number, one in enumerate(given):
        path = f"stack_registries[{number}]"
        server = str(one.get("server") or "")
        problem = _server_problem(server) if server else ""
        if problem:
            found.append(f"{path}.server: {problem}")
        elif server:
            name = registries.canonical(server)
            if name in seen:
                first = f"stack_registries[{seen[name]}]"
                found.append(f'{path}.server: "{server}" is already used by {first}; give each registry one login')
            seen.setdefault(name, number)
        found += [f"{path}{problem}" for problem in _login_problems(one, server)]
    return found


def unused(given: Sequence[Mapping[str, Any]], services: Mapping[str, Any]) -> list[str]:
    """A sentence for each login that no image is pulled with; none while an image's name is not known whole."""
    names = [str(one["image"]) for one in services.values() if isinstance(one, Mapping) and one.get("image")]
    if any("$" in name for name in names):
        return []
    needed = {registries.server_of(name) for name in names}
    return [
        f'stack_registries[{number}].server: no image of the Compose files comes from "{one["server"]}"; they come from '
        f"{', '.join(sorted(needed)) or 'nowhere'}"
        for number, one in enumerate(given)
        if one.get("server") and registries.canonical(str(one["server"])) not in needed
    ]


def _server_problem(server: str) -> str:
    if "://" in server or "/" in server:
        bare = server.partition("://")[2] or server
        host = registries.canonical(bare.partition("/")[0])
        meant = f"; write {host}" if _SERVER.fullmatch(host) else ""
        return f'"{server}" must be the registry\'s name as images begin with it, without https:// and without a path{meant}'
    found = _SERVER.fullmatch(server)
    if not found or (found["port"] and not 0 < int(found["port"]) < 65536):
        return (
            f'"{server}" is not the name of a registry; write it as images begin with it, for example ghcr.io or '
            "registry.example:5000"
        )
    if "." not in server and ":" not in server and server != "localhost":
        return (
            f'"{server}" has neither a dot nor a port, so Docker takes it for a user of Docker Hub; write {server}.<domain>, or '
            f"{registries.HUB} for Docker Hub"
        )
    return ""


def _login_problems(one: Mapping[str, Any], server: str) -> list[str]:
    username, password, token = (str(one.get(key) or "") for key in ("username", "password", "token"))
    where = f" of {server}" if server else ""
    if token and (password or username):
        return [".token: is a login by itself; remove username and password, or the token"]
    if not token and not password:
        return [f'.password: required, or token; the vault\'s, such as "{{{{ vault_registry_password }}}}", for the login{where}']
    if password and not username:
        return [f".username: required with a password; the user that the password{where} belongs to"]
    key, value = ("token", token) if token else ("password", password)
    if value != value.strip() or any(character in value for character in "\n\r\0"):
        return [f".{key}: must be one line, without spaces around it (a trailing line break from a file?)"]
    return [".username: must not contain a colon"] if ":" in username else []
