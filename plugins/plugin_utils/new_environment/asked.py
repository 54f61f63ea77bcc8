# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person types for a new environment, and what is wrong with it. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ansible_collections.morpheus.deploy.plugins.module_utils.edge import routes

_NAME = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_USER = re.compile(r"[a-z_][a-z0-9_.-]*")


@dataclass(frozen=True)
class Asked:
    """What a person has typed; empty is not typed."""

    name: str
    hosts: Sequence[str] = field(default_factory=tuple)
    user: str = ""
    site: str = ""
    compose: str = ""
    service: str = ""
    port: str = ""
    health: str = ""

    def typed(self, *options: str) -> str:
        """Those of ``options`` that were typed, as they were typed."""
        given = {option: getattr(self, option) for option in options}
        words = {option: ",".join(value) if option == "hosts" else value for option, value in given.items() if value}
        return " ".join(f"-e {option}={value}" for option, value in words.items())


def problems(asked: Asked) -> list[str]:
    """Each with the option, its value and what to write."""
    found = []
    if not _NAME.fullmatch(asked.name):
        found.append(
            f'name: "{asked.name}" must be lower-case letters, digits and -, a letter first, 32 at most, because directories and '
            "variables are called by it; for example -e name=staging"
            if asked.name
            else "name: required; what the environment is called, for example -e name=staging"
        )
    for number, host in enumerate(asked.hosts):
        if not _is_host(host):
            found.append(
                f'hosts[{number}]: "{host}" is neither an address nor the name of a host; users are named by -e user=, ports in '
                "your SSH configuration, and hosts are parted by commas, for example -e hosts=10.0.0.1,10.0.0.2"
            )
        elif host in asked.hosts[:number]:
            found.append(f'hosts[{number}]: "{host}" is listed twice')
    if asked.user and not _USER.fullmatch(asked.user):
        found.append(f'user: "{asked.user}" is not a valid name of a user of Linux, for example -e user=deploy')
    problem = routes.host_problem(asked.site)
    found += [f"site: {problem}"] if asked.site and problem else []
    if asked.port and not (re.fullmatch(r"[0-9]{1,5}", asked.port) and 0 < int(asked.port) < 65536):
        found.append(f'port: "{asked.port}" is not a port; the one inside the container, for example -e port=8080')
    if asked.health and not asked.health.startswith("/"):
        found.append(f'health: "{asked.health}" must start with "/", for example -e health=/health')
    return found


def _is_host(text: str) -> bool:
    try:
        return bool(ipaddress.ip_address(text))
    except ValueError:
        # An address that is none, as 10.0.0.256, is no name either.
        return bool(_HOST.fullmatch(text)) and not re.fullmatch(r"[\d.]+", text)
