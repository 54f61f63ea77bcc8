# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which service a request reaches, and in which order routes change hands. Pure.

A route leads to a destination: a service, and the options of the route where it has any. Both change hands in one step, so no
request meets the options of one release and the service of another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

# Between a service and the options of a route, which are JSON without blanks. No service's name and no host holds it.
_OPTIONS = "|"


def destination(service: str, options: str = "") -> str:
    return f"{service}{_OPTIONS}{options}" if options else service


def service_at(leads: str) -> str:
    """The service of a destination; empty for none."""
    return leads.partition(_OPTIONS)[0]


def options_of(leads: str) -> str:
    """The options of a destination, as they are written; empty for none."""
    return leads.partition(_OPTIONS)[2]


def wider(host: str) -> tuple[str, ...]:
    """The hosts of keys that also fit a request for ``host``, in the order in which the edge looks: the wildcard in the place of
    its first label, then any.
    """
    _, dot, rest = host.partition(".")
    found = [f"*.{rest}"] if dot else []
    return tuple(one for one in [*found, "*"] if one != host)


def reached(routes: Mapping[str, str], key: str) -> str:
    """The destination that a request for ``key`` reaches, as the edge looks it up: the longest key that fits its host, or else
    its wildcard, or else any host; empty for none.
    """
    host, slash, path = key.partition("/")
    for prefix in (host, *wider(host)):
        wanted = f"{prefix}{slash}{path}"
        fitting = [one for one in routes if one.startswith(f"{prefix}/") and wanted.startswith(one)]
        if fitting:
            return routes[max(fitting, key=len)]
    return ""


def in_order(routes: Mapping[str, str]) -> list[str]:
    """Keys of a change (key -> destination, empty to end it) in the order in which no request falls for a moment to a route that
    neither what was nor what will be means for it: the longest are changed first; those of any host end first, then those of
    wildcards, and the shortest.
    """
    changed = sorted((key for key in routes if routes[key]), key=len, reverse=True)
    return changed + sorted((key for key in routes if not routes[key]), key=lambda key: (_narrowness(key), len(key)))


def _narrowness(key: str) -> int:
    return 0 if key.startswith("*/") else 1 if key.startswith("*.") else 2


def _hides(key: str, routes: Mapping[str, str]) -> bool:
    """Whether a host's route keeps requests from wider hosts' routes below it: they would go elsewhere than its own."""
    return bool(_hidden(key, routes))


def _hidden(key: str, routes: Iterable[str]) -> dict[str, str]:
    """Keys of ``routes`` that lie below ``key`` and are of a wider host -> the same path of its own host."""
    host, _, path = key.partition("/")
    below = {wide: f"{wide}/{path}" for wide in wider(host)}
    return {
        one: f"{host}{one[len(wide) :]}"
        for one in routes
        for wide, prefix in below.items()
        if one.startswith(prefix) and one != prefix
    }


@dataclass(frozen=True)
class Routing:
    """Routes as they lead now and as they shall lead: key, see haproxy.route_key -> destination. ``others``: keys of other
    stacks.
    """

    now: Mapping[str, str] = field(default_factory=dict)
    wanted: Mapping[str, str] = field(default_factory=dict)
    others: frozenset[str] = frozenset()

    @property
    def pins(self) -> dict[str, str]:
        """Keys to be added first, each with the destination that it reaches anyway: so a request goes on reaching it when a
        shorter route moves, until the new route's own service takes it over.
        """
        known = {**self.now, **dict.fromkeys(self.others, "")}
        found = {key: reached(known, key) for key in self.wanted.keys() - known.keys()}
        for key in list(found):
            # It hides every route of a wider host that lies below it, whatever becomes of that one meanwhile.
            found |= {one: reached(known, one) for one in _hidden(key, known).values() if one not in known}
        return {key: leads for key, leads in found.items() if leads}

    @property
    def pinned(self) -> Routing:
        return replace(self, now={**self.now, **self.pins})

    def handed_over(self, staying: set[str]) -> Routing:
        """With each route that is to end, whose service is one of ``staying``, leading first to the service that its requests
        will reach afterwards: before new replicas of the old one come, which may not know it any more.
        """
        after = {**self.wanted, **dict.fromkeys(self.others, "")}
        ending = [key for key in self.to_end if service_at(self.now[key]) in staying and not _hides(key, after)]
        reaches = {key: reached(after, key) for key in ending}
        return replace(self, wanted={**self.wanted, **{key: leads for key, leads in reaches.items() if leads}})

    def to_take(self, service: str) -> tuple[str, ...]:
        """Keys that shall lead to ``service``, with their options, and do not."""
        return tuple(sorted(key for key, one in self.wanted.items() if service_at(one) == service and self.now.get(key) != one))

    @property
    def to_end(self) -> tuple[str, ...]:
        """Keys that lead somewhere and shall lead nowhere."""
        return tuple(sorted(self.now.keys() - self.wanted.keys()))

    def late(self, waves: Mapping[str, int]) -> list[str]:
        """Keys to be taken over last, one after the other. Nothing leads there yet, and a route below comes no earlier, of
        another service: its requests, which nobody answers until then, would reach the wrong one for a moment.

        ``waves``: service -> when it rolls.
        """
        new = {key: service_at(leads) for key, leads in self.wanted.items() if key not in self.now}
        found = {
            above: self.wanted[above]
            for above, service in new.items()
            for key, taker in new.items()
            if taker != service and reached({above: above}, key) and waves.get(taker, -1) >= waves.get(service, -1)
        }
        return in_order(found)

    def givers(self) -> dict[str, set[str]]:
        """Service -> those that take routes over before it rolls: from it, or below a route that it is to take itself."""
        found: dict[str, set[str]] = {}
        for key, taker in self.wanted.items():
            giver = service_at(self.now.get(key, ""))
            above = (
                {service_at(one) for shorter, one in self.wanted.items() if shorter != key and key.startswith(shorter)}
                if not giver
                else set()
            )
            for service in ({giver} if giver else above) - {service_at(taker)}:
                found.setdefault(service, set()).add(service_at(taker))
        return found
