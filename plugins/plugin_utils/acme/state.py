# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hosts of an environment serve with, and what is to be done about it. Pure.

The hosts hold the truth: any controller may renew, and one that has lost its files brings nothing older back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit import certificate
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit.certificate import Certificate

# What an authority says may be long.
LONGEST = 400


@dataclass(frozen=True)
class Held:
    """What a host serves with; ``found`` is None for one that serves with nothing that a browser takes. ``path``: on the host."""

    host: str
    pem: str
    path: str
    found: Certificate | None

    def covers(self, names: Sequence[str]) -> bool:
        return self.found is not None and set(names) <= set(self.found.names)


@dataclass(frozen=True)
class State:
    """``source``: the host whose certificate is for all names and lasts longest, if there is one; ``behind``: hosts that have
    another one; ``away``: hosts that did not answer, with why. ``why``: why another one is to be issued, empty when none is.
    """

    names: tuple[str, ...]
    source: Held | None
    behind: tuple[str, ...]
    away: Mapping[str, str]
    why: str
    days: float

    def as_dict(self) -> dict[str, Any]:
        return {
            "due": bool(self.why),
            "why": self.why,
            "source": self.source.host if self.source else "",
            "path": self.source.path if self.source else "",
            "ends": _day(self.source) if self.source else "",
            "days": int(self.days),
            "behind": list(self.behind),
            "away": dict(self.away),
        }


def state(answers: Mapping[str, Mapping[str, Any]], names: Sequence[str], renew_days: float, now: datetime) -> State:
    """``answers``: host -> what edge_certificate_info said there; one without a certificate in it is away."""
    away = {host: why_not(answer) for host, answer in answers.items() if not answer.get("certificate")}
    held = [_held(host, answer, now) for host, answer in answers.items() if answer.get("certificate")]
    whole = [one for one in held if one.covers(names)]
    source = max(whole, key=lambda one: one.found.expires if one.found else now, default=None)
    behind = tuple(one.host for one in held if source is None or one.pem != source.pem)
    left = (source.found.expires - now) if source and source.found else timedelta(0)
    return State(tuple(names), source, behind, away, _due(source, held, names, renew_days, left), left / timedelta(days=1))


def _due(source: Held | None, held: Sequence[Held], names: Sequence[str], renew_days: float, left: timedelta) -> str:
    if not held:
        # It would be issued for nobody.
        return ""
    if source is None or source.found is None:
        others = [one.found for one in held if one.found]
        missing = [name for name in names if not any(name in found.names for found in others)]
        if not others:
            return "no host has one"
        return f"none is for {', '.join(missing)}" if missing else "none is for all names"
    # Authorities give certificates for days, too: such a one is renewed in the last third of its life.
    third = (source.found.expires - source.found.begins) / 3
    if left < min(timedelta(days=renew_days), third):
        return f"it ends on {_day(source)}"
    return ""


def _held(host: str, answer: Mapping[str, Any], now: datetime) -> Held:
    pem, found = str(answer["certificate"]), None
    try:
        found = certificate.read(pem)
    except ValueError:
        # HAProxy would not have started with it: somebody has written over the file since.
        pem = ""
    if found and found.expires <= now:
        found = None
    return Held(host, pem, str(answer.get("path") or ""), found)


def _day(held: Held) -> str:
    return f"{held.found.expires:%Y-%m-%d}" if held.found else ""


def why_not(answer: Mapping[str, Any]) -> str:
    """Why a module has done nothing on a host, in one line."""
    if answer.get("unreachable"):
        return "it could not be reached"
    if answer.get("certificate") == "":
        return "its edge was set up without edge_acme; run playbooks/provision.yml --tags edge"
    return one_line(answer.get("msg") or "it gave no answer")


def one_line(text: Any) -> str:
    return " ".join(str(text).split())[:LONGEST]
