# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What listens on this host, from the kernel's own tables (/proc/net). Parsing is pure; ``owners`` reads /proc."""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TABLES = ("tcp", "tcp6", "udp", "udp6")
# State of a socket that waits for others: LISTEN, and for UDP, which has none, not connected.
_WAITING = {"tcp": "0A", "udp": "07"}
_CONTAINER = re.compile(r"(?:/docker/|docker-)([0-9a-f]{64})")


@dataclass(frozen=True)
class Listener:
    protocol: str
    address: str
    port: int
    inode: str = ""


def parse(table: str, text: str) -> list[Listener]:
    """Sockets of /proc/net/<table> that wait for anybody."""
    protocol = table[:3]
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 9 and fields[3] == _WAITING[protocol]:
            address, _, port = fields[1].partition(":")
            found.append(Listener(protocol, _address(address), int(port, 16), fields[9]))
    return found


def listeners(proc: Path = PROC) -> list[Listener]:
    """Every listening socket of this host's own network namespace."""
    texts = {table: proc / "net" / table for table in TABLES}
    return [one for table, path in texts.items() if path.exists() for one in parse(table, path.read_text())]


def owners(proc: Path = PROC) -> dict[str, int]:
    """Inode of a socket -> process that holds it."""
    found: dict[str, int] = {}
    for process in proc.glob("[0-9]*"):
        # Processes end while they are looked at.
        with suppress(OSError):
            for entry in (process / "fd").iterdir():
                with suppress(OSError):
                    target = os.readlink(entry)  # noqa: PTH115 - Path.readlink would make a path of it
                    if target.startswith("socket:["):
                        found[target[8:-1]] = int(process.name)
    return found


def name(pid: int, proc: Path = PROC) -> str:
    with suppress(OSError):
        return (proc / str(pid) / "comm").read_text().strip()
    return ""


def container(pid: int, proc: Path = PROC) -> str:
    """Id of the container that a process is in; empty for a process of the host."""
    with suppress(OSError):
        found = _CONTAINER.search((proc / str(pid) / "cgroup").read_text())
        return found[1] if found else ""
    return ""


def published(bindings: Mapping[str, object]) -> list[tuple[str, str, int]]:
    """(protocol, address, port) of every port of the host that leads into a container; from HostConfig.PortBindings."""
    found = []
    for inside, places in bindings.items():
        for place in places if isinstance(places, list) else []:
            port = str(place.get("HostPort") or "")
            if port.isdecimal():
                found.append((inside.partition("/")[2] or "tcp", str(place.get("HostIp") or ""), int(port)))
    return found


def _address(text: str) -> str:
    """The kernel prints words of 32 bits as it holds them in memory."""
    words = [bytes.fromhex(text[start : start + 8]) for start in range(0, len(text), 8)]
    raw = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    return str(ipaddress.ip_address(raw))
