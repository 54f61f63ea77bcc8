# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status of an environment as a table for people, at most 100 columns wide. Pure.

``report``: {environment, hosts: name -> result of stack_status or {unreachable}, lease: holder or None, lease_problem: why no
host said it, lease_unread: host -> why it did not, balancers_unread: balancer -> why it did not say whom it keeps off,
balancers_damaged: balancer -> what is wrong with its files, runs: history lines, endpoints: how serverless endpoints differ
from what is declared, schema: see schema_status}. Of several stacks, stacks: name -> hosts as above, in the place of hosts, and
schemas: name -> schema in the place of schema.
"""

from __future__ import annotations

import calendar
import textwrap
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import backups, schema_status, supabase_status

WIDTH = 100


def table(report: Mapping[str, Any], now: float) -> list[str]:
    """Lines; ``now`` is seconds since the epoch."""
    lines = [f"STATUS of {report['environment']}", ""]
    rows: list[tuple[str, ...]] = [("HOST", "RELEASE", "AGE", "EDGE", "DRIFT", "HEALTHY/WANTED")]
    stacks = report.get("stacks")
    hosts = report["hosts"]
    if stacks is None:
        rows += [_row(name, host, now) for name, host in sorted(hosts.items())]
    else:
        rows = [("STACK", *rows[0])]
        rows += [(stack, *_row(name, host, now)) for stack, found in stacks.items() for name, host in sorted(found.items())]
        hosts = {f"{stack} on {name}": host for stack, found in stacks.items() for name, host in found.items()}
    lines += columns(rows)
    lines += _details(hosts, report)
    lines += _pins(hosts)
    if report.get("endpoints"):
        lines += ["", "SERVERLESS ENDPOINTS differ from what is declared (playbooks/ml_endpoints.yml --check --diff):"]
        lines += [line for sentence in report["endpoints"] for line in wrapped(f"  {sentence}", "    ")]
    problem = report.get("lease_problem")
    lease = f"? (it could not be read: {problem})" if problem else _lease(report["lease"])
    lines += _section("SCHEMA", schema_status.sentences(report.get("schema") or {}))
    for name, schema in sorted((report.get("schemas") or {}).items()):
        lines += _section(f"SCHEMA of {name}", schema_status.sentences(schema))
    lines += _section("SUPABASE", supabase_status.heads(report.get("supabase") or {}))
    lines += ["", *wrapped(f"LEASE  {lease}", "       ")]
    for name, why in sorted(report.get("lease_unread", {}).items() if not problem else []):
        lines += wrapped(f"       {name}, which keeps it too, {why}", "       ")
    lines += backups.lines(report.get("backups") or [], report["environment"], now)
    lines.append("")
    runs = [("LAST RUNS", "VERDICT", "WHAT", "BY", "SECONDS"), *(row for line in reversed(report["runs"]) for row in _run(line))]
    none = "The history could not be read." if problem else "No run is in the history yet."
    lines += columns(runs) if len(runs) > 1 else [none]
    return lines


def _section(head: str, sentences: Sequence[str]) -> list[str]:
    """The first stands behind the head, the others below it."""
    if not sentences:
        return []
    first, *rest = sentences
    return ["", *wrapped(f"{head}  {first}", "  "), *(line for one in rest for line in wrapped(f"  {one}", "    "))]


def age(at: str, now: float) -> str:
    """The time since ``at``, a UTC text, in its largest unit."""
    try:
        seconds = max(0.0, now - calendar.timegm(time.strptime(at, "%Y-%m-%dT%H:%M:%SZ")))
    except ValueError:
        return "-"
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def _row(name: str, host: Mapping[str, Any], now: float) -> tuple[str, ...]:
    if "live" not in host:
        return (name, "?", "-", "?", "?", "could not be asked")
    replicas = " ".join(f"{one['name']} {one['healthy']}/{one['wanted']}" for one in host["services"])
    drift = str(len(host["drift"])) if host["drift"] else "none"
    # An edge that is up and gets no request is the more dangerous one.
    edge = "kept off" if host["edge"] == "up" and host.get("kept_off") else host["edge"]
    return (name, host["release"] or "none", age(host["since"], now), edge, drift, replicas or "-")


def _details(hosts: Mapping[str, Mapping[str, Any]], report: Mapping[str, Any]) -> list[str]:
    found, environment = [], report["environment"]
    for name, host in sorted(hosts.items()):
        rolling = host.get("rolling")
        owner = host.get("environment", environment)
        sentences = [] if owner == environment else [f"belongs to {owner or 'no environment'} and not to {environment}"]
        sentences += [f"a rollout to {rolling} has begun and not ended"] if rolling else []
        sentences += [str(host["away"])] if "away" in host else []
        sentences += [str(host["msg"])] if "live" not in host and host.get("msg") else []
        for sentence in [*sentences, *host.get("kept_off", []), *host.get("drift", []), *host.get("dependencies", [])]:
            found += wrapped(f"  {name}: {sentence}", "    ")
    for name, why in sorted(report.get("balancers_unread", {}).items()):
        found += wrapped(f"  {name} (balancer) did not say whom it keeps off: {why}", "    ")
    for name, problems in sorted(report.get("balancers_damaged", {}).items()):
        found += [line for problem in problems for line in wrapped(f"  {name} (balancer): {problem}", "    ")]
    # Not wrapped: a command is copied whole. The same one mends every host.
    mends = [*dict.fromkeys(command for host in hosts.values() for command in host.get("mend", []))]
    # Without its edge a host refuses whatever else there is to type.
    mends.sort(key=lambda command: "provision.yml" not in command)
    if len(mends) > 1:
        found += [
            "  Mend it with these, in this order:",
            *(f"    {number}. {command}" for number, command in enumerate(mends, 1)),
        ]
    else:
        found += [f"  Mend it with: {command}" for command in mends]
    return ["", *found] if found else []


def _pins(hosts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Which models the releases are pinned to, and on which hosts where that is not so on all."""
    told: dict[tuple[str, ...], list[str]] = {}
    for name, host in sorted(hosts.items()):
        for endpoint, pin in sorted((host.get("pins") or {}).items()):
            about = (endpoint, f"{pin['model'] or 'a mock'} {pin['version']}".rstrip(), pin["id"] or "-", pin["called"])
            told.setdefault(about, []).append(name)
    rows = [(*about, "" if len(where) == len(hosts) else ", ".join(where)) for about, where in sorted(told.items())]
    return ["", *columns([("ML ENDPOINT", "MODEL", "ID", "CALLED", "ON"), *rows])] if rows else []


