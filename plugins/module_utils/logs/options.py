# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where logs are sent, as the inventory says it, and the files of a host that come of it."""

from __future__ import annotations

import errno
import json
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import ConfigError, DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.spoken import words
from ansible_collections.morpheus.deploy.plugins.module_utils.logs import program
from ansible_collections.morpheus.deploy.plugins.module_utils.logs.shipper import CONFIG

SYSLOG, LOKI = "syslog", "loki"
PROGRAM, CA = "shipper.pyz", "ca.pem"
_OF_SYSLOG, _OF_LOKI = ("address",), ("url", "tenant", "user", "password")
_LAST_PORT = 65535


def problems(given: Mapping[str, Any]) -> list[str]:
    """What is wrong with the options, each beginning with the role's name of one."""
    target = given["target"]
    if not target:
        return [f"logs_{name}: means nothing without logs_target; write syslog or loki there" for name in _named(given)]
    mine, other = (_OF_SYSLOG, _OF_LOKI) if target == SYSLOG else (_OF_LOKI, _OF_SYSLOG)
    found = [
        f"logs_{name}: means nothing with logs_target: {target}, which takes {_listed(mine)}" for name in other if given[name]
    ]
    found += _address_problems(given["address"]) if target == SYSLOG else _url_problems(given)
    if given["retention_days"] < 0:
        found.append(f"logs_retention_days: {given['retention_days']} must be 0 (not said) or more")
    if given["ca"]:
        try:
            ssl.create_default_context(cadata=given["ca"])
        except (ssl.SSLError, ValueError):
            found.append("logs_ca_path: the file holds no certificate in PEM")
    return found


def wanted(given: Mapping[str, Any], root: Path) -> dict[str, tuple[bytes, int]]:
    """Name below ``root`` -> content and mode; nothing where logs are not sent."""
    if found := problems(given):
        raise ConfigError(found)
    if not given["target"]:
        return {}
    about = {"environment": given["environment"], "host": given["host"]}
    # What a target keeps for how long is its own affair; it is told what the environment wants.
    about |= {"retention": f"{given['retention_days']}d"} if given["retention_days"] else {}
    config: dict[str, Any] = {"target": given["target"], "about": about, "ca_path": str(root / CA) if given["ca"] else ""}
    if given["target"] == SYSLOG:
        host, _, port = given["address"].rpartition(":")
        config |= {"address": given["address"], "host": host.strip("[]"), "port": int(port), "tls": given["tls"]}
    else:
        config |= {name: given[name] for name in _OF_LOKI}
    files = {PROGRAM: (program.archive(), 0o644), CONFIG: ((json.dumps(config, indent=2) + "\n").encode(), 0o600)}
    return {**files, CA: (given["ca"].encode(), 0o644)} if given["ca"] else files


def changes(files: Mapping[str, tuple[bytes, int]], root: Path) -> list[str]:
    """Names of what differs, is missing, or is there although nobody wants it."""
    found = [name for name, (content, mode) in files.items() if _there(root / name) != (content, mode)]
    return sorted([*found, *(name for name in (PROGRAM, CONFIG, CA) if name not in files and (root / name).exists())])


def apply(files: Mapping[str, tuple[bytes, int]], root: Path) -> None:
    for name in changes(files, root):
        if name in files:
            content, mode = files[name]
            write_atomically(root / name, content, mode=mode)
        else:
            (root / name).unlink()


def _there(path: Path) -> tuple[bytes, int] | None:
    """Refused in check mode, too, where a directory is in the way."""
    if path.is_dir():
        raise DeployError(words(path, IsADirectoryError(errno.EISDIR, "Is a directory"), "written"))
    return (path.read_bytes(), path.stat().st_mode & 0o777) if path.is_file() else None


def _named(given: Mapping[str, Any]) -> list[str]:
    return [name for name in (*_OF_SYSLOG, *_OF_LOKI) if given[name]]


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"logs_{name}" for name in names)


def _address_problems(address: str) -> list[str]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= _LAST_PORT:
        return [f'logs_address: "{address}" is no <host>:<port>, such as logs.example.com:6514']
    return []


def _url_problems(given: Mapping[str, Any]) -> list[str]:
    url = urlsplit(given["url"])
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment:
        return ["logs_url: must be the URL of a Loki, such as https://loki.example.com, to which /loki/api/v1/push is added"]
    found = []
    if url.username or url.password:
        found.append("logs_url: holds a login; write it as logs_user and logs_password")
    if given["password"] and not given["user"]:
        found.append("logs_password: means nothing without logs_user")
    if given["password"] and url.scheme == "http":
        found.append("logs_url: would send logs_password in the clear; write https")
    return found
