# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What answers on a host's network: ports that are not meant to, and what certificates say."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.facts import tls as tls_probe
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit import certificate
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit.finding import HIGH, MEDIUM, Check, Finding, Settings

EXPIRES_HIGH, EXPIRES_MEDIUM = timedelta(days=14), timedelta(days=30)
# The kernel gives these to whoever asks for none: a client's socket, as a rule.
_EPHEMERAL = 32768
_ALLOWED = re.compile(r"(?:(?P<address>\[[0-9A-Fa-f:.]+\]|[0-9.]+):)?(?P<port>\d{1,5})(?:/(?P<protocol>tcp|udp))?\Z")


def port_problems(allowed: Sequence[Any]) -> list[str]:
    return [
        f"audit_allowed_ports[{number}]: {entry} is not a port such as 443, 53/udp or 10.0.0.5:9100"
        for number, entry in enumerate(allowed)
        if not _ALLOWED.match(str(entry))
    ]


def is_allowed(socket: Mapping[str, Any], allowed: Sequence[Any]) -> bool:
    for entry in allowed:
        match = _ALLOWED.match(str(entry))
        if not match or int(match["port"]) != socket["port"] or (match["protocol"] or "tcp") != socket["protocol"]:
            continue
        if match["address"] is None or match["address"].strip("[]") == socket["address"]:
            return True
    return False


def is_loopback(socket: Mapping[str, Any]) -> bool:
    return ipaddress.ip_address(socket["address"]).is_loopback


def open_ports(host: str, facts: Mapping[str, Any], settings: Settings) -> Check:
    found = []
    for socket in facts["sockets"]:
        address = ipaddress.ip_address(socket["address"])
        if is_loopback(socket) or is_allowed(socket, settings.allowed_ports):
            continue
        if socket["protocol"] == "udp" and socket["port"] >= _EPHEMERAL:
            continue
        place = "every address" if address.is_unspecified else socket["address"]
        who = socket["container"] or socket["process"] or "an unknown process"
        seen = f"{who} listens on {place}"
        mend = "stop it or bind it to 127.0.0.1; when it is meant to be open, name it in audit_allowed_ports"
        level = HIGH if address.is_unspecified else MEDIUM
        found.append(Finding("port-open", level, host, f"{socket['port']}/{socket['protocol']}", seen, mend))
    # Once for IPv4 and once for IPv6.
    return Check(["port-open"], f"{len(facts['sockets'])} listening sockets", list(dict.fromkeys(found)))


def certificates(host: str, facts: Mapping[str, Any], settings: Settings) -> Check:
    served = facts["certificates"]
    ids = ["tls-expiry", "tls-name", "tls-protocol", "tls-unanswered"] if served else []
    sites = ", ".join(one["site"] for one in served)
    mend = "run playbooks/provision.yml --tags edge for this inventory, which removes it"
    seen = "a certificate and its key, which the inventory does not name"
    found = [Finding("certificate-left", MEDIUM, host, path, seen, mend) for path in facts["certificates_left"]]
    found += [finding for one in served for finding in _tls_of(host, one, settings)]
    return Check([*ids, "certificate-left"], f"as served for {sites}" if sites else "no site has a certificate", found)


def _tls_of(host: str, served: Mapping[str, Any], settings: Settings) -> list[Finding]:
    site = served["site"]
    if served["trouble"]:
        seen = f"no TLS on port {served['port']}: {served['trouble']}"
        return [Finding("tls-unanswered", HIGH, host, site, seen, "run playbooks/provision.yml for this inventory")]
    found = []
    shown = certificate.read(served["pem"])
    left = shown.expires - settings.now
    renew = "renew it (edge_certificate_paths) and run playbooks/provision.yml"
    if left < EXPIRES_MEDIUM:
        ends = (
            f"expires on {shown.expires:%Y-%m-%d}, in {left.days} days"
            if left > timedelta()
            else f"expired on {shown.expires:%Y-%m-%d}"
        )
        found.append(Finding("tls-expiry", HIGH if left < EXPIRES_HIGH else MEDIUM, host, site, ends, renew))
    if not shown.is_for(site):
        names = ", ".join(shown.names) or "no site at all"
        found.append(Finding("tls-name", MEDIUM, host, site, f"is for {names}", renew))
    spoken = served["protocols"]
    old = [version for version in ("TLSv1.0", "TLSv1.1") if spoken.get(version) == tls_probe.ACCEPTED]
    unknown = [
        version for version in ("TLSv1.0", "TLSv1.1") if spoken.get(version) not in (tls_probe.ACCEPTED, tls_probe.REFUSED)
    ]
    mend = "set ssl-default-bind-options ssl-min-ver TLSv1.2, as the role edge does, and run playbooks/provision.yml"
    if old:
        found.append(Finding("tls-protocol", HIGH, host, site, f"speaks {' and '.join(old)}", mend))
    if unknown:
        seen = f"gave no answer that tells whether it speaks {' and '.join(unknown)}"
        found.append(Finding("tls-protocol", MEDIUM, host, site, seen, "repeat the audit"))
    return found
