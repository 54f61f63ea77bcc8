# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""Which service a request reaches, and in which order routes change hands. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


def reached(routes: Mapping[str, str], key: str) -> str:
    """The service that a request for ``key`` reaches, as the edge looks it up: the longest key that fits its host, or else any
    host; empty for none.
    """
    host, slash, path = key.partition("/")
    for prefix in (host, "*"):
        wanted = f"{prefix}{slash}{path}"
        fitting = [one for one in routes if one.startswith(f"{prefix}/") and wanted.startswith(one)]
        if fitting:
            return routes[max(fitting, key=len)]
    return ""


def in_order(routes: Mapping[str, str]) -> list[str]:
    """Keys of a change (key -> service, empty to end it) in the order in which no request falls for a moment to a route that
    neither what was nor what will be means for it: the longest are changed first; those of any host end first, and the shortest.
    """
    changed = sorted((key for key in routes if routes[key]), key=len, reverse=True)
    return changed + sorted((key for key in routes if not routes[key]), key=lambda key: (not key.startswith("*/"), len(key)))


def _hides(key: str, routes: Mapping[str, str]) -> bool:
    """Whether a host's route keeps requests from routes of any host that lie below it: these would go elsewhere than its own."""
    host, _, path = key.partition("/")
    return host != "*" and any(one.startswith(f"*/{path}") and one != f"*/{path}" for one in routes)


@dataclass(frozen=True)
class Routing:
    """Routes as they lead now and as they shall lead: key, see haproxy.route_key -> service. ``others``: keys of other stacks."""

    now: Mapping[str, str] = field(default_factory=dict)
    wanted: Mapping[str, str] = field(default_factory=dict)
    others: frozenset[str] = frozenset()

    @property
    def pins(self) -> dict[str, str]:
        """Keys to be added first, each with the service that it reaches anyway: so a request goes on reaching it when a shorter
        route moves, until the new route's own service takes it over.
        """
        known = {**self.now, **dict.fromkeys(self.others, "")}
        found = {key: reached(known, key) for key in self.wanted.keys() - known.keys()}
        for key in [key for key in found if not key.startswith("*/")]:
            # It hides every route of any host that lies below it, whatever becomes of that one meanwhile.
            host, _, path = key.partition("/")
            hidden = [f"{host}{one[1:]}" for one in known if one.startswith(f"*/{path}")]
            found |= {one: reached(known, one) for one in hidden if one not in known}
        return {key: service for key, service in found.items() if service}

    @property
    def pinned(self) -> Routing:
        return replace(self, now={**self.now, **self.pins})

    def handed_over(self, staying: set[str]) -> Routing:
        """With each route that is to end, whose service is one of ``staying``, leading first to the service that its requests
        will reach afterwards: before new replicas of the old one come, which may not know it any more.
        """
        after = {**self.wanted, **dict.fromkeys(self.others, "")}
        reaches = {key: reached(after, key) for key in self.to_end if self.now[key] in staying and not _hides(key, after)}
        return replace(self, wanted={**self.wanted, **{key: service for key, service in reaches.items() if service}})

    def to_take(self, service: str) -> tuple[str, ...]:
        """Keys that shall lead to ``service`` and do not."""
        return tuple(sorted(key for key, one in self.wanted.items() if one == service and self.now.get(key) != service))

    @property
    def to_end(self) -> tuple[str, ...]:
        """Keys that lead somewhere and shall lead nowhere."""
        return tuple(sorted(self.now.keys() - self.wanted.keys()))

    def givers(self) -> dict[str, set[str]]:
        """Service -> those that take routes over before it rolls: from it, or below a route that it is to take itself."""
        found: dict[str, set[str]] = {}
        for key, taker in self.wanted.items():
            giver = self.now.get(key)
            above = (
                {one for shorter, one in self.wanted.items() if shorter != key and key.startswith(shorter)}
                if not giver
                else set()
            )
            for service in ({giver} if giver else above) - {taker}:
                found.setdefault(service, set()).add(taker)
        return found
