# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proofs that were recorded of a host: whether they hold, and what was never tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.facts import reach
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit.finding import HIGH, MEDIUM, Check, Finding, Settings, counted

OPEN, CLOSED = "open", "closed"


def proofs_of(host: str, facts: Mapping[str, Any], _: Settings) -> Check:
    proofs = facts["proofs"]
    if not any(one["wanted"] == CLOSED for one in proofs):
        return Check([], "")
    places = list(dict.fromkeys(one["from"] for one in proofs))
    found = [_reached(host, one) for one in proofs if one["wanted"] == CLOSED and one["outcome"] == reach.CONNECTED]
    valid = {place for place in places if _is_valid(proofs, place)}
    for place in places:
        if place not in valid:
            # A service may be kept from the database by design, as long as another of the stack is not.
            level = MEDIUM if place and valid - {""} else HIGH
            found.append(Finding("proof-void", level, host, place_name(place), _why_void(proofs, place), _MEND_VOID))
    found += [_untried(host, one) for one in proofs if one["wanted"] == CLOSED and one["outcome"] == reach.UNRESOLVED]
    if places == [""] and facts["release"]:
        seen = "no replica of the stack runs, so nothing was tried from inside one"
        found.append(Finding("proof-void", HIGH, host, "containers", seen, "deploy, and repeat the audit"))
    targets = {(one["host"], one["port"]) for one in proofs if one["wanted"] == CLOSED}
    return Check(
        ["proof-reached", "proof-void"], f"{counted(len(targets), 'target')}, tried from {counted(len(places), 'place')}", found
    )


_MEND_VOID = "let audit_must_reach name what this environment does reach, its own database first; see that it runs"


def is_void(proofs: Sequence[Mapping[str, Any]], place: str) -> bool:
    return not _is_valid(proofs, place)


def place_name(place: str) -> str:
    return f"inside {place}" if place else "the host itself"


def _is_valid(proofs: Sequence[Mapping[str, Any]], place: str) -> bool:
    """Whether a failed connection from there proves something: the ones that must succeed do, and all were really tried."""
    here = [one for one in proofs if one["from"] == place]
    controls = [one for one in here if one["wanted"] == OPEN]
    tried = all(one["outcome"] != reach.UNTRIED for one in here)
    return tried and bool(controls) and all(one["outcome"] == reach.CONNECTED for one in controls)


def _why_void(proofs: Sequence[Mapping[str, Any]], place: str) -> str:
    here = [one for one in proofs if one["from"] == place]
    untried = [one["detail"] for one in here if one["outcome"] == reach.UNTRIED]
    if untried:
        return f"could not be tried: {untried[0]}"
    failed = [f"{one['name']} ({one['detail']})" for one in here if one["wanted"] == OPEN and one["outcome"] != reach.CONNECTED]
    return (
        f"does not reach {', '.join(failed)} either"
        if failed
        else "audit_must_reach is empty, so nothing shows that connections work"
    )


def _reached(host: str, proof: Mapping[str, Any]) -> Finding:
    target = f"{proof['name']}, {proof['host']} port {proof['port']}"
    seen = f"{place_name(proof['from'])} opened a connection to {target} ({proof['detail']})"
    mend = "close the way between the two networks (firewall, security group, peering), and repeat the audit"
    return Finding("proof-reached", HIGH, host, proof["name"], seen, mend)


def _untried(host: str, proof: Mapping[str, Any]) -> Finding:
    seen = f"{place_name(proof['from'])} does not know the name {proof['host']}, so no connection was tried"
    return Finding("proof-void", MEDIUM, host, proof["name"], seen, "give its address, too, in audit_must_not_reach")
