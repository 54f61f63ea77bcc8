# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""New connections to the edge's published ports are led to another container, those that are there stay where they are.

The engine forwards a published port to one container for as long as that one lives. Rules that come before the engine's own lead
to another one meanwhile. The kernel asks them for the first packet of a connection only, so no connection is moved or cut.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.processes import PROC

CHAIN = "EDGE-HANDOVER"
_SYSCTL = Path("/proc/sys/net/ipv4/conf")
# The state of a socket that listens, in the kernel's table.
_LISTENS = "0A"
SECONDS = 20.0


@dataclass(frozen=True)
class Port:
    """A published port. ``address``: the one of this host that it is published on, empty for all."""

    address: str
    outside: int
    inside: int


def parse_ports(published: Sequence[str]) -> list[Port]:
    """Of Compose's short form: [address:]outside:inside."""
    found = []
    for one in published:
        outside, _, inside = one.rpartition(":")
        address, _, port = outside.rpartition(":")
        found.append(Port(address, int(port), int(inside)))
    return found


@dataclass(frozen=True)
class Way:
    """To ``new``, an address on the network behind the host's interface ``bridge``; ``ports`` are those of the edge.

    Where the engine's proxy takes connections (this host's loopback, containers behind the bridge, IPv6) they go to that of the
    new container: ``loopback``, ``gateway`` and ``six`` say by which port it is reached there, by the port inside.
    """

    bridge: str
    new: str
    ports: Sequence[Port]
    loopback: Mapping[int, int]
    gateway: Mapping[int, int]
    six: Mapping[int, int]
    # Without its proxy the engine forwards all of it by rules of the kernel.
    proxied: bool = True

    def rules(self) -> list[str]:
        found = []
        for port in self.ports:
            is_local = port.address.startswith("127.")
            to = f"-p tcp -m addrtype --dst-type LOCAL -m tcp --dport {port.outside}"
            direct = f"-j DNAT --to-destination {self.new}:{port.inside}"
            if not self.proxied:
                found.append(f"{_there(port.address)}{to} {direct}")
                continue
            if not is_local:
                found.append(f"{_there(port.address or '! 127.0.0.0/8')}! -i {self.bridge} {to} {direct}")
            if port.inside in self.loopback:
                found.append(f"-d 127.0.0.0/8 {to} -j REDIRECT --to-ports {self.loopback[port.inside]}")
            if port.inside in self.gateway and not is_local:
                found.append(f"-i {self.bridge} {to} -j REDIRECT --to-ports {self.gateway[port.inside]}")
        return found

    def rules_six(self) -> list[str]:
        return [
            f"-p tcp -m addrtype --dst-type LOCAL -m tcp --dport {port.outside} -j REDIRECT --to-ports {self.six[port.inside]}"
            for port in self.ports
            if port.inside in self.six and not port.address
        ]

    def admitted_six(self) -> list[str]:
        """For the host's own firewall, which lets users in by the port that they ask for."""
        return [
            f"-p tcp -m tcp --dport {self.six[port.inside]} -m conntrack --ctstate DNAT --ctorigdstport {port.outside} -j ACCEPT"
            for port in self.ports
            if port.inside in self.six and not port.address
        ]


def _there(address: str) -> str:
    negated, _, place = address.rpartition(" ")
    return f"{negated} -d {place} ".lstrip() if address else ""


# A command and what it reads -> exit code and output.
Run = Callable[[Sequence[str], str], tuple[int, str]]


def run(command: Sequence[str], text: str = "") -> tuple[int, str]:
    try:
        done = subprocess.run(
            command, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS, check=False
        )
    except FileNotFoundError:
        return 127, f"this host has no command {command[0]}"
    except subprocess.TimeoutExpired:
        return 124, f"{command[0]} did not end within {SECONDS:g} s"
    return done.returncode, done.stdout.strip()


# Of each family: its programs, in which table, and where the kernel looks.
_FOUR = ("iptables", "nat", ("PREROUTING", "OUTPUT"))
_SIX = ("ip6tables", "nat", ("PREROUTING", "OUTPUT"))
_SIX_ADMITTED = ("ip6tables", "filter", ("INPUT",))
_Family = tuple[str, str, tuple[str, ...]]


class Redirect:
    def __init__(self, ask: Run = run) -> None:
        self._ask = ask

    def lead(self, way: Way) -> None:
        """From here on new connections go to ``way.new``. Done again it replaces what was there."""
        if way.rules_six():
            self._put(_SIX_ADMITTED, way.admitted_six())
            self._put(_SIX, way.rules_six())
        self._put(_FOUR, way.rules())

    def there(self) -> bool:
        return any(self._leads(_FOUR, hook) for hook in _FOUR[2])

    def end(self) -> None:
        """The engine's own rules count again, for new connections. Done again it does nothing."""
        for family in (_FOUR, _SIX, _SIX_ADMITTED):
            for hook in family[2]:
                while self._leads(family, hook):
                    self._tell(family, "-D", hook, "-j", CHAIN)
            # There is none before the first time.
            if not self._iptables(family, "-F", CHAIN)[0]:
                self._tell(family, "-X", CHAIN)

    def _put(self, family: _Family, rules: Sequence[str]) -> None:
        """All of the rules at once."""
        program, table, hooks = family
        text = "\n".join([f"*{table}", f":{CHAIN} - [0:0]", *(f"-A {CHAIN} {rule}" for rule in rules), "COMMIT", ""])
        code, said = self._ask([f"{program}-restore", "--noflush", "--wait"], text)
        if code:
            raise _failed(program, said)
        for hook in hooks:
            if not self._leads(family, hook):
                self._tell(family, "-I", hook, "1", "-j", CHAIN)

    def _leads(self, family: _Family, hook: str) -> bool:
        return self._iptables(family, "-C", hook, "-j", CHAIN)[0] == 0

    def _tell(self, family: _Family, *arguments: str) -> None:
        code, said = self._iptables(family, *arguments)
        if code:
            raise _failed(family[0], said)

    def _iptables(self, family: _Family, *arguments: str) -> tuple[int, str]:
        return self._ask([family[0], "--wait", "-t", family[1], *arguments], "")


def _failed(program: str, said: str) -> EdgeError:
    return EdgeError(f"{program} of this host could not lead new connections to another container: {said}")


def is_proxied(bridge: str, sysctl: Path = _SYSCTL) -> bool:
    """Whether the engine has its proxy; without it the kernel forwards connections to this host's loopback, too."""
    try:
        return (sysctl / bridge / "route_localnet").read_text().strip() != "1"
    except OSError:
        return True


def has_six(port: int, table: Path = PROC / "net" / "tcp6") -> bool:
    """Whether anybody listens on this port of the host by IPv6."""
    with suppress(OSError):
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
        return any(row[3] == _LISTENS and int(row[1].rpartition(":")[2], 16) == port for row in rows)
    return False


def bridge_of(network: Mapping[str, object]) -> str:
    """The host's interface of a network of the engine, as that names it. EdgeError for one that cannot be handed over."""
    if network.get("EnableIPv6"):
        raise EdgeError(
            'the network "edge" of this host has IPv6, whose connections cannot be led to another container. Switch IPv6 off '
            "there, or let the edge be interrupted: playbooks/provision.yml --tags edge -e edge_allow_interruption=true"
        )
    options = network.get("Options")
    named = options.get("com.docker.network.bridge.name") if isinstance(options, Mapping) else ""
    return str(named or f"br-{str(network['Id'])[:12]}")
