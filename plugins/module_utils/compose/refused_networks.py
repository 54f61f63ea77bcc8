# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks that a service may not be on: those of the host, of other stacks, and such as take addresses away from them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.compose import keys as compose_keys
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.refusals import Project, Refusal, as_list, as_mapping
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import is_edges

_EVERYBODYS = ("bridge", "host", "none")
# What they change is inside the network, or makes it narrower.
_OPTIONS = frozenset(
    {
        *("com.docker.network.driver.mtu", "com.docker.network.container_iface_prefix"),
        *("com.docker.network.bridge.enable_icc", "com.docker.network.bridge.enable_ip_masquerade"),
    }
)
_USE_OPTIONS = frozenset({"com.docker.network.endpoint.ifname", "com.docker.network.endpoint.sysctls"})
# Where nothing of the internet can be; no network needs more.
_PRIVATE: tuple[tuple[IPv4Network | IPv6Network, int], ...] = (
    (ip_network("10.0.0.0/8"), 16),
    (ip_network("172.16.0.0/12"), 16),
    (ip_network("192.168.0.0/16"), 16),
    (ip_network("fc00::/7"), 48),
)


def of_service(path: str, service: Mapping[str, Any], project: Project) -> Iterator[Refusal]:
    if service.get("network_mode"):
        return
    given = service.get("networks")
    uses = given if isinstance(given, Mapping) else {str(name): {} for name in as_list(given)}
    for name, use in (uses or {"default": {}}).items():
        for what, mend in _odd(project.definition("networks", name), as_mapping(use), project):
            yield Refusal("networks", f"{path}.networks: the network {name} {what}", mend)


def _odd(network: Mapping[str, Any], use: Mapping[str, Any], project: Project) -> Iterator[tuple[str, str]]:
    driver = str(network.get("driver") or "bridge")
    if driver != "bridge" and not project.is_open(driver):
        yield f'has the driver "{driver}", which is more than a bridge of the stack\'s own', "remove the driver"
    options = {*as_mapping(network.get("driver_opts"))} - _OPTIONS | {*as_mapping(use.get("driver_opts"))} - _USE_OPTIONS
    if options:
        yield f"has driver_opts that reach the host ({', '.join(sorted(map(str, options)))})", "remove them"
    if network.get("external") not in (None, False, "false"):
        yield "is external, so other stacks are on it", "declare one of the stack's own, or route the service"
    elif network.get("name") in _EVERYBODYS:
        yield f'is called "{network["name"]}", which every stack is on', "give it another name, or route the service"
    elif is_edges(str(network.get("name") or "")):
        yield f'is called "{network["name"]}", as the networks of the edge are', "give it another name, or route the service"
    yield from _odd_addresses(as_mapping(network.get("ipam")), project)
    unknown = compose_keys.unknown_keys("networks", network)
    if unknown:
        yield f"has {', '.join(unknown)}, which nobody has reviewed yet", "remove it"


def _odd_addresses(ipam: Mapping[str, Any], project: Project) -> Iterator[tuple[str, str]]:
    if ipam.get("driver") not in (None, "", "default") and not project.is_open(ipam["driver"]):
        yield f'takes its addresses from the driver "{ipam["driver"]}", a program of the host', "remove it"
    if ipam.get("options"):
        yield "has ipam.options, which are for drivers of the host", "remove them"
    for pool in as_list(ipam.get("config")):
        subnet = as_mapping(pool).get("subnet")
        if subnet and not project.is_open(subnet) and not _is_private(str(subnet)):
            where = ", ".join(f"{network} (/{least} or smaller)" for network, least in _PRIVATE)
            yield f"takes {subnet} away from the host, which may need it", f"take a subnet of {where}"


def _is_private(subnet: str) -> bool:
    try:
        found = ip_network(subnet, strict=False)
    except ValueError:
        return False
    return any(
        found.version == network.version and found.prefixlen >= least and found.subnet_of(network)  # type: ignore[arg-type]
        for network, least in _PRIVATE
    )
