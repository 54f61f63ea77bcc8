# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says of itself: by which addresses others reach it, on which ports its sshd listens, which bridges it has."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.egress import rules
from ansible_collections.morpheus.deploy.plugins.module_utils.egress.rules import Base, Host

_SECONDS = 10

# A command -> what it prints; nothing when it fails or is not there.
Ask = Callable[[Sequence[str]], str]


def ask(command: Sequence[str]) -> str:
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
        return done.stdout if done.returncode == 0 else ""
    return ""


def looked(ask: Ask = ask) -> dict[str, Any]:
    """{addresses, ssh_ports, bridges}. Networks of the engine are not the host's: they come and go."""
    links = _links(ask(["ip", "-json", "address"]))
    addresses = {
        str(one["local"])
        for link in links
        if not rules.is_engines(str(link.get("ifname", "")))
        for one in link.get("addr_info") or []
        if one.get("scope") == "global" and one.get("local") and not one.get("temporary")
    }
    # Of settings that it cannot read it says nothing.
    lines = [line.split() for line in ask(["/usr/sbin/sshd", "-T"]).splitlines()]
    ports = {int(words[1]) for words in lines if len(words) == 2 and words[0] == "port" and words[1].isdecimal()}
    return {
        "addresses": sorted(addresses),
        "ssh_ports": sorted(ports),
        "bridges": rules.spared(str(link.get("ifname", "")) for link in links),
    }


def resolve(name: str) -> list[str]:
    """The addresses of a name as this host knows it."""
    with suppress(OSError):
        return sorted({str(entry[4][0]) for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)})
    return []


@dataclass(frozen=True)
class Asked:
    """A host of the inventory. ``looked``: see ``looked``; empty for one that was not asked."""

    name: str
    reached: str
    port: int
    metrics_port: int
    looked: Mapping[str, Any]

    def host(self, addresses: Sequence[str]) -> Host:
        return Host(addresses, self.looked.get("ssh_ports") or [self.port], self.metrics_port)


def asked(given: Mapping[str, Any]) -> list[Asked]:
    """What the options of the module host_egress say. DeployError for what is no port."""
    return [
        Asked(
            name,
            str(given["reached"].get(name) or name),
            _port("ports", name, given["ports"].get(name) or 22),
            _port("metrics", name, str(given["metrics"].get(name) or 0).rpartition(":")[2]),
            given["looked"].get(name) or {},
        )
        for name in given["hosts"]
    ]


def merged(name: str, hosts: Iterable[Asked], known: Base | None, resolve: Callable[[str], list[str]] = resolve) -> Base:
    """What the host ``name`` keeps its containers away from. What is ``known`` of hosts that were not asked stays, so a run with
    --limit changes nothing of them.
    """
    before = known.others if known else {}
    own, spared, others = Host(), list(known.spared if known else ()), {}
    for one in hosts:
        if one.name == name:
            own, spared = one.host(()), one.looked.get("bridges") or []
        elif one.looked:
            # A name that is unknown for a moment takes nothing away.
            found = resolve(one.reached) or before.get(one.name, Host()).addresses
            others[one.name] = one.host([*(one.looked.get("addresses") or []), *found])
        else:
            others[one.name] = before.get(one.name) or one.host(resolve(one.reached))
    return Base.of({"own": vars(own), "others": {key: vars(host) for key, host in others.items()}, "spared": spared})


def _port(option: str, name: str, given: Any) -> int:
    text = str(given)
    if not text.isdecimal() or int(text) > 65535:
        raise DeployError(f'{option}: "{given}" of {name} ends in no port. Nothing was changed')
    return int(text)


def _links(text: str) -> list[Mapping[str, Any]]:
    try:
        found = json.loads(text or "[]")
    except ValueError:
        return []
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
