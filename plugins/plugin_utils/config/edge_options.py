# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge's ports, whom it believes and whom it sends requests to, checked before a host is touched. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import schema

# What is looked at here, of the role's options.
NAMES = (
    *("edge_http_port", "edge_https_port", "edge_public_https_port", "edge_metrics_address"),
    *("edge_trusted_proxies", "edge_upstreams"),
)
HTTPS_PORT = 443
LAST_PORT = 65535
_UPSTREAM_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")
_DNS_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+\.?\Z")
_EACH = "give each its own port"
# What only a proxy may say of a request: whose it is, how it came, what it was for. "*" stands for any end.
PROXY_HEADERS = (
    *("forwarded", "x-forwarded", "x-forwarded-*"),
    *("x-original-for", "x-original-forwarded-for", "x-original-host", "x-original-proto", "x-original-method"),
    *("x-original-url", "x-original-uri", "x-rewrite-url", "x-host", "x-http-host-override"),
    *("x-scheme", "x-url-scheme", "front-end-https"),
    *("x-real-ip", "client-ip", "x-client-ip", "true-client-ip", "x-cluster-client-ip", "x-originating-ip"),
    *("x-remote-ip", "x-remote-addr", "x-proxyuser-ip", "cf-*", "fastly-client-ip", "fly-client-ip", "do-connecting-ip"),
    *("x-azure-clientip", "x-azure-socketip", "x-appengine-*", "x-envoy-*", "x-arr-clientcert"),
    *("ssl-client-*", "x-ssl-*", "x-client-cert*", "x-client-verify", "x-amzn-mtls-*"),
    *("remote-user", "remote-groups", "remote-name", "remote-email", "x-remote-user", "x-remote-group*", "x-remote-extra-*"),
    *(
        "x-auth-request-*",
        "x-webauth-*",
        "x-amzn-oidc-*",
        "x-goog-iap-*",
        "x-goog-authenticated-user-*",
        "x-ms-client-principal*",
    ),
    # A program that is started for a request sees it as the variable HTTP_PROXY.
    "proxy",
)


def checked(given: Mapping[str, Any], options: Mapping[str, Any], ports_of_hosts: Mapping[str, Any]) -> dict[str, Any]:
    """``problems``, and, when there are none, what the templates need.

    ``options``: the role's argument specification; ``ports_of_hosts``: edge_https_port of the inventory's hosts, by name.
    """
    problems: list[str] = []
    typed = schema.typed({name: given.get(name) for name in NAMES}, {name: options[name] for name in NAMES}, "", problems)
    if not problems:
        problems = [*_port_problems(typed), *_trusted_problems(typed), *_upstream_problems(typed)]
    if problems:
        return {"problems": problems, "trusted": [], "upstreams": [], "public_https_port": HTTPS_PORT, "proxy_headers": ""}
    return {
        "problems": [],
        "proxy_headers": proxy_headers(),
        "trusted": list(typed["edge_trusted_proxies"]),
        "upstreams": [_upstream(one, ports_of_hosts) for one in typed["edge_upstreams"]],
        "public_https_port": typed["edge_public_https_port"] or typed["edge_https_port"],
    }


def proxy_headers() -> str:
    """A regular expression for names of headers (in small letters), also as servers read them that take "_" for "-"."""
    names = "|".join(name.replace("-", "[-_]").replace("*", ".*") for name in PROXY_HEADERS)
    return f"^({names})$"


def port_problem(path: str, port: Any) -> str:
    """Why ``port`` is none, in words; empty when it is one."""
    is_port = isinstance(port, int) and 0 < port <= LAST_PORT
    return "" if is_port else f"{path}: {port} is not a port; give a number from 1 to 65535"


def _port_problems(typed: Mapping[str, Any]) -> list[str]:
    http, https, public = (typed[name] for name in ("edge_http_port", "edge_https_port", "edge_public_https_port"))
    found = [port_problem("edge_http_port", http), port_problem("edge_https_port", https)]
    # 0 says that users see the host's own port.
    found += [port_problem("edge_public_https_port", public)] if public else []
    if http == https:
        found.append(f"edge_https_port: {https} is also edge_http_port; {_EACH}")
    metrics = typed["edge_metrics_address"]
    address, _, port = metrics.rpartition(":")
    if not port.isdecimal() or _address(address.strip("[]")) is None:
        found.append(f'edge_metrics_address: "{metrics}" is not an <address>:<port>, such as 127.0.0.1:8405')
    else:
        found.append(port_problem("edge_metrics_address", int(port)))
        name = {http: "edge_http_port", https: "edge_https_port"}.get(int(port), "")
        found += [f"edge_metrics_address: {port} is also {name}; {_EACH}"] if name else []
    return [problem for problem in found if problem]


def _trusted_problems(typed: Mapping[str, Any]) -> list[str]:
    found = [(number, _network_problem(str(text))) for number, text in enumerate(typed["edge_trusted_proxies"])]
    return [f"edge_trusted_proxies[{number}]: {problem}" for number, problem in found if problem]


def _network_problem(text: str) -> str:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return f'"{text}" is neither an address nor a network; write it as 10.0.0.5 or 10.0.0.0/24, a name is not looked up'
    if not network.prefixlen:
        return f'"{text}" means everybody, so anyone could fake their address; name the proxies in front of this host'
    address = text.partition("/")[0]
    if "/" in text and address != str(network.network_address) and ipaddress.ip_address(address) != network.network_address:
        return f'"{text}" is one address of a network; write {network} for the network, or {address} for the address'
    return ""


def _upstream_problems(typed: Mapping[str, Any]) -> list[str]:
    found = []
    seen: dict[str, int] = {}
    for number, upstream in enumerate(typed["edge_upstreams"]):
        path, name = f"edge_upstreams[{number}]", upstream["name"]
        if not _UPSTREAM_NAME.match(name):
            found.append(f'{path}.name: "{name}" may hold only letters, digits, -, _ and .')
        elif name in seen:
            found.append(f'{path}.name: "{name}" is already used by edge_upstreams[{seen[name]}]')
        seen.setdefault(name, number)
        problem = _upstream_address_problem(upstream["address"])
        found += [f"{path}.address: {problem}"] if problem else []
        problem = port_problem(f"{path}.port", upstream["port"]) if upstream["port"] is not None else ""
        found += [problem] if problem else []
    return found


def _upstream_address_problem(text: str) -> str:
    if _address(text.strip("[]")) is not None:
        return ""
    host, colon, port = text.rpartition(":")
    if colon and port.isdecimal():
        return f'"{text}" names a port; write address: "{host}" and port: {port}'
    if _DNS_NAME.match(text):
        return ""
    if re.fullmatch(r"[A-Za-z0-9_-]+", text):
        return f'"{text}" has no dot, and the engine does not resolve names without a dot; write an address, or the whole name'
    return f'"{text}" is neither an address nor a DNS name'


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _upstream(upstream: Mapping[str, Any], ports_of_hosts: Mapping[str, Any]) -> dict[str, Any]:
    address = _address(upstream["address"].strip("[]"))
    text = f"[{address}]" if address and address.version == 6 else upstream["address"]
    # The inventory knows on which port a host of this name serves.
    port = upstream["port"] or int(ports_of_hosts.get(upstream["name"]) or HTTPS_PORT)
    return {"name": upstream["name"], "address": text, "port": port}
