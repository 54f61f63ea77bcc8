# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts balancers may ask for each route of a stack, at every moment of a rollout. Pure.

A host goes from the routes that it has now to those of the release. Until that is done it is asked only for what it has before
and after, whenever that is; from then on for what the release has there. So a balancer is told before the first host changes,
and whenever hosts are done.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.edge.placed import TOO_OLD
from ansible_collections.morpheus.deploy.plugins.module_utils.service.routing import reached

Results = Mapping[str, Mapping[str, Any]]
# Host -> keys of routes
Keys = Mapping[str, Collection[str]]
# Of a rollout that failed and left the host with what it had.
_AS_BEFORE = ("as_before", "taken_back")


@dataclass(frozen=True)
class Placing:
    """``tells``: whether balancers have to be told at all. ``now``, ``wanted``: host -> keys of its routes, before and after.
    ``guarded``: keys of routes that say who may come. ``lasting``: whether there is something to remember when all is done.
    ``early``: host -> keys of its new routes whose requests it answers by a shorter one until then. Other hosts may do so no
    longer once they are done, so it is asked for them from the beginning.
    """

    tells: bool = False
    lasting: bool = False
    now: Mapping[str, list[str]] = field(default_factory=dict)
    wanted: Mapping[str, list[str]] = field(default_factory=dict)
    early: Mapping[str, list[str]] = field(default_factory=dict)
    guarded: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def decide(hosts: Results, left_out: Results, balancers: Results, stack: str, fleet: Iterable[str], *, several: bool) -> Placing:
    """``hosts``: host of this run -> {now, wanted}, see edge/hosted.py. ``left_out``: host that stays as it is -> what stack_info
    said of it, ``balancers``: what edge_upstream_info said. ``fleet``: every host that runs the stack; ``several``: whether the
    environment has other stacks, so that a host of a balancer may not be one of these.
    """
    answers = {name: found for name, found in balancers.items() if "knows_placed" in found}
    every = frozenset(fleet) | frozenset(hosts)
    upstreams = {host for one in answers.values() for host in one["upstreams"]}
    told = _told(answers, stack)
    others = any(set(one["placed"]) - {stack} for one in answers.values())
    placed = any(not route["here"] for found in hosts.values() for route in found["wanted"].values())
    lasting = placed or others or (several and bool(upstreams - every) and any(found["wanted"] for found in hosts.values()))
    # These hosts lose what others keep, as when a stack is removed from some of its hosts.
    lasting |= every > {*hosts} and any(one["now"] for one in hosts.values()) and not any(one["wanted"] for one in hosts.values())
    if not (lasting or told):
        return Placing()
    now = {name: [*found["now"]] for name, found in hosts.items()}
    wanted = {name: [key for key, route in found["wanted"].items() if route["here"]] for name, found in hosts.items()}
    known = {name: [*one["routes"]] for name, one in left_out.items() if "routes" in one}
    anybody = sorted({key for keys in [*now.values(), *known.values()] for key in keys})
    for host in sorted(every - {*hosts}):
        # Of one that nobody can ask, balancers remember it.
        keys = known.get(host, [key for key, names in told.items() if host in names] if told else anybody)
        now[host] = wanted[host] = keys
    guarded = sorted({key for found in hosts.values() for key, route in found["wanted"].items() if route["guarded"]})
    gone = {key: (names & upstreams) - {*now} for key, names in told.items()}
    problems = [*_unheard(balancers, answers), *_moved(now, wanted, gone), *_foreign(answers, wanted)]
    return Placing(True, lasting, now, wanted, _early(now, wanted), guarded, problems)


def _early(now: Keys, wanted: Keys) -> dict[str, list[str]]:
    before, after = _hosts(now), _hosts(wanted)
    new = [key for key in sorted(after.keys() - before.keys()) if after[key] < {*now}]
    leads = {host: {key: key for key in keys} for host, keys in now.items()}
    return {host: [key for key in new if key in wanted[host] and reached(leads[host], key)] for host in now}


