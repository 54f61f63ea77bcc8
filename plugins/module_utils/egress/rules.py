# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What containers may not reach from a host, as rules of the kernel's packet filter. Pure.

The rules stand in the table "raw", which a packet passes before all others: neither the engine nor a firewall of the host touches
it, and whether a packet is for this host or goes through it makes no difference. What the host sends itself never comes by, and
what one container sends another is not matched. The table knows no connections, so each packet of a container is asked for; it
meets a handful of rules unless it goes where some are kept away.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

# What a stack can be let through to.
METADATA, SSH, METRICS = "metadata", "ssh", "metrics"
KINDS = (METADATA, SSH, METRICS)
CHAIN = "MORPHEUS-EGRESS"
_CONTAINERS = "MORPHEUS-CONTAINERS"
_CHAINS = {METADATA: "MORPHEUS-METADATA", SSH: "MORPHEUS-SSH", METRICS: "MORPHEUS-METRICS"}
CHAINS = (CHAIN, _CONTAINERS, *_CHAINS.values())
# Where clouds tell a machine its credentials: link-local addresses of most, and two of Azure and Alibaba; AWS and Google by IPv6.
_METADATA = ("169.254.0.0/16", "168.63.129.16/32", "100.100.100.200/32", "fd00:ec2::254/128", "fd20:ce::254/128")
# Some clouds have their resolver at such an address.
_DNS = 53
# As the engine calls its bridges. Another bridge may be the host's own way out.
_BRIDGES = ("docker+", "br-+")
_ENGINES = re.compile(r"br-[0-9a-f]{12}|docker.*|veth.*")


@dataclass(frozen=True)
class Host:
    """A host of the environment: how it is reached, by SSH and by who collects the metrics of its edge."""

    addresses: Sequence[str] = ()
    ssh_ports: Sequence[int] = (22,)
    metrics_port: int = 0

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Host:
        """Raises KeyError, TypeError and ValueError for what is none."""
        addresses = sorted({str(ip_address(one)) for one in given["addresses"]})
        return cls(addresses, sorted({int(one) for one in given["ssh_ports"]}), int(given["metrics_port"]))


@dataclass(frozen=True)
class Base:
    """What provisioning says. ``own``: this host; ``others``: by name; ``spared``: bridges of the host itself whose names begin
    as the engine's do.
    """

    own: Host = Host()
    others: Mapping[str, Host] = field(default_factory=dict)
    spared: Sequence[str] = ()

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Base:
        """Raises KeyError, TypeError and ValueError for what is none."""
        others = {str(name): Host.of(one) for name, one in sorted(dict(given["others"]).items())}
        return cls(Host.of(given["own"]), others, sorted(map(str, given["spared"])))

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Admitted:
    """What a stack is let through to, and the networks that its containers are on."""

    kinds: Sequence[str]
    subnets: Sequence[str]

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Admitted:
        """Raises KeyError, TypeError and ValueError for what is none."""
        kinds, subnets = given["kinds"], given["subnets"]
        if not (isinstance(kinds, list) and isinstance(subnets, list)) or set(kinds) - {*KINDS}:
            raise ValueError("its kinds and subnets are not as they are written here")
        return cls(sorted(kinds), sorted(str(ip_network(one)) for one in subnets))


def is_engines(interface: str) -> bool:
    """Whether an interface of the host is one of the engine's, by its name."""
    return bool(_ENGINES.fullmatch(interface))


def spared(interfaces: Iterable[str]) -> list[str]:
    return sorted(one for one in interfaces if one.startswith("br-") and not is_engines(one))


def render(base: Base, admitted: Iterable[Admitted], version: int) -> list[str]:
    """The rules of one IP version, as ``iptables -S`` prints them."""
    stacks = list(admitted)
    hosts = [base.own, *base.others.values()]
    found = [f"-A {CHAIN} -i {one} -j RETURN" for one in base.spared]
    found += [f"-A {CHAIN} -i {bridge} -j {_CONTAINERS}" for bridge in _BRIDGES]
    ports = {SSH: {port for host in hosts for port in host.ssh_ports}, METRICS: {host.metrics_port for host in hosts} - {0}}
    metadata = [one for one in _METADATA if ip_network(one).version == version]
    found += [f"-A {_CONTAINERS} -d {one} -j {_CHAINS[METADATA]}" for one in metadata]
    found += [f"-A {_CONTAINERS} {_tcp(port)} -j {_CHAINS[kind]}" for kind in (SSH, METRICS) for port in sorted(ports[kind])]
    found += [f"-A {_CHAINS[METADATA]} -p {name} -m {name} --dport {_DNS} -j RETURN" for name in ("udp", "tcp")]
    for kind in KINDS:
        found += [f"-A {_CHAINS[kind]} -s {subnet} -j RETURN" for subnet in _subnets(stacks, kind, version)]
    found.append(f"-A {_CHAINS[METADATA]} -j DROP")
    found += [f"-A {_CHAINS[SSH]} {match} -j DROP" for match in _matches(base, lambda host: host.ssh_ports, version)]
    found += [
        f"-A {_CHAINS[METRICS]} {match} -j DROP"
        for match in _matches(base, lambda host: [host.metrics_port] if host.metrics_port else [], version)
    ]
    return _by_chain(found)


def restorable(rules: Sequence[str]) -> str:
    """For ``iptables-restore --noflush``: these rules in place of all that were there, at once."""
    chains = "".join(f":{chain} - [0:0]\n" for chain in CHAINS)
    return f"*raw\n{chains}" + "".join(f"{rule}\n" for rule in rules) + "COMMIT\n"


def loaded(listed: str) -> list[str]:
    """Of what ``iptables -t raw -S`` printed, the rules of this collection."""
    return _by_chain(line for line in listed.splitlines() if line.split(" ")[:1] == ["-A"] and line.split(" ")[1] in CHAINS)


def hooked(listed: str) -> tuple[int, bool]:
    """How often packets are sent to the rules, and whether that comes before every other rule of the table."""
    hooks = [line for line in listed.splitlines() if line.startswith("-A PREROUTING ")]
    own = f"-A PREROUTING -j {CHAIN}"
    return hooks.count(own), hooks[:1] == [own]


def _by_chain(rules: Iterable[str]) -> list[str]:
    return sorted(rules, key=lambda rule: CHAINS.index(rule.split(" ")[1]))


def _tcp(port: int) -> str:
    return f"-p tcp -m tcp --dport {port}"


def _matches(base: Base, ports: Any, version: int) -> Iterator[str]:
    """Of packets to one of the ports of a host; this one is meant by whatever address it has."""
    for port in ports(base.own):
        yield f"{_tcp(port)} -m addrtype --dst-type LOCAL"
    places = {(address, port) for host in base.others.values() for address in host.addresses for port in ports(host)}
    for address, port in sorted(places):
        found = ip_address(address)
        if found.version == version and not found.is_loopback:
            yield f"-d {found}/{found.max_prefixlen} {_tcp(port)}"


def _subnets(admitted: Iterable[Admitted], kind: str, version: int) -> list[str]:
    found = {subnet for one in admitted if kind in one.kinds for subnet in one.subnets}
    return sorted(subnet for subnet in found if ip_network(subnet).version == version)