def _lease(holder: Mapping[str, Any] | None) -> str:
    if not holder:
        return "free"
    if not holder["alive"]:
        return f"expired: {holder['owner']} ({holder['reason']}) gave no sign of life for {holder['beat_seconds']:.0f} s"
    return f"{holder['owner']}: {holder['reason']}, since {holder['acquired']}, token {holder['token']}"


def _run(line: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The run, and below it each of several stacks."""
    seconds = line.get("seconds")
    whole = (
        str(line.get("at", "-")),
        str(line.get("verdict", "-")),
        str(line.get("what", "")) or "-",
        str(line.get("owner", "")) or "-",
        f"{seconds:.1f}" if isinstance(seconds, int | float) else "-",
    )
    stacks = line.get("stacks") or {}
    of_each = [("", str(one["verdict"]), f"{name} {one.get('to', '')}".rstrip(), "", "") for name, one in stacks.items()]
    return [whole, *(of_each if len(of_each) > 1 else [])]


def columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows under each other; the last column is wrapped, the others are shortened where the width does not suffice."""
    *heads, _ = zip(*rows, strict=True)
    limits = [min(max(map(len, column)), 26) for column in heads]
    indent = sum(limits) + 2 * len(limits)
    lines = []
    for *cells, last in rows:
        start = "".join(f"{_short(cell, limit):<{limit}}  " for cell, limit in zip(cells, limits, strict=True))
        parts = textwrap.wrap(last, max(12, WIDTH - indent)) or [""]
        lines += [f"{start}{parts[0]}".rstrip(), *(" " * indent + part for part in parts[1:])]
    return lines


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_on_hyphens=False)