def _told(answers: Results, stack: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for one in answers.values():
        for key, route in one["placed"].get(stack, {}).items():
            found.setdefault(key, set()).update(route["hosts"])
    return found


def _unheard(balancers: Results, answers: Results) -> list[str]:
    silent = [
        f"{name} (balancer) could not be asked whom it asks for routes that not all hosts have: {found.get('msg', 'no answer')}"
        for name, found in sorted(balancers.items())
        if name not in answers
    ]
    return silent + [f"{name}: {TOO_OLD}" for name, found in sorted(answers.items()) if not found["knows_placed"]]


def _moved(now: Keys, wanted: Keys, gone: Mapping[str, set[str]]) -> list[str]:
    """Routes that no host has before and after: for a moment nobody would have them. ``gone``: key -> hosts that run the stack no
    more and are still asked for it.
    """
    before, after = _hosts(now), _hosts(wanted)
    for key, names in gone.items():
        before.setdefault(key, set()).update(names)
    return [
        f"the route {key} is on {', '.join(sorted(before[key]))} and would be on {', '.join(sorted(after[key]))} alone, so for a "
        "moment no host would have it; deploy once with its service on both (services[].hosts), then this"
        + ("; of a host that is no more, provision balancers without it (edge_upstreams) first" if gone.get(key) else "")
        for key in sorted(before.keys() & after.keys())
        if before[key] and not before[key] & after[key]
    ]


def _foreign(answers: Results, wanted: Keys) -> list[str]:
    """Routes for which a balancer would have nobody to ask."""
    problems = []
    for name, found in sorted(answers.items()):
        asked = sorted({*found["upstreams"]} & {*wanted})
        for key, names in sorted(_hosts(wanted).items()):
            if names & {*asked}:
                continue
            hosts = ", ".join(sorted(names))
            problems.append(
                f"of this stack's hosts {name} asks only {', '.join(asked)} (edge_upstreams), and the route {key} would be on "
                f"{hosts} alone, so whoever comes by {name} would find nobody; name {hosts} there, too, or let its service run "
                f"on {asked[0]} as well (services[].hosts)"
                if asked
                else f"edge_upstreams of {name} names none of {hosts}, and the route {key} leads there alone; name hosts there "
                "as the inventory does"
            )
    return problems


def _hosts(keys: Keys) -> dict[str, set[str]]:
    """Key -> hosts that have it."""
    found: dict[str, set[str]] = {}
    for host, its in keys.items():
        for key in its:
            found.setdefault(key, set()).add(host)
    return found


def forward(placing: Placing, results: Results, without: Collection[str] = ()) -> dict[str, dict[str, Any]]:
    """Key -> {hosts, guarded}, as balancers are to be told when the rollouts of ``results`` have ended, those of the hosts
    ``without`` aside: host -> result, empty where its turn has not come.
    """
    done = {host for host, one in results.items() if host not in without and _is_well(one)}
    return _said(placing, placing.now, placing.wanted, done, placing.early)


def back(placing: Placing, results: Results, way: Collection[str], went: Results) -> dict[str, dict[str, Any]]:
    """As ``forward``, while the hosts of ``way`` go back to what they had. ``went``: of these, the results."""
    now: dict[str, Collection[str]] = {}
    aims: dict[str, Collection[str]] = {}
    for host, before in placing.now.items():
        result, after = results.get(host, {}), placing.wanted[host]
        if host in way:
            now[host], aims[host] = after, before
        elif not result or result.get("left") in _AS_BEFORE:
            now[host] = aims[host] = before
        else:
            now[host] = aims[host] = after if _is_well(result) else [key for key in before if key in after]
    returned = {host for host in way if _is_well(went.get(host, {}))}
    away = {host for host, one in results.items() if one and host not in returned and one.get("left") not in _AS_BEFORE}
    early = {host: keys for host, keys in placing.early.items() if away and (host in returned or host not in {*way, *away})}
    return _said(placing, now, aims, returned, early)


def described(placing: Placing) -> list[str]:
    """In words, a line for each route that not every host has, before or after."""
    before, after = forward(placing, {}), forward(placing, {host: {"changed": True} for host in placing.now})
    lines = []
    for key in sorted(before.keys() | after.keys()):
        first, last = (", ".join(told.get(key, {}).get("hosts", [])) for told in (before, after))
        if {first, last} - {", ".join(sorted(placing.now))} and (first or last):
            lines.append(f"{key} on {last or 'no host'}" + (f"; until then on {first or 'no host'}" if first != last else ""))
    return lines


def _is_well(result: Mapping[str, Any]) -> bool:
    return bool(result) and not result.get("failed") and not result.get("unreachable")


def _said(placing: Placing, now: Keys, wanted: Keys, done: Collection[str], early: Keys) -> dict[str, dict[str, Any]]:
    """``done``: hosts that have what is wanted there. ``early``: host -> keys for which it is asked besides."""
    leads = {key: key for keys in wanted.values() for key in keys}
    asked = {host: wanted[host] if host in done else _common(keys, wanted[host], leads) for host, keys in now.items()}
    hosts = _hosts({host: {*keys, *early.get(host, ())} for host, keys in asked.items()})
    over = all(host in done or {*keys} == {*wanted[host]} for host, keys in now.items())
    if over and not placing.lasting and all(names == {*now} for names in hosts.values()):
        return {}
    return {key: {"hosts": sorted(names), "guarded": key in placing.guarded} for key, names in sorted(hosts.items())}


def _common(keys: Collection[str], wanted: Collection[str], leads: Mapping[str, str]) -> list[str]:
    """Those of ``keys`` by which a host serves before and after. Where a route ends everywhere, its requests are those of the
    next shorter one, and go where that is. ``leads``: every route that is wanted anywhere.
    """
    meets = {key: reached(leads, key) for key in keys}
    return [key for key in keys if not meets[key] or meets[key] in wanted]
