# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On which hosts a service runs that must not run on every one (stack.services[].hosts). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

APP = "app"


class Placed:
    """``hosts``: service -> its hosts, in the order of the inventory; none for one that runs on all. ``problems``: each with
    its path. ``groups``: of the inventory, with their hosts; without any nothing can be said.
    """

    def __init__(self, services: Sequence[Mapping[str, Any]], groups: Mapping[str, Sequence[str]]) -> None:
        self.hosts: dict[str, list[str]] = {}
        self.problems: list[str] = []
        self._every = list(groups.get(APP) or [])
        self._groups = groups
        for number, service in enumerate(services):
            if service.get("hosts") and groups:
                self._place(f"stack.services[{number}].hosts", service)

    def _place(self, path: str, service: Mapping[str, Any]) -> None:
        wanted = str(service["hosts"])
        meant = [wanted] if wanted in self._every else list(self._groups.get(wanted) or [])
        hosts = [host for host in self._every if host in meant]
        left_out = [host for host in self._every if host not in meant]
        if not hosts:
            what = "has no host of the group app" if meant else "is neither a host of the group app nor a group that has one"
            self.problems.append(f'{path}: "{wanted}" {what}; the group app has {", ".join(self._every)}')
        elif left_out:
            self.hosts[str(service.get("name"))] = hosts
